//! The service's signing keys, and what it signs.

use countersign_protocol::grant::{GRANT_TYPE, Grant, RECEIPT_TYPE, Receipt};
use countersign_protocol::jws::{self, Jwk};
use countersign_protocol::keys::{Endorsement, KEY_TYPE, KeyDocument};
use countersign_protocol::{Hash, UnixMillis};
use ed25519_dalek::SigningKey;

/// How long a key that is endorsed counts, seconds.
const ENDORSED: i64 = 30 * 24 * 60 * 60;

/// Signs grants and receipts in the service's name.
#[derive(Debug)]
pub(super) struct Signer {
    pub(super) issuer: String,
    pub(super) jwk: Jwk,
    key: SigningKey,
    /// A key that nobody was told about.
    other: SigningKey,
    /// The keys before this one, the oldest first.
    older: Vec<(Jwk, SigningKey)>,
    /// Of each key by all older ones.
    endorsements: Vec<String>,
}

impl Signer {
    pub(super) fn new(issuer: &str, rng: &mut fastrand::Rng) -> Self {
        let (key, other) = (secret(rng), secret(rng));
        let (older, endorsements) = (Vec::new(), Vec::new());
        Self { issuer: issuer.into(), jwk: named(&key), key, other, older, endorsements }
    }

    /// Goes on with another key, which all older ones endorse.
    pub(super) fn rotate(&mut self, rng: &mut fastrand::Rng, now: UnixMillis) {
        let key = secret(rng);
        let older = std::mem::replace(&mut self.jwk, named(&key));
        self.older.push((older, std::mem::replace(&mut self.key, key)));
        let iat = now.div_euclid(1000);
        let (iss, jwk, exp) = (self.issuer.clone(), self.jwk.clone(), iat + ENDORSED);
        let endorsement = Endorsement { iss, iat, exp, jwk };
        let by = |(jwk, key): &(Jwk, SigningKey)| sign(KEY_TYPE, jwk, key, &endorsement);
        self.endorsements.extend(self.older.iter().map(by));
    }

    /// What everybody may know of its keys.
    pub(super) fn document(&self) -> KeyDocument {
        let keys = self.older.iter().map(|(jwk, _)| jwk).chain([&self.jwk]).cloned().collect();
        KeyDocument { keys, endorsements: self.endorsements.clone() }
    }

    pub(super) fn grant(&self, grant: &Grant) -> String {
        sign(GRANT_TYPE, &self.jwk, &self.key, grant)
    }

    /// Signs with the other key, under the name of the right one.
    pub(super) fn forged(&self, grant: &Grant) -> String {
        sign(GRANT_TYPE, &self.jwk, &self.other, grant)
    }

    pub(super) fn receipt(&self, receipt: &Receipt) -> String {
        sign(RECEIPT_TYPE, &self.jwk, &self.key, receipt)
    }
}

/// What the service signs can always be written as JSON.
fn sign<T: serde::Serialize>(typ: &str, jwk: &Jwk, key: &SigningKey, payload: &T) -> String {
    jws::sign(typ, &jwk.kid, key, payload).unwrap_or_default()
}

/// The public half, by the beginning of its hash.
fn named(key: &SigningKey) -> Jwk {
    let hash = Hash::of(key.verifying_key().as_bytes()).to_string();
    Jwk::of(hash.get(..16).unwrap_or(&hash), key)
}

fn secret(rng: &mut fastrand::Rng) -> SigningKey {
    let mut bytes = [0; 32];
    rng.fill(&mut bytes);
    SigningKey::from_bytes(&bytes)
}
