//! A request from bytes to the question that policy is asked, through the public interface.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod binding;
mod conditions;
mod facts;
mod forms;
mod graphql;
mod identity;
mod mapping;
mod messages;
mod mistakes;
mod properties;
mod reading;
mod spelling;
mod support;
mod tokens;
