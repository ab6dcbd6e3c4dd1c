//! The rules of the one reading: the attack behind each, and requests that break it. A gateway test plays every request
//! through real Envoys, and a page of the guide is made of the table, so the two cannot differ.

mod page;
mod table;

use anyhow::Result;

use crate::workspace::Workspace;
pub use page::{FILE, page};
pub use table::{OTHERS, SECTIONS};

/// The host of all requests.
pub const HOST: &str = "read.example";

/// Rules about one part of a request.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Its title.
    pub title: &'static str,
    /// Its rules.
    pub rules: &'static [Rule],
}

/// One rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The name by which configuration relaxes it.
    pub name: &'static str,
    /// What two parsers make of it, and what an attacker has of that.
    pub attack: &'static str,
    /// What becomes of the request when the rule is relaxed; nothing when it always holds.
    pub relaxed: Option<&'static str>,
    /// Where it is written: text and address.
    pub references: &'static [(&'static str, &'static str)],
    /// Requests that break it.
    pub requests: &'static [Request],
}

/// A request over HTTP/1.1, and what comes of it at three gateways.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// Method and target.
    pub start: &'static [u8],
    /// Header fields that every request has.
    pub usual: &'static [&'static [u8]],
    /// Its own header fields.
    pub fields: &'static [&'static [u8]],
    /// What follows the head, chunks and all. Without framing among the fields, `content-length` is added.
    pub body: &'static [u8],
    /// At the shipped `envoy/envoy.yaml`.
    pub shipped: Outcome,
    /// Where everything by which Envoy would refuse it first is off.
    pub lenient: Outcome,
    /// The same, and every rule is relaxed.
    pub relaxed: Outcome,
}

/// What comes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The filter refuses it with 400, and answer and evidence name the rule.
    Refused,
    /// The same, by another rule.
    RefusedBy(&'static str),
    /// Envoy refuses it by itself: status, and what its access log calls it.
    Envoy(u16, &'static str),
    /// The upstream gets it, byte for byte.
    Passes,
    /// The upstream gets it without the odd fields (and trailers): Envoy changes it before the filter judges.
    Rewritten(&'static str),
    /// The filter refuses it with this status, for the reason that stands in the place of a rule.
    Denied(u16),
    /// It is held, as a gate wants it, and answered 403 `pending` when nobody approves.
    Held,
}

const USUAL: &[&[u8]] = &[b"host: read.example", b"x-user: ann", b"connection: close"];

/// One that the filter refuses at both, and that passes when its rule is relaxed.
const GET: Request = Request {
    start: b"GET /items/a",
    usual: USUAL,
    fields: &[],
    body: b"",
    shipped: Outcome::Refused,
    lenient: Outcome::Refused,
    relaxed: Outcome::Passes,
};

/// The same, of a rule that always holds.
const FIXED: Request = Request { relaxed: Outcome::Refused, ..GET };

const fn get(start: &'static [u8]) -> Request {
    Request { start, ..GET }
}

const fn post(start: &'static [u8], fields: &'static [&'static [u8]], body: &'static [u8]) -> Request {
    Request { start, fields, body, ..GET }
}

impl Request {
    /// The bytes that a client writes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let length = format!("content-length: {}", self.body.len());
        let length = (!self.body.is_empty() && !self.is_framed()).then_some(length.as_bytes());
        let mut bytes = [self.start, b" HTTP/1.1\r\n"].concat();
        for field in self.usual.iter().chain(self.fields).copied().chain(length) {
            bytes.extend([field, b"\r\n"].concat());
        }
        [&bytes, &b"\r\n"[..], self.body].concat()
    }

    /// Whether its own fields say where the body ends.
    #[must_use]
    pub fn is_framed(&self) -> bool {
        let framing = [&b"content-length"[..], b"transfer-encoding"];
        self.fields.iter().any(|field| framing.iter().any(|name| field.starts_with(name)))
    }
}

/// Writes the page into the repository.
///
/// # Errors
/// When the file cannot be written.
pub fn write(workspace: &Workspace) -> Result<()> {
    Ok(std::fs::write(workspace.root().join(FILE), page())?)
}

/// Every rule with its requests.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    SECTIONS.iter().flat_map(|section| section.rules)
}

#[cfg(test)]
mod tests {
    use countersign_core::reading::Rule as Known;

    use super::*;

    #[test]
    fn every_rule_has_a_request_that_breaks_it_and_no_other_rule_is_named() {
        let mut named: Vec<_> = rules().map(|rule| rule.name).collect();
        let mut known: Vec<_> = Known::ALL.iter().map(|rule| rule.name()).collect();
        named.sort_unstable();
        known.sort_unstable();
        assert_eq!(named, known);
        for rule in rules() {
            let refused = |request: &Request| request.lenient == Outcome::Refused;
            let envoy =
                |request: &Request| matches!(request.lenient, Outcome::Envoy(..) | Outcome::Rewritten(_));
            let broken = rule.requests.iter().any(refused) || rule.requests.iter().all(envoy);
            assert!(broken && !rule.requests.is_empty(), "`{}` is broken by no request", rule.name);
            assert!(!rule.references.is_empty(), "`{}` says not where it is written", rule.name);
        }
    }

    #[test]
    fn what_can_be_relaxed_is_what_core_lets_relax() {
        for known in Known::ALL {
            let rule = rules().find(|rule| rule.name == known.name()).unwrap();
            assert_eq!(rule.relaxed.is_none(), known.is_fixed(), "`{}`", rule.name);
            let passes =
                |request: &Request| !matches!(request.relaxed, Outcome::Refused | Outcome::RefusedBy(_));
            let passes = rule.requests.iter().any(passes);
            assert!(passes || known.is_fixed(), "`{}` is relaxed, and no request passes", rule.name);
        }
    }
}
