//! The life of a request, driven by hand: every way it can end, and none in which it goes on without a yes.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by them"
)]

mod claims;
mod fixture;
mod forged;
mod glass;
mod grpc;
mod journey;
mod keys;
mod listing;
mod mcp;
mod messages;
mod narrowing;
mod properties;
mod reasons;
mod run;
