//! What the `countersign` command does, for programs and tests that do it too.

pub mod diff;
pub mod replay;
