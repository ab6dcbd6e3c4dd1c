//! The JSON that crosses a wire between gateway, approval service and auditor.
//!
//! Times are milliseconds since the Unix epoch unless a field says otherwise; hashes are SHA-256 in
//! lower-case hexadecimal; tokens are 128 random bits in lower-case hexadecimal.

pub mod approval;
pub mod evidence;
pub mod grant;
pub mod id;
pub mod jws;
pub mod keys;
pub mod person;
pub mod quorum;
pub mod recording;
pub mod request;

pub use id::{Hash, Token};

/// Milliseconds since the Unix epoch.
pub type UnixMillis = i64;
