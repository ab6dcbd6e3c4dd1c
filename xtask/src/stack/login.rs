//! How somebody logs in to the approval service.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// How somebody logs in.
#[derive(Debug, Clone, Deserialize)]
pub struct Login {
    /// The password.
    pub password: String,
    /// The secret of the second factor, base32.
    pub totp: String,
}

impl Login {
    /// The code of this moment (RFC 6238), on a clock that is so many seconds ahead of this machine's.
    ///
    /// # Errors
    /// When the secret is none.
    pub fn code(&self, ahead: i64) -> Result<String> {
        let secret = totp_rs::Secret::try_from_base32(&self.totp).ok().context("no base32 secret")?;
        let totp = totp_rs::Builder::new().with_secret(secret).build();
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs().saturating_add_signed(ahead);
        Ok(totp.ok().context("no usable secret")?.generate(seconds).to_string())
    }
}
