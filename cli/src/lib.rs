//! What the `countersign` command does, for programs and tests that do it too.

pub mod approvals;
pub mod coverage;
pub mod diff;
pub mod directory;
pub mod explain;
pub mod failure;
pub mod import;
mod native;
pub mod output;
mod progress;
pub mod replay;
