//! What must hold besides host, path and method, and how that is told apart.

use super::asked::{Asked, Unfound};
use crate::denial::Denial;
use crate::reading::{Rule, is_grpc};

/// What of a request a condition is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// The media type of the body.
    ContentType,
    /// A header, by its name in lower case.
    Header(String),
    /// A query parameter.
    Query(String),
    /// A field of the form that is the body.
    Form(String),
}

/// What must be there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wanted {
    /// This value.
    Value(String),
    /// Any media type of gRPC.
    Grpc,
    /// Anything.
    Present,
}

/// A [`Wanted`] without its value: values are looked up, not compared one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Value,
    Grpc,
    Present,
}

/// What a route asks for, each key once and sorted.
pub(super) type Conditions = Vec<(Key, Wanted)>;

impl Wanted {
    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Value(_) => Kind::Value,
            Self::Grpc => Kind::Grpc,
            Self::Present => Kind::Present,
        }
    }

    /// Whether a request can be what this wants and what `other` wants.
    pub(super) fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Value(one), Self::Value(other)) => one == other,
            (Self::Value(value), Self::Grpc) | (Self::Grpc, Self::Value(value)) => is_grpc(value),
            _ => true,
        }
    }
}

impl Kind {
    /// Whether, where both can hold, this one holds for no more requests than the other.
    pub(super) fn within(self, other: Self) -> bool {
        self <= other
    }
}

impl Key {
    /// Whether no request that is taken has both.
    pub(super) fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Query(one), Self::Form(other)) | (Self::Form(other), Self::Query(one)) => one == other,
            _ => false,
        }
    }

    /// The one value that a request has here.
    ///
    /// # Errors
    /// [`Unfound::NeedsBody`] when it stands there; [`crate::denial::Reason::Ambiguous`] when it can be read in two ways, or
    /// is there twice.
    pub(super) fn value(&self, asked: &Asked<'_>) -> Result<Option<String>, Unfound> {
        let reading = asked.reading;
        match self {
            Self::ContentType => Ok(reading.media_type()?.map(|ty| ty.essence)),
            Self::Header(name) => Ok(reading.header(name)?.map(str::to_owned)),
            Self::Query(name) => Ok(single(reading.query(name)?, format_args!("query:{name}"))?),
            Self::Form(name) => Ok(single(asked.field(name)?, format_args!("form:{name}"))?),
        }
    }

    /// Whether a request has something that `kind` wants here; a value is looked up instead.
    pub(super) fn holds(&self, kind: Kind, asked: &Asked<'_>) -> Result<bool, Unfound> {
        let reading = asked.reading;
        match (self, kind) {
            (Self::ContentType, Kind::Grpc) => Ok(reading.media_type()?.is_some_and(|ty| ty.is_grpc())),
            (Self::Header(name), _) => Ok(reading.has_header(name)?),
            (Self::Query(name), _) => Ok(!reading.query(name)?.is_empty()),
            (Self::Form(name), _) => Ok(!asked.field(name)?.is_empty()),
            (Self::ContentType, _) => Ok(reading.media_type()?.is_some()),
        }
    }
}

fn single(mut values: Vec<String>, written: std::fmt::Arguments<'_>) -> Result<Option<String>, Denial> {
    match values.len() {
        0 | 1 => Ok(values.pop()),
        count => Err(Rule::RepeatedParameters.broken(format_args!("`{written}` is there {count} times"))),
    }
}
