//! GraphQL over HTTP: which root fields a request asks for, with their arguments, whatever they are called there.
//!
//! <https://spec.graphql.org/September2025/>, and for the transport
//! <https://graphql.github.io/graphql-over-http/draft/>.

mod budget;
mod document;
mod literal;
mod posted;

use std::collections::BTreeMap;
use std::fmt;

use crate::denial::{Denial, Reason};
use crate::routes::json::Json;

pub(crate) use posted::read;

/// Most root fields of a request: each is a question to policy.
pub(crate) const MAX_FIELDS: usize = 32;

/// What an operation does (section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Query,
    Mutation,
    Subscription,
}

/// A field at the root of an operation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RootField {
    pub(crate) operation: Operation,
    /// Its own name; an alias is nobody's business.
    pub(crate) name: String,
    /// Literals and variables, without what is left out.
    pub(crate) arguments: BTreeMap<String, Json>,
}

impl Operation {
    pub(crate) const ALL: [Self; 3] = [Self::Query, Self::Mutation, Self::Subscription];

    /// Its keyword.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Subscription => "subscription",
        }
    }
}

impl fmt::Display for RootField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.operation.word(), self.name)
    }
}

fn bad(detail: impl Into<String>) -> Denial {
    Denial::new(Reason::BadMessage, detail)
}
