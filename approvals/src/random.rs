//! Secrets and names from the operating system's randomness.

use countersign_protocol::{Hash, Token};

/// Fills an array with random bytes.
///
/// # Errors
/// When the operating system has no randomness to give.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut out = [0; N];
    getrandom::fill(&mut out)?;
    Ok(out)
}

/// A new name that nobody can guess: 128 bits.
///
/// # Errors
/// As [`bytes`].
pub(crate) fn token() -> Result<Token, getrandom::Error> {
    bytes().map(Token)
}

/// A new secret: 256 bits in lower-case hexadecimal.
///
/// # Errors
/// As [`bytes`].
pub(crate) fn secret() -> Result<String, getrandom::Error> {
    bytes().map(|bytes| Hash(bytes).to_string())
}
