//! What `cargo xtask` does, as a library: the gateway tests use it too.

pub mod alone;
pub mod bench;
pub mod demo;
pub mod envoy;
pub mod example;
pub mod faults;
pub mod fuzz;
pub mod interface;
pub mod mutants;
pub mod packages;
pub mod pictures;
pub mod play;
pub mod plugin;
pub mod postgres;
pub mod reading;
pub mod rules;
pub mod service;
pub mod soak;
pub mod stack;
pub mod suite;
pub mod workspace;
