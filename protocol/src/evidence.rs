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
    /// The plugin VM that made it.
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
