//! What must hold for every input: the bodies of the fuzz targets, which tests run on stable over the corpus.
//!
//! A target fails by a panic. Each reads its bytes with core and with another reader that knows nothing of core, and
//! both must agree wherever core accepts; that nothing panics goes without saying.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a target fails by them"
)]

mod decide;
#[expect(dead_code, reason = "not all that the tests of core need is needed here")]
#[path = "../../../core/tests/life/fixture.rs"]
mod fixture;
mod form;
mod graphql;
mod json;
mod jwt;
mod mcp;
mod message;
mod multipart;
mod path;
mod protobuf;
mod query;
#[path = "../../../core/tests/life/run.rs"]
mod run;
mod world;

/// A target: its name, which is that of its corpus, and what it does with an input: whether core accepts it, so that tests
/// see that there is something to compare.
pub type Target = (&'static str, fn(&[u8]) -> bool);

/// Every target.
pub const TARGETS: [Target; 10] = [
    ("decide", decide::run),
    ("form", form::run),
    ("graphql", graphql::run),
    ("json", json::run),
    ("jwt", jwt::run),
    ("mcp", mcp::run),
    ("multipart", multipart::run),
    ("path", path::run),
    ("protobuf", protobuf::run),
    ("query", query::run),
];

/// Runs the target of this name; whether core accepts the input.
///
/// # Panics
/// When what must hold does not, or there is no such target.
pub fn run(name: &str, input: &[u8]) -> bool {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("the target is known");
    target(input)
}
