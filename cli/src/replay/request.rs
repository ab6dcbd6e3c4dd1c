//! A recorded request as the harness sends it.

use std::fmt;
use std::net::SocketAddr;

use countersign_core::facts::{Peer, RequestFacts};
use countersign_core::reading::to_strip;
use countersign_host_test::{Arrival, Fields, Properties, Request, approvals::Key, arriving};
use countersign_protocol::Hash;
use countersign_protocol::recording::{Bytes, Entry, Fidelity};
use serde_json::Value;

/// The metadata key under which Envoy keeps what `jwt_authn` verified.
const JWT: &str = "envoy.filters.http.jwt_authn";

/// The client's port, which no recording has to have.
const PORT: u16 = 40_000;

/// The parts in which bodies come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Chunking {
    /// As they were recorded.
    #[default]
    Recorded,
    /// All at once.
    Whole,
    /// In two halves.
    Halves,
    /// In parts of this many bytes.
    Parts(usize),
    /// All at once, and then an empty part that ends it.
    EmptyEnd,
}

impl fmt::Display for Chunking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recorded => f.write_str("as it was recorded"),
            Self::Whole => f.write_str("all at once"),
            Self::Halves => f.write_str("in two halves"),
            Self::Parts(1) => f.write_str("one byte at a time"),
            Self::Parts(size) => write!(f, "{size} bytes at a time"),
            Self::EmptyEnd => f.write_str("all at once with an empty part at its end"),
        }
    }
}

impl Chunking {
    /// Every way, the recorded one first.
    pub const ALL: [Self; 6] =
        [Self::Recorded, Self::Whole, Self::Halves, Self::Parts(1), Self::Parts(7), Self::EmptyEnd];

    pub(super) fn parts(self, body: &[u8], recorded: &[usize]) -> Vec<Vec<u8>> {
        match self {
            Self::Recorded => parts(body, recorded),
            Self::Whole => parts(body, &[]),
            Self::Halves => parts(body, &[body.len() / 2]),
            // At most so many parts: a large body is not worth millions.
            Self::Parts(size) => {
                body.chunks(size.max(body.len() / 1_000).max(1)).map(<[u8]>::to_vec).collect()
            }
            Self::EmptyEnd => vec![body.to_vec(), Vec::new()],
        }
    }
}

/// What the harness sends for an entry. `number` makes what a gateway would draw by lot.
pub(super) fn request(entry: &Entry, number: u64, chunking: Chunking) -> Request {
    let body = entry.request.body.as_ref().map(|body| body.0.as_slice());
    Request {
        headers: headers(entry, number),
        parts: body.map(|body| chunking.parts(body, &entry.request.chunks)).unwrap_or_default(),
        trailers: trailers(entry),
        leaves: entry.leaves.map(|after| after.0),
        properties: properties(entry),
        ..Request::default()
    }
}

/// What the filter would know of it, for those who judge without one.
pub(crate) fn facts(entry: &Entry) -> RequestFacts {
    let mut headers = headers(entry, 0);
    headers.retain(|(name, _)| !to_strip(name));
    RequestFacts {
        headers,
        body: entry.request.body.as_ref().map(|body| body.0.clone()),
        trailers: trailers(entry),
        peer: Peer { address: entry.peer.address, uri_san: entry.peer.uri_san.clone() },
        claims: entry.claims.clone(),
    }
}

/// The header fields that the filter is shown.
pub(super) fn headers(entry: &Entry, number: u64) -> Fields {
    let headers = fields(&entry.request.headers);
    match entry.fidelity {
        Fidelity::Gateway => headers,
        Fidelity::Client | Fidelity::Rebuilt => arriving(headers, &arrival(entry, number)),
    }
}

/// The trailers that the filter is shown.
pub(super) fn trailers(entry: &Entry) -> Fields {
    fields(&entry.request.trailers)
}

/// Which request people are asked about.
pub(super) fn key(entry: &Entry) -> Key {
    let value = |name: &str| {
        let found = entry.request.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| String::from_utf8_lossy(&value.0).into_owned()).unwrap_or_default()
    };
    let body = entry.request.body.as_ref().map(|body| body.0.as_slice());
    Key {
        method: value(":method"),
        authority: value(":authority"),
        path: value(":path"),
        body_sha256: Hash::of(body.unwrap_or_default()),
    }
}

fn fields(recorded: &[(String, Bytes)]) -> Fields {
    recorded.iter().map(|(name, value)| (name.to_ascii_lowercase().into_bytes(), value.0.clone())).collect()
}

/// Whose it is, and a name for it, unless it has one.
fn arrival(entry: &Entry, number: u64) -> Arrival {
    Arrival { peer: entry.peer.address, request_id: format!("00000000-0000-4000-8000-{number:012x}") }
}

/// A body in parts of these sizes; what is left is one more. An empty body is one empty part.
fn parts(mut body: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    for size in sizes {
        let Some((part, rest)) = body.split_at_checked(*size) else { break };
        parts.push(part.to_vec());
        body = rest;
    }
    if !body.is_empty() || parts.is_empty() {
        parts.push(body.to_vec());
    }
    parts
}

fn properties(entry: &Entry) -> Properties {
    let mut properties = Properties::default();
    if let Some(address) = entry.peer.address {
        properties = properties.with(&["source", "address"], SocketAddr::new(address, PORT).to_string());
    }
    if let Some(uri) = &entry.peer.uri_san {
        properties = properties
            .with(&["connection", "mtls"], [1])
            .with(&["connection", "uri_san_peer_certificate"], uri.as_str());
    }
    if let Some(route) = &entry.route {
        properties = properties.with(&["xds", "route_name"], route.as_str());
    }
    if !entry.claims.is_empty() {
        properties = properties.metadata(JWT, Value::Object(entry.claims.clone()));
    }
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_comes_in_its_parts() {
        let cases: [(&[usize], &[&str]); 5] = [
            (&[], &["abcdef"]),
            (&[2, 2], &["ab", "cd", "ef"]),
            (&[6], &["abcdef"]),
            (&[4, 9], &["abcd", "ef"]),
            (&[0, 6], &["", "abcdef"]),
        ];
        for (sizes, expected) in cases {
            let parts = parts(b"abcdef", sizes);
            let parts: Vec<_> = parts.iter().map(|part| str::from_utf8(part).unwrap()).collect();
            assert_eq!(parts, expected, "{sizes:?}");
        }
        assert_eq!(parts(b"", &[]), [b""]);
    }
}
