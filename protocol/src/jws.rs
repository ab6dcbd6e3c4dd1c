//! Signed statements of the approval service: JWS compact serialisation (RFC 7515), EdDSA over Ed25519
//! (RFC 8037), and nothing else, so that there is no algorithm to confuse.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A public key as a JSON Web Key (RFC 7517) of type `OKP`, curve `Ed25519` (RFC 8037).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Jwk {
    /// Always `OKP`.
    pub kty: String,
    /// Always `Ed25519`.
    pub crv: String,
    /// Which key this is.
    pub kid: String,
    /// The public key: 32 bytes, base64url without padding.
    pub x: String,
}

/// The keys whose signatures count, checked when they were loaded.
#[derive(Debug, Clone, Default)]
pub struct KeySet(Vec<(String, VerifyingKey)>);

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key is of another type or curve.
    #[error("key `{0}` must have `kty` OKP and `crv` Ed25519")]
    Kind(String),
    /// The key's bytes are no point that can be verified with.
    #[error("key `{0}` has an `x` that is not a usable Ed25519 public key in base64url")]
    Point(String),
    /// Two keys share an id.
    #[error("two keys have the `kid` `{0}`")]
    Twice(String),
}

/// Why a signed statement is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Not three base64url parts, or a header or payload that does not read.
    #[error("malformed")]
    Malformed,
    /// A header other than `EdDSA` of the expected type.
    #[error("wrong_type")]
    WrongType,
    /// No key of that id.
    #[error("unknown_key")]
    UnknownKey,
    /// The signature does not fit.
    #[error("bad_signature")]
    BadSignature,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

const ALGORITHM: &str = "EdDSA";

impl Jwk {
    /// The public half of `key`, under the id `kid`.
    #[must_use]
    pub fn of(kid: &str, key: &SigningKey) -> Self {
        Self {
            kty: "OKP".into(),
            crv: "Ed25519".into(),
            kid: kid.into(),
            x: URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes()),
        }
    }

    /// The name that nobody gave it (RFC 7638 with SHA-256, base64url without padding).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        let canonical = serde_json::json!({ "crv": self.crv, "kty": self.kty, "x": self.x });
        URL_SAFE_NO_PAD.encode(crate::Hash::of(canonical.to_string().as_bytes()).0)
    }

    fn verifying_key(&self) -> Result<VerifyingKey, KeyError> {
        if self.kty != "OKP" || self.crv != "Ed25519" {
            return Err(KeyError::Kind(self.kid.clone()));
        }
        let point = || KeyError::Point(self.kid.clone());
        let bytes: [u8; 32] =
            URL_SAFE_NO_PAD.decode(&self.x).ok().and_then(|x| x.try_into().ok()).ok_or_else(point)?;
        VerifyingKey::from_bytes(&bytes).ok().filter(|key| !key.is_weak()).ok_or_else(point)
    }
}

impl KeySet {
    /// Checks and keeps `keys`.
    ///
    /// # Errors
    /// A key of another kind, a key that is no usable point, or two keys of one id.
    pub fn new(keys: &[Jwk]) -> Result<Self, KeyError> {
        let mut set = Self::default();
        for key in keys {
            if set.find(&key.kid).is_some() {
                return Err(KeyError::Twice(key.kid.clone()));
            }
            set.0.push((key.kid.clone(), key.verifying_key()?));
        }
        Ok(set)
    }

    /// Whether there is a key of that id.
    #[must_use]
    pub fn has(&self, kid: &str) -> bool {
        self.find(kid).is_some()
    }

    fn find(&self, kid: &str) -> Option<&VerifyingKey> {
        self.0.iter().find(|(id, _)| id == kid).map(|(_, key)| key)
    }
}

/// Signs `payload` as a statement of type `typ`.
///
/// # Errors
/// Only when `payload` cannot be written as JSON.
pub fn sign<T: Serialize>(
    typ: &str,
    kid: &str,
    key: &SigningKey,
    payload: &T,
) -> Result<String, serde_json::Error> {
    let header = Header { alg: ALGORITHM.into(), typ: typ.into(), kid: kid.into() };
    let header = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header)?);
    let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(payload)?);
    let signed = format!("{header}.{payload}");
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).to_bytes());
    Ok(format!("{signed}.{signature}"))
}

