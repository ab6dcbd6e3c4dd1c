//! The service's signing key, and what it signs.

use countersign_protocol::Hash;
use countersign_protocol::grant::{GRANT_TYPE, Grant, RECEIPT_TYPE, Receipt};
use countersign_protocol::jws::{self, Jwk};
use ed25519_dalek::SigningKey;

/// Signs grants and receipts in the service's name.
#[derive(Debug)]
pub(super) struct Signer {
    pub(super) issuer: String,
    pub(super) jwk: Jwk,
    key: SigningKey,
    /// A key that nobody was told about.
    other: SigningKey,
}

impl Signer {
    pub(super) fn new(issuer: &str, rng: &mut fastrand::Rng) -> Self {
        let (key, other) = (secret(rng), secret(rng));
        let hash = Hash::of(key.verifying_key().as_bytes()).to_string();
        let jwk = Jwk::of(hash.get(..16).unwrap_or(&hash), &key);
        Self { issuer: issuer.into(), jwk, key, other }
    }

    pub(super) fn grant(&self, grant: &Grant) -> String {
        self.sign(GRANT_TYPE, &self.key, grant)
    }

    /// Signs with the other key, under the name of the right one.
    pub(super) fn forged(&self, grant: &Grant) -> String {
        self.sign(GRANT_TYPE, &self.other, grant)
    }

    pub(super) fn receipt(&self, receipt: &Receipt) -> String {
        self.sign(RECEIPT_TYPE, &self.key, receipt)
    }

    /// Grants and receipts can always be written as JSON.
    fn sign<T: serde::Serialize>(&self, typ: &str, key: &SigningKey, payload: &T) -> String {
        jws::sign(typ, &self.jwk.kid, key, payload).unwrap_or_default()
    }
}

fn secret(rng: &mut fastrand::Rng) -> SigningKey {
    let mut bytes = [0; 32];
    rng.fill(&mut bytes);
    SigningKey::from_bytes(&bytes)
}
