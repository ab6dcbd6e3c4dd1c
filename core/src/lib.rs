//! Decides what happens to a request: facts and time in, one directive and audit records out.
//!
//! No clock, no environment, no files, no network, no randomness: the same input gives the same bytes.

pub mod bundle;
pub mod clock;
pub mod config;
pub mod denial;
mod dialect;
pub mod digest;
pub mod duration;
pub mod engine;
pub mod entity;
pub mod explain;
pub mod facts;
pub mod grant;
mod graphql;
mod grpc;
pub mod identity;
pub mod journal;
mod judge;
pub mod keys;
pub mod life;
pub mod load;
mod mcp;
mod narrowing;
pub mod policy;
mod protobuf;
pub mod reading;
pub mod refusal;
pub mod routes;
pub mod types;
pub mod value;
mod yaml;
