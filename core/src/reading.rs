//! One reading: a request that two parsers could read differently is refused, never guessed at.

mod headers;
mod media;
mod multipart;
mod path;
mod query;
mod rules;
mod strip;

use std::cell::OnceCell;

pub(crate) use headers::host as host_of;
pub use headers::to_strip_from_trailers;
pub(crate) use media::{MediaType, is_grpc};
pub(crate) use multipart::{Part, PartContent, Parts};
pub(crate) use query::{Parameters, is_override};
pub use rules::{NotRelaxable, Relaxed, Rule};
pub(crate) use rules::{fold, folds_to};
pub use strip::to_strip;

use crate::denial::{Denial, Reason};
use crate::facts::RequestFacts;
use headers::Fields;

/// The longest justification, in bytes.
pub const MAX_JUSTIFICATION: usize = 1024;

/// The header in which a caller says why it does this.
pub const JUSTIFICATION: &str = "countersign-justification";

/// A request read in the one way in which the upstream can read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// `:method`, in capitals.
    pub method: String,
    /// `:scheme`, `http` or `https`.
    pub scheme: String,
    /// `:authority`, as it came.
    pub authority: String,
    /// The authority's host: lower case, no port, no trailing dot.
    pub host: String,
    /// `:path`, as it came, with the query.
    pub path: String,
    /// The path's segments, decoded once. `/a/` has two, the second is empty.
    pub segments: Vec<String>,
    /// Why the caller does this: untrusted text, at most [`MAX_JUSTIFICATION`] bytes.
    pub justification: Option<String>,
    upgrade: Option<Denial>,
    fields: Fields,
    relaxed: Relaxed,
    /// The query's parameters, split when somebody asks for the first.
    parameters: OnceCell<Result<Parameters, Denial>>,
}

impl Reading {
    /// Reads `facts`, with the rules in `relaxed` switched off.
    ///
    /// # Errors
    /// [`Reason::Ambiguous`], naming the rule that is broken and where.
    pub fn of(facts: &RequestFacts, relaxed: &Relaxed) -> Result<Self, Denial> {
        let (pseudo, fields) = headers::split(facts, relaxed)?;
        let host = headers::host(&pseudo.authority)?;
        let segments = path::segments(&pseudo.path, relaxed)?;
        fields.check_host(&host, relaxed)?;
        let overrides = query::overrides_method(&pseudo.path);
        Rule::MethodOverride.refuse_if(overrides, relaxed, "`_method` in the query")?;
        let upgrade = fields.upgrade(relaxed);
        let mut reading = Self {
            method: pseudo.method,
            scheme: pseudo.scheme,
            authority: pseudo.authority,
            host,
            path: pseudo.path,
            segments,
            justification: None,
            upgrade,
            fields,
            relaxed: relaxed.clone(),
            parameters: OnceCell::new(),
        };
        reading.justification = reading.read_justification()?;
        Ok(reading)
    }

    /// The denial that is due when a gate applies to a request that wants to become something else than
    /// HTTP: nobody can countersign what is said after the switch.
    #[must_use]
    pub fn upgrade(&self) -> Option<&Denial> {
        self.upgrade.as_ref()
    }

    /// Whether it may become something else than HTTP ([`Rule::Upgrades`] is relaxed), and has no body before that: what
    /// follows has no end that could be waited for.
    #[must_use]
    pub fn opens_tunnel(&self) -> bool {
        self.relaxed.has(Rule::Upgrades) && self.fields.opens_tunnel()
    }

    /// The path without the query, decoded once.
    #[must_use]
    pub fn decoded_path(&self) -> String {
        format!("/{}", self.segments.join("/"))
    }

    /// The value of the header `name` (lower case) as policy reads it: one field, one value, visible text.
    ///
    /// # Errors
    /// [`Reason::Ambiguous`] when there are two, a comma-joined list, a `_` twin, or bytes that are no text.
    pub fn header(&self, name: &str) -> Result<Option<&str>, Denial> {
        self.fields.single(name, true, &self.relaxed)
    }

    /// The value of the header `name` (lower case) whose commas mean nothing, as in credentials (RFC 9110 section 11.4): one
    /// field, visible text.
    ///
    /// # Errors
    /// As [`Reading::header`], but a comma is a comma.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Denial> {
        self.fields.single(name, false, &self.relaxed)
    }

    /// All values of the list header `name` (lower case; RFC 9110 section 5.6.1), over all its fields.
    ///
    /// # Errors
    /// As [`Reading::header`], but several values are what a list is for.
    pub fn header_list(&self, name: &str) -> Result<Vec<&str>, Denial> {
        self.fields.list(name, &self.relaxed)
    }

    /// All values of the query parameter `name`, decoded once.
    ///
    /// # Errors
    /// [`Reason::Ambiguous`] when parsers differ on how to split or decode the query, or fold the case of names.
    pub fn query(&self, name: &str) -> Result<Vec<String>, Denial> {
        let split = self.parameters.get_or_init(|| Parameters::of_query(&self.path, &self.relaxed));
        split.as_ref().map_err(Clone::clone)?.values(name, &self.relaxed)
    }

    /// Whether the header `name` (lower case) is there, with whatever value.
    ///
    /// # Errors
    /// [`Reason::Ambiguous`] for a `_` twin.
    pub fn has_header(&self, name: &str) -> Result<bool, Denial> {
        self.fields.has(name, &self.relaxed)
    }

    /// What `content-type` calls the body; `None` when it says nothing.
    ///
    /// # Errors
    /// [`Reason::Ambiguous`] when that can be read in two ways.
    pub(crate) fn media_type(&self) -> Result<Option<MediaType>, Denial> {
        self.header("content-type")?.map(MediaType::parse).transpose()
    }

    /// The rules that were switched off for this reading.
    #[must_use]
    pub fn relaxed(&self) -> &Relaxed {
        &self.relaxed
    }

    fn read_justification(&self) -> Result<Option<String>, Denial> {
        let text = self.fields.single(JUSTIFICATION, false, &self.relaxed)?;
        match text {
            Some(text) if text.len() > MAX_JUSTIFICATION => Err(Denial::new(
                Reason::BadFact,
                format!(
                    "header `{JUSTIFICATION}` has {} bytes, at most {MAX_JUSTIFICATION} are read",
                    text.len()
                ),
            )),
            other => Ok(other.map(str::to_owned)),
        }
    }
}
