//! The key of pseudonyms, and what takes a secret's place.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The fewest bytes of a key: what cannot be tried out.
const SHORTEST: usize = 16;

/// Why there is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It could be tried out.
    #[error("a key needs at least {SHORTEST} bytes, this one has {0}: use `head -c 32 /dev/urandom > FILE`")]
    Short(usize),
    /// The operating system gave no randomness.
    #[error("no randomness for a key: {0}")]
    Randomness(String),
}

/// Turns secrets into pseudonyms: the same secret always into the same one, and nobody without the key can find out
/// which. It is never printed.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl Key {
    /// A key that recordings share whose pseudonyms must agree.
    ///
    /// # Errors
    /// When it has less than 16 bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, KeyError> {
        let short = || KeyError::Short(bytes.len());
        if bytes.len() < SHORTEST {
            return Err(short());
        }
        Hmac::new_from_slice(bytes).map(Self).map_err(|_| short())
    }

    /// A key for this run alone: pseudonyms agree within it and nowhere else.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn random() -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| KeyError::Randomness(error.to_string()))?;
        Self::new(&bytes)
    }

    /// `scrubbed-` and 128 bits of HMAC-SHA-256 (RFC 2104) in hexadecimal.
    pub(super) fn pseudonym(&self, secret: &[u8]) -> String {
        format!("scrubbed-{:032x}", self.bits(secret))
    }

    /// A whole number of 15 digits, which every reader of JSON keeps exactly.
    pub(super) fn number(&self, secret: &[u8]) -> String {
        const LEAST: u128 = 100_000_000_000_000;
        (LEAST + self.bits(secret) % (9 * LEAST)).to_string()
    }

    fn bits(&self, secret: &[u8]) -> u128 {
        let mut mac = self.0.clone();
        mac.update(secret);
        let code = mac.finalize().into_bytes();
        code.iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(*byte))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pseudonyms_follow_the_secret_and_the_key() {
        let [one, two] = [b"0123456789abcdef", b"0123456789abcdeg"].map(|bytes| Key::new(bytes).unwrap());
        assert_eq!(one.pseudonym(b"a"), one.pseudonym(b"a"));
        assert_ne!(one.pseudonym(b"a"), one.pseudonym(b"b"));
        assert_ne!(one.pseudonym(b"a"), two.pseudonym(b"a"));
        assert_eq!(one.pseudonym(b"a").len(), 41);
        assert_eq!(one.number(b"4111").len(), 15);
        assert_ne!(Key::random().unwrap().pseudonym(b"a"), Key::random().unwrap().pseudonym(b"a"));
    }

    #[test]
    fn a_key_is_not_printed_and_not_short() {
        assert_eq!(format!("{:?}", Key::new(&[7; 32]).unwrap()), "Key(…)");
        assert_eq!(Key::new(b"secret").unwrap_err(), KeyError::Short(6));
    }
}
