//! The second factor: time-based one-time codes (RFC 6238), SHA-1, 6 digits, 30 s, as every app reads them.

use countersign_protocol::UnixMillis;
use totp_rs::{Builder, Secret};

use crate::random;

/// A secret shared with somebody's authenticator app.
pub(crate) struct Totp(Secret);

/// A secret that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadSecret {
    /// Not base32.
    #[error("the second factor's secret is not base32")]
    NotBase32,
    /// Too short (RFC 4226, section 4, R6), or it cannot be written as an address.
    #[error("the second factor's secret cannot be used: {0}")]
    Unusable(String),
}

impl Totp {
    /// A new secret of 160 bits.
    pub(crate) fn generate() -> Result<Self, getrandom::Error> {
        random::bytes::<20>().map(|bytes| Self(Secret::from(bytes.to_vec())))
    }

    /// Reads a base32 secret of at least 128 bits.
    pub(crate) fn parse(base32: &str) -> Result<Self, BadSecret> {
        let secret = Secret::try_from_base32(base32).map_err(|_| BadSecret::NotBase32)?;
        let totp = Self(secret);
        totp.built("check")?;
        Ok(totp)
    }

    pub(crate) fn base32(&self) -> String {
        self.0.to_base32()
    }

    /// The address that authenticator apps read.
    pub(crate) fn otpauth(&self, account: &str) -> Result<String, BadSecret> {
        let built = self.built(account)?;
        built.to_url().map_err(|error| BadSecret::Unusable(error.to_string()))
    }

    /// The time step of `code`, when it is one of this secret's within one step of `now`.
    pub(crate) fn step_of(&self, code: &str, now: UnixMillis) -> Option<i64> {
        let seconds = u64::try_from(now / 1000).ok()?;
        let step = self.built("check").ok()?.check(code.trim(), seconds)?;
        i64::try_from(step).ok()
    }

    fn built(&self, account: &str) -> Result<totp_rs::Totp, BadSecret> {
        Builder::new()
            .with_secret(self.0.clone())
            .with_account_name(account)
            .with_issuer(Some("Countersign"))
            .build()
            .map_err(|error| BadSecret::Unusable(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238, appendix B, the last six digits.
        let totp = Totp(Secret::from(b"12345678901234567890".to_vec()));
        assert_eq!(totp.step_of("081804", 1_111_111_109_000), Some(37_037_036));
        assert_eq!(totp.step_of("081804", 1_111_111_139_000), Some(37_037_036));
        assert_eq!(totp.step_of("081804", 1_111_111_209_000), None);
        assert_eq!(totp.step_of("", 1_111_111_109_000), None);
    }

    #[test]
    fn a_secret_survives_the_file() {
        let totp = Totp::generate().unwrap();
        assert_eq!(Totp::parse(&totp.base32()).unwrap().base32(), totp.base32());
        let address = totp.otpauth("ada").unwrap();
        assert!(address.starts_with("otpauth://totp/Countersign:ada?"), "{address}");
        assert!(Totp::parse("MFRGG").is_err());
        assert!(Totp::parse("not base32!").is_err());
    }
}
