//! Passkeys: what a browser brings, held against what it was asked (WebAuthn Level 3, sections 7.1 and 7.2).
//!
//! Nothing is read but what is signed, and what a passkey is made of is not asked: no attestation.

pub(crate) mod challenge;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use countersign_protocol::Hash;
use p256::ecdsa::signature::Verifier as _;
use p256::pkcs8::DecodePublicKey as _;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use url::Url;

/// ECDSA over P-256 with SHA-256, a number of COSE's registry (RFC 9053).
pub(crate) const ES256: i64 = -7;
/// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8812): what Windows Hello has on older machines.
pub(crate) const RS256: i64 = -257;

/// The longest id of a credential, bytes (WebAuthn Level 3, section 7.1, step 26).
const LONGEST_ID: usize = 1023;
/// Sizes of RSA keys, bytes.
const RSA_SIZES: std::ops::RangeInclusive<usize> = 256..=512;

/// Somebody was there.
const PRESENT: u8 = 0x01;
/// It was the owner: a finger, a face or a PIN.
const VERIFIED: u8 = 0x04;
/// A credential follows.
const CREDENTIAL: u8 = 0x40;

/// Bytes in base64url without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// A public key of somebody's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Key {
    /// [`ES256`] or [`RS256`].
    pub(crate) algorithm: i64,
    /// SubjectPublicKeyInfo, DER.
    pub(crate) public_key: Bytes,
}

/// A new credential, as the page sends it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Made {
    pub(crate) id: Bytes,
    client_data_json: Bytes,
    authenticator_data: Bytes,
    #[serde(flatten)]
    pub(crate) key: Key,
}

/// A proof that somebody was there and meant this, as the page sends it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assertion {
    pub(crate) id: Bytes,
    client_data_json: Bytes,
    authenticator_data: Bytes,
    signature: Bytes,
}

/// Why a browser's word does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Invalid {
    #[error("it is not well formed")]
    Malformed,
    #[error("it is for something else")]
    OtherChallenge,
    #[error("it comes from another site")]
    OtherOrigin,
    #[error("it did not check who you are: use a passkey with a PIN, a finger or a face")]
    NotVerified,
    #[error("keys of this kind are not taken")]
    Unsupported,
    #[error("the signature is wrong")]
    Signature,
}

/// What a browser says that it did (WebAuthn Level 3, section 5.8.1).
#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(rename = "crossOrigin", default)]
    cross_origin: bool,
}

/// What an authenticator says (WebAuthn Level 3, section 6.1).
struct AuthenticatorData<'a> {
    relying_party: &'a [u8; 32],
    flags: u8,
    counter: u32,
    rest: &'a [u8],
}

/// This service, as passkeys know it.
#[derive(Debug, Clone)]
pub(crate) struct RelyingParty {
    /// Its host.
    pub(crate) id: String,
    /// Where its pages come from.
    pub(crate) origin: String,
}

impl RelyingParty {
    /// The service at that address.
    pub(crate) fn at(url: &Url) -> Self {
        let id = url.host_str().unwrap_or("localhost").to_owned();
        Self { id, origin: url.origin().ascii_serialization() }
    }

    /// Checks a new credential; returns how many signatures its authenticator says it has made.
    pub(crate) fn admit(&self, challenge: Hash, made: &Made) -> Result<u32, Invalid> {
        let data =
            self.read("webauthn.create", challenge, &made.client_data_json, &made.authenticator_data)?;
        let (aaguid, rest) = data.rest.split_first_chunk::<16>().ok_or(Invalid::Malformed)?;
        let (length, rest) = rest.split_first_chunk::<2>().ok_or(Invalid::Malformed)?;
        let id = rest.get(..usize::from(u16::from_be_bytes(*length))).ok_or(Invalid::Malformed)?;
        let named = data.flags & CREDENTIAL != 0 && aaguid.len() == 16 && id == made.id.0;
        if !named || id.is_empty() || id.len() > LONGEST_ID {
            return Err(Invalid::Malformed);
        }
        made.key.check()?;
        Ok(data.counter)
    }

    /// Checks a proof with a credential's key; returns how many signatures its authenticator says it has made.
    pub(crate) fn check(&self, challenge: Hash, key: &Key, proof: &Assertion) -> Result<u32, Invalid> {
        let (client, data) = (&proof.client_data_json, &proof.authenticator_data);
        let read = self.read("webauthn.get", challenge, client, data)?;
        let signed = [&data.0[..], &Hash::of(&client.0).0].concat();
        key.verify(&signed, &proof.signature.0)?;
        Ok(read.counter)
    }

    fn read<'a>(
        &self,
        kind: &str,
        challenge: Hash,
        client: &Bytes,
        data: &'a Bytes,
    ) -> Result<AuthenticatorData<'a>, Invalid> {
        let client: ClientData = serde_json::from_slice(&client.0).map_err(|_| Invalid::Malformed)?;
        if client.kind != kind || client.challenge != BASE64.encode(challenge.0) {
            return Err(Invalid::OtherChallenge);
        }
        let data = AuthenticatorData::parse(&data.0).ok_or(Invalid::Malformed)?;
        let ours = client.origin == self.origin && !client.cross_origin;
        if !ours || Hash(*data.relying_party) != Hash::of(self.id.as_bytes()) {
            return Err(Invalid::OtherOrigin);
        }
        let wanted = PRESENT | VERIFIED;
        if data.flags & wanted == wanted { Ok(data) } else { Err(Invalid::NotVerified) }
    }
}

impl<'a> AuthenticatorData<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (relying_party, rest) = bytes.split_first_chunk::<32>()?;
        let (&[flags], rest) = rest.split_first_chunk::<1>()?;
        let (counter, rest) = rest.split_first_chunk::<4>()?;
        Some(Self { relying_party, flags, counter: u32::from_be_bytes(*counter), rest })
    }
}

/// A key, read.
enum Public {
    Ec(p256::ecdsa::VerifyingKey),
    Rsa(rsa::pkcs1v15::VerifyingKey<Sha256>),
}

impl Key {
    /// Whether signatures by it can be verified.
    fn check(&self) -> Result<(), Invalid> {
        self.read().map(drop)
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Invalid> {
        let right = match self.read()? {
            Public::Ec(key) => p256::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Public::Rsa(key) => rsa::pkcs1v15::Signature::try_from(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
        };
        right.then_some(()).ok_or(Invalid::Signature)
    }

    fn read(&self) -> Result<Public, Invalid> {
        let der = &self.public_key.0;
        let key = match self.algorithm {
            ES256 => p256::ecdsa::VerifyingKey::from_public_key_der(der).ok().map(Public::Ec),
            RS256 => {
                use rsa::traits::PublicKeyParts as _;
                let key = rsa::PublicKey::from_public_key_der(der).ok();
                let key = key.filter(|key| RSA_SIZES.contains(&key.size()));
                key.map(|key| Public::Rsa(rsa::pkcs1v15::VerifyingKey::new(key)))
            }
            _ => None,
        };
        key.ok_or(Invalid::Unsupported)
    }
}
