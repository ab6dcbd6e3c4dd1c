//! Audit records: one JSON line an event, made once; its bytes are hashed as they are.

use serde::{Deserialize, Serialize};

use crate::{Hash, Token, UnixMillis};

/// The version that this crate writes and reads.
pub const VERSION: u8 = 1;

/// Each producer has two lanes, each with its own sequence and chain of hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// What concerns held requests: acknowledged before the request is forwarded.
    Held,
    /// Allows, denials and the producer's own life, in batches.
    Plain,
}

/// What every record begins with. The other members depend on `kind`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Envelope {
    /// Always [`VERSION`].
    pub v: u8,
    /// The plugin VM that made it, or the approval service.
    pub producer: Token,
    /// Its lane.
    pub lane: Lane,
    /// Its place in the lane, from 0, without gaps.
    pub seq: u64,
    /// Hash of the line before it in the lane; zeros for the first.
    pub prev: Hash,
    /// When it was made, by the producer's clock.
    pub ts: UnixMillis,
    /// What happened, `snake_case`.
    pub kind: String,
}

/// A record as it is kept: its line, and what of it matters for continuity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What it begins with.
    pub envelope: Envelope,
    /// The line, without a line feed.
    pub line: String,
    /// SHA-256 of the line.
    pub hash: Hash,
}

/// What a record says besides its envelope: members in a fixed order, as the JSON that ends the record. They
/// are written once: every request that passes makes a record.
#[derive(Debug, Clone, Default)]
pub struct Members {
    text: String,
    names: Vec<&'static str>,
}

/// One lane as its producer makes it: who makes it, and where it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Who makes it.
    pub producer: Token,
    /// Which of the two it is.
    pub lane: Lane,
    /// The number of its next record.
    pub seq: u64,
    /// The hash of its last record; zeros where there is none.
    pub prev: Hash,
}

/// What only the envelope says.
const ENVELOPE: [&str; 7] = ["v", "producer", "lane", "seq", "prev", "ts", "kind"];

/// Why a line is no record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It is no JSON object with the members of an [`Envelope`].
    #[error("not an audit record: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Another version.
    #[error("audit record of version {0}, this reads version {VERSION}")]
    Version(u8),
    /// More than one line.
    #[error("an audit record is one line")]
    Lines,
}

impl Record {
    /// Reads what is needed of a line and hashes its bytes.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn parse(line: String) -> Result<Self, RecordError> {
        if line.contains('\n') {
            return Err(RecordError::Lines);
        }
        let envelope: Envelope = serde_json::from_str(&line)?;
        if envelope.v != VERSION {
            return Err(RecordError::Version(envelope.v));
        }
        let hash = Hash::of(line.as_bytes());
        Ok(Self { envelope, line, hash })
    }
}

impl Members {
    /// Adds `name`, unless `value` is nothing. A name is there once, and none is the envelope's: what was said
    /// first stays.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Serialize) -> Self {
        // A value that cannot be written (it never happens for the types used here) is left out as nothing is.
        if let Ok(value) = serde_json::to_string(&value)
            && value != "null"
            && !ENVELOPE.contains(&name)
            && !self.names.contains(&name)
        {
            self.names.push(name);
            self.text.extend([",\"", name, "\":", value.as_str()]);
        }
        self
    }
}

impl Chain {
    /// An empty lane of `producer`.
    #[must_use]
    pub fn new(producer: Token, lane: Lane) -> Self {
        Self { producer, lane, seq: 0, prev: Hash::ZERO }
    }

    /// Makes its next record, of `kind`.
    pub fn append(&mut self, ts: UnixMillis, kind: &str, members: &Members) -> Record {
        let Self { producer, lane, seq, .. } = *self;
        let envelope = Envelope { v: VERSION, producer, lane, seq, prev: self.prev, ts, kind: kind.into() };
        let line = line(&envelope, members);
        let hash = Hash::of(line.as_bytes());
        *self = Self { producer, lane, seq: seq.saturating_add(1), prev: hash };
        Record { envelope, line, hash }
    }
}

fn line(envelope: &Envelope, members: &Members) -> String {
    // An envelope can always be written; what could not would be no record to its reader.
    let mut line = serde_json::to_string(envelope).unwrap_or_default();
    line.truncate(line.len().saturating_sub(1));
    line.push_str(&members.text);
    line.push('}');
    line
}
