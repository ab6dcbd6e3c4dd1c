//! A proxy-wasm host on wasmtime: what Envoy does with a filter when it loads and configures it, without Envoy.
//!
//! It plays proxy-wasm ABI 0.2.1 as Envoy does, from the module's first instruction to the end of
//! `proxy_on_configure`. No request runs yet, so every host function that belongs to one gives the answer that
//! Envoy gives while there is none. Time and randomness come from the caller: the same input gives the same
//! outcome.
//!
//! Sources: <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1>, and for what the
//! specification leaves open `proxy-wasm-cpp-host` and Envoy's `source/extensions/common/wasm/context.cc`.

pub mod approvals;
mod cluster;
mod filter;
mod guest;
mod host;
mod imports;
mod load;
mod outcome;

pub use cluster::{Answer, Call, CallId, Cluster, Fields, Response, Sent, Time};
pub use filter::Filter;
pub use load::LoadError;
pub use outcome::{Level, LogLine, Outcome, Verdict};
