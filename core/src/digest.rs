//! The digest of a request: one hash over everything that an approval binds; and the same as people see it.

mod fields;

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_protocol::Hash;
use countersign_protocol::request::{ExactRequest, Piece, Shown, ShownHeader};
use sha2::{Digest as _, Sha256};

pub use fields::{is_secret, is_volatile};

use crate::entity::EntityName;
use crate::facts::RequestFacts;
use crate::identity::Caller;
use crate::reading::Reading;

/// Separates these hashes from all others; its end changes when the encoding does.
const DOMAIN: &[u8] = b"countersign request digest v1";

/// The same for a body of which parts are left out.
const DOMAIN_OF_PIECES: &[u8] = b"countersign request digest v1 of pieces";

type Pairs = [(Vec<u8>, Vec<u8>)];

/// What an approval binds.
#[derive(Debug, Clone, Copy)]
pub struct DigestInput<'a> {
    /// The gateway's audience.
    pub audience: &'a str,
    /// The request as it came.
    pub facts: &'a RequestFacts,
    /// The request as it was read.
    pub reading: &'a Reading,
    /// The whole body; empty when there is none.
    pub body: &'a [u8],
    /// Who asks, and on whose behalf.
    pub caller: &'a Caller,
    /// The route's name.
    pub route: &'a str,
    /// What is done to what, each part of it in its order.
    pub does: &'a [(&'a EntityName, &'a EntityName)],
    /// Ranges of the body, in order and apart, that may differ when the request is sent again.
    pub loose: &'a [Range<usize>],
    /// Headers that the route adds to the volatile ones.
    pub volatile: &'a [String],
}

/// SHA-256 over all of it. Every member is preceded by its length and every list by its count (64 bits, big
/// endian), so that no two requests have the same encoding.
#[must_use]
pub fn digest(input: &DigestInput<'_>) -> Hash {
    let DigestInput { audience, facts, reading, body, caller, route, does, loose, volatile } = *input;
    let mut encoder = Encoder(Sha256::new());
    encoder.bytes(if loose.is_empty() { DOMAIN } else { DOMAIN_OF_PIECES });
    for text in [audience, &reading.method, &reading.scheme, &reading.authority, &reading.path] {
        encoder.bytes(text.as_bytes());
    }
    encoder.fields(&facts.headers, volatile);
    encoder.body(body, loose);
    encoder.fields(&facts.trailers, volatile);
    encoder.entity(&caller.principal);
    encoder.chain(caller);
    encoder.bytes(route.as_bytes());
    for (action, resource) in does {
        encoder.entity(action);
        encoder.entity(resource);
    }
    Hash(encoder.0.finalize().into())
}

struct Encoder(Sha256);

impl Encoder {
    fn count(&mut self, count: usize) {
        self.0.update((count as u64).to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.update(bytes);
    }

    /// The body; where ranges of it are left out, what stands between them.
    fn body(&mut self, body: &[u8], loose: &[Range<usize>]) {
        if loose.is_empty() {
            return self.bytes(body);
        }
        self.count(loose.len());
        let mut start = 0;
        for range in loose {
            self.bytes(body.get(start..range.start).unwrap_or_default());
            start = range.end;
        }
        self.bytes(body.get(start..).unwrap_or_default());
    }

    fn entity(&mut self, entity: &EntityName) {
        self.bytes(entity.ty.as_bytes());
        self.bytes(entity.id.as_bytes());
    }

    fn fields(&mut self, fields: &Pairs, volatile: &[String]) {
        let bound: Vec<_> = fields.iter().filter(|(name, _)| is_bound(name, volatile)).collect();
        self.count(bound.len());
        for (name, value) in bound {
            self.bytes(&name.to_ascii_lowercase());
            self.bytes(value);
        }
    }

    /// Everybody who takes part, with their parts and names.
    fn chain(&mut self, caller: &Caller) {
        self.count(caller.involved.len());
        for one in &caller.involved {
            self.bytes(&[one.role as u8]);
            self.bytes(one.entity.as_bytes());
            self.count(one.names.len());
            for name in &one.names {
                self.bytes(name.issuer.as_bytes());
                self.bytes(name.subject.as_bytes());
            }
        }
    }
}

/// Pseudo-headers are bound by themselves, except those that no reading has (`:protocol`).
fn is_bound(name: &[u8], volatile: &[String]) -> bool {
    let own = [&b":method"[..], b":scheme", b":authority", b":path"];
    !own.contains(&name.to_ascii_lowercase().as_slice()) && !is_volatile(&lower(name), volatile)
}

/// The name in lower case; bytes that no name has are escaped, so that two names never become one.
fn lower(name: &[u8]) -> String {
    str::from_utf8(name).map_or_else(|_| name.escape_ascii().to_string(), str::to_owned).to_ascii_lowercase()
}

/// What people see of a request: all that is bound, and what is not marked so. `body`, `loose` and `volatile` are as
/// in [`DigestInput`]; `redacted` is what the route adds to the fixed list.
#[must_use]
pub fn shown(
    facts: &RequestFacts,
    reading: &Reading,
    body: &[u8],
    loose: &[Range<usize>],
    volatile: &[String],
    redacted: &[String],
) -> ExactRequest {
    let field = |(name, value): &(Vec<u8>, Vec<u8>)| {
        let lower = lower(name);
        let value = if is_secret(&lower, redacted) { redact(value) } else { show(value) };
        ShownHeader { bound: !is_volatile(&lower, volatile), value, name: lower }
    };
    let read_apart = [":method", ":scheme", ":authority", ":path"];
    let headers = facts.headers.iter().map(field).filter(|field| !read_apart.contains(&field.name.as_str()));
    ExactRequest {
        method: reading.method.clone(),
        scheme: reading.scheme.clone(),
        authority: reading.authority.clone(),
        path: reading.path.clone(),
        headers: headers.collect(),
        body: show(body),
        body_sha256: Hash::of(body),
        loose: loose.iter().map(|range| Piece { start: range.start as u64, end: range.end as u64 }).collect(),
        trailers: facts.trailers.iter().map(field).collect(),
    }
}

fn show(bytes: &[u8]) -> Shown {
    str::from_utf8(bytes)
        .map_or_else(|_| Shown::Base64(STANDARD.encode(bytes)), |text| Shown::Text(text.to_owned()))
}

fn redact(bytes: &[u8]) -> Shown {
    Shown::Redacted { bytes: bytes.len() as u64 }
}