/// Reads a statement of type `typ` that one of `keys` signed.
///
/// # Errors
/// See [`JwsError`]; nothing of an unverified payload is read.
pub fn verify<T: DeserializeOwned>(token: &str, typ: &str, keys: &KeySet) -> Result<T, JwsError> {
    let (signed, signature) = token.rsplit_once('.').ok_or(JwsError::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(JwsError::Malformed)?;
    let header: Header = read(header)?;
    if header.alg != ALGORITHM || header.typ != typ {
        return Err(JwsError::WrongType);
    }
    let key = keys.find(&header.kid).ok_or(JwsError::UnknownKey)?;
    let signature: [u8; 64] =
        URL_SAFE_NO_PAD.decode(signature).ok().and_then(|s| s.try_into().ok()).ok_or(JwsError::Malformed)?;
    key.verify_strict(signed.as_bytes(), &Signature::from_bytes(&signature))
        .map_err(|_| JwsError::BadSignature)?;
    read(payload)
}

/// The id of the key that a statement says it is signed with. Nothing of it counts before [`verify`] said so.
#[must_use]
pub fn key_id(token: &str) -> Option<String> {
    let header: Header = read(token.split('.').next()?).ok()?;
    Some(header.kid)
}

fn read<T: DeserializeOwned>(part: &str) -> Result<T, JwsError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| JwsError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn keys() -> KeySet {
        KeySet::new(&[Jwk::of("a", &key(1))]).unwrap()
    }

    #[test]
    fn a_signed_statement_reads_back() {
        let token = sign("t", "a", &key(1), &"yes").unwrap();
        assert_eq!(verify::<String>(&token, "t", &keys()), Ok("yes".into()));
    }

    #[test]
    fn what_was_not_signed_so_is_refused() {
        let token = sign("t", "a", &key(1), &"yes").unwrap();
        let other = sign("t", "a", &key(1), &"no").unwrap();
        let (other_head, _) = other.rsplit_once('.').unwrap();
        let (_, signature) = token.rsplit_once('.').unwrap();
        let spliced = format!("{other_head}.{signature}");
        let cases = [
            (sign("u", "a", &key(1), &"yes").unwrap(), JwsError::WrongType),
            (sign("t", "b", &key(1), &"yes").unwrap(), JwsError::UnknownKey),
            (sign("t", "a", &key(2), &"yes").unwrap(), JwsError::BadSignature),
            (spliced, JwsError::BadSignature),
            (token.replace('.', ""), JwsError::Malformed),
            (format!("{token}="), JwsError::Malformed),
            (String::new(), JwsError::Malformed),
        ];
        for (token, expected) in cases {
            assert_eq!(verify::<String>(&token, "t", &keys()), Err(expected), "{token}");
        }
    }

    #[test]
    fn a_key_has_the_names_that_the_standards_give() {
        // RFC 8037 appendix A.3.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let jwk = Jwk { x: x.into(), ..Jwk::of("a", &key(1)) };
        assert_eq!(jwk.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(key_id(&sign("t", "a", &key(1), &"yes").unwrap()).as_deref(), Some("a"));
        assert_eq!(key_id("a.b.c"), None);
    }

    #[test]
    fn only_usable_keys_of_the_one_kind_are_kept() {
        let good = Jwk::of("a", &key(1));
        let wrong = Jwk { crv: "X25519".into(), ..good.clone() };
        let weak = Jwk { x: URL_SAFE_NO_PAD.encode([0; 32]), ..good.clone() };
        assert_eq!(KeySet::new(&[wrong]).unwrap_err(), KeyError::Kind("a".into()));
        assert_eq!(KeySet::new(&[weak]).unwrap_err(), KeyError::Point("a".into()));
        assert_eq!(KeySet::new(&[good.clone(), good]).unwrap_err(), KeyError::Twice("a".into()));
    }
}
