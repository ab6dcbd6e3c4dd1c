//! The service's signing key, and what it signs.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_protocol::Hash;
use countersign_protocol::grant::{GRANT_TYPE, Grant, RECEIPT_TYPE, Receipt};
use countersign_protocol::jws::{self, Jwk};
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};

use crate::files::{self, FileError};
use crate::random;

/// Signs grants and receipts in the service's name.
pub(crate) struct Signer {
    issuer: String,
    public: Jwk,
    key: SigningKey,
}

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The operating system has no randomness to make a key from.
    #[error("cannot make a key: {0}")]
    Random(#[from] getrandom::Error),
    /// The file holds another kind of key, or halves that do not belong together.
    #[error("`{0}` is no Ed25519 key of this service")]
    NotAKey(String),
}

/// A private key as a JSON Web Key (RFC 8037, section 2).
#[derive(Serialize, Deserialize)]
struct PrivateJwk {
    #[serde(flatten)]
    public: Jwk,
    d: String,
}

impl Signer {
    /// The key in the file at `path`; a new one when there is no file.
    pub(crate) fn open(path: &Path, issuer: &str) -> Result<Self, KeyError> {
        if !path.exists() {
            let key = SigningKey::from_bytes(&random::bytes()?);
            let secret = URL_SAFE_NO_PAD.encode(key.as_bytes());
            files::write(path, &PrivateJwk { public: public(&key), d: secret })?;
        }
        let stored: PrivateJwk = files::read(path)?;
        let secret = URL_SAFE_NO_PAD.decode(&stored.d).ok().and_then(|d| d.try_into().ok());
        let key = secret.map(|secret| SigningKey::from_bytes(&secret));
        key.filter(|key| public(key).x == stored.public.x)
            .map(|key| Self { issuer: issuer.into(), public: stored.public, key })
            .ok_or_else(|| KeyError::NotAKey(path.display().to_string()))
    }

    /// What the service calls itself in what it signs.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The key that verifies what this signs.
    pub(crate) fn jwk(&self) -> &Jwk {
        &self.public
    }

    /// Signs a grant.
    pub(crate) fn grant(&self, grant: &Grant) -> Result<String, serde_json::Error> {
        jws::sign(GRANT_TYPE, &self.public.kid, &self.key, grant)
    }

    /// Signs a receipt.
    pub(crate) fn receipt(&self, receipt: &Receipt) -> Result<String, serde_json::Error> {
        jws::sign(RECEIPT_TYPE, &self.public.kid, &self.key, receipt)
    }
}

/// The public half, named by its own hash so that two services never use one name.
fn public(key: &SigningKey) -> Jwk {
    let hash = Hash::of(key.verifying_key().as_bytes()).to_string();
    Jwk::of(hash.get(..16).unwrap_or(&hash), key)
}
