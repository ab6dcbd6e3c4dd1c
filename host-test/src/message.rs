//! What a client sends through the gateway, and what comes of it.

use std::time::Duration;

use crate::cluster::{Fields, Response, Time};
use crate::properties::Properties;

/// A request as a client sends it.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Header fields in order, `:method`, `:scheme`, `:authority` and `:path` first; names in lower case.
    pub headers: Fields,
    /// The body in the parts in which it comes. No parts and no trailers: the request ends with its header fields.
    pub parts: Vec<Vec<u8>>,
    /// Trailer fields; none and empty are the same.
    pub trailers: Fields,
    /// Time between one part and the next.
    pub gap: Duration,
    /// When the client gives up, counted from its first byte.
    pub leaves: Option<Duration>,
    /// What the gateway knows besides (`proxy_get_property`).
    pub properties: Properties,
    /// The worker that gets it; each in turn when it is left out.
    pub worker: Option<usize>,
}

/// What reached the upstream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// When the first byte of it went on.
    pub at: Time,
    /// Header fields.
    pub headers: Fields,
    /// The body as far as it went on.
    pub body: Vec<u8>,
    /// Trailer fields.
    pub trailers: Fields,
    /// Whether all of it did.
    pub complete: bool,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// With the upstream's response.
    Upstream,
    /// With an answer of the filter or of the gateway; `response.code_details` says whose.
    Local(String),
    /// The gateway broke the connection.
    Reset,
    /// The client left.
    Left,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub ended: Ended,
    /// When it came.
    pub began: Time,
    /// When it ended.
    pub at: Time,
    /// What the client got.
    pub response: Response,
    /// What the upstream got; nothing when nothing reached it.
    pub forwarded: Option<Forwarded>,
    /// What the filter left in filter state (`proxy_set_property`), by name.
    pub state: Vec<(Vec<u8>, Vec<u8>)>,
    /// The worker that had it.
    pub worker: usize,
}

impl Request {
    /// A request without a body.
    #[must_use]
    pub fn new(method: &str, authority: &str, path: &str) -> Self {
        let pseudo = [(":method", method), (":scheme", "http"), (":authority", authority), (":path", path)];
        let headers = pseudo.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        Self { headers: headers.into(), ..Self::default() }
    }

    /// The same with one more header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_ascii_lowercase().into_bytes(), value.as_ref().to_vec()));
        self
    }

    /// The same with one more part of a body.
    #[must_use]
    pub fn part(mut self, part: impl Into<Vec<u8>>) -> Self {
        self.parts.push(part.into());
        self
    }

    /// The same with one more trailer field.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.trailers.push((name.to_ascii_lowercase().into_bytes(), value.as_ref().to_vec()));
        self
    }
}

impl Outcome {
    /// The status that the client got; 0 when it got none.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.response.status()
    }

    /// A text that the filter left in filter state.
    #[must_use]
    pub fn state(&self, name: &str) -> Option<&str> {
        let (_, value) = self.state.iter().find(|(known, _)| known == name.as_bytes())?;
        str::from_utf8(value).ok()
    }
}
