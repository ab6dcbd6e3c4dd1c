//! The approval service by script from outside: as a gateway calls it, by virtual time.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, its helpers too"
)]

#[path = "approvals/answers.rs"]
mod answers;
#[path = "approvals/bench.rs"]
mod bench;
#[path = "approvals/claims.rs"]
mod claims;
#[path = "approvals/evidence.rs"]
mod evidence;
#[path = "approvals/faults.rs"]
mod faults;
#[path = "approvals/scripts.rs"]
mod scripts;
#[path = "approvals/waits.rs"]
mod waits;
