//! What the gateway knows of a request: bytes as they came, and what the gateway itself verified.

use std::net::IpAddr;

/// Everything that a decision may rest on, except the time: exactly what is recorded is what is replayed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RequestFacts {
    /// Header fields in order, pseudo-headers (`:method` …) included, names as the gateway gives them.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The body, when it was asked for. `None`: not asked for (yet).
    pub body: Option<Vec<u8>>,
    /// Trailer fields in order; empty unless the body was asked for.
    pub trailers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The other end of the connection.
    pub peer: Peer,
    /// Claims that the gateway verified (Envoy `jwt_authn`): an object from metadata key to payload.
    pub claims: serde_json::Map<String, serde_json::Value>,
}

impl RequestFacts {
    /// The first field of this name (lower case), as it came but for white space around it. [`crate::reading::Reading`]
    /// is what policy sees; this is for what must be told of a request that is not read.
    pub(crate) fn first(&self, name: &[u8]) -> Option<&[u8]> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim_ascii())
    }
}

/// The other end of the downstream connection, as the gateway sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: Option<IpAddr>,
    /// The first URI subject alternative name of its certificate, when it presented one that the gateway verified.
    pub uri_san: Option<String>,
}
