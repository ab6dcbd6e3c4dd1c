//! A proxy-wasm host on wasmtime: what Envoy does with a filter, without Envoy, in virtual time.
//!
//! It plays proxy-wasm ABI 0.2.1 as Envoy does, from the module's first instruction to the end of the last
//! request: workers and their VMs, requests and responses part by part, calls to other servers, ticks, traps and
//! reloads. Nothing takes real time. Time and randomness come from the caller: the same input gives the same
//! outcome.
//!
//! ```no_run
//! use countersign_host_test::{Filter, Gateway, Request};
//!
//! let filter = Filter::load(&std::fs::read("filter.wasm")?)?;
//! let mut gateway = Gateway::builder(&filter).configuration("{}").start()?;
//! let outcome = gateway.send(Request::new("GET", "api.example", "/"));
//! assert_eq!(outcome.status(), 200);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Sources: <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1>, and for what the
//! specification leaves open `proxy-wasm-cpp-host` and Envoy's `source/extensions/common/wasm/context.cc`.

/// The code in it must compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod approvals;
mod arrival;
mod cluster;
mod fields;
mod filter;
mod gateway;
mod guest;
mod host;
mod imports;
mod load;
mod message;
mod metrics;
mod outcome;
mod plugin;
mod process;
mod properties;
mod reply;
mod shared;
mod stream;
mod vm;

pub use arrival::{Arrival, arriving};
pub use cluster::{Answer, Call, CallId, Cluster, Fields, Response, Sent, Time};
pub use filter::Filter;
pub use gateway::{Builder, Gateway, StreamId, Upstream, Usage};
pub use load::LoadError;
pub use message::{Ended, Forwarded, Outcome, Request};
pub use outcome::{Level, LogLine, Trial, Verdict};
pub use plugin::FailurePolicy;
pub use properties::{Properties, metadata_value};
pub use vm::Teardown;
