//! What `cargo xtask` does, as a library: the gateway tests use it too.

pub mod envoy;
pub mod plugin;
pub mod rules;
pub mod workspace;
