//! Public keys that tokens are verified with: a JWK Set (RFC 7517), read into keys of the four kinds that are known.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::VerifyingKey as Ed25519;
use p256::ecdsa::VerifyingKey as P256;
use rsa::signature::Verifier as _;
use rsa::{BoxedUint, PublicKey as Rsa};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use sha2::{Digest as _, Sha256};

use crate::routes::strict;

/// The longest JWK Set that is read, bytes.
pub(super) const LONGEST_SET: usize = 256 << 10;

/// Most keys of a set.
const MOST_KEYS: usize = 100;

/// The longest `kid`, bytes.
pub(super) const LONGEST_KID: usize = 256;

/// Sizes of RSA keys that count, bits: below, they can be broken (RFC 7518 section 3.3); above, a signature costs
/// more to check than it is worth.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// How a token may be signed (RFC 7518 section 3.1, RFC 8037 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// ECDSA over P-256 with SHA-256.
    ES256,
    /// Ed25519. RFC 9864 calls it `Ed25519`, and a token may.
    #[serde(alias = "Ed25519")]
    EdDSA,
}

impl Algorithm {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [Self::RS256, Self::PS256, Self::ES256, Self::EdDSA];

    /// The algorithm that `alg` names.
    pub(super) fn named(alg: &str) -> Option<Self> {
        match alg {
            "RS256" => Some(Self::RS256),
            "PS256" => Some(Self::PS256),
            "ES256" => Some(Self::ES256),
            "EdDSA" | "Ed25519" => Some(Self::EdDSA),
            _ => None,
        }
    }
}

/// A key, checked when it was read.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) kid: Option<String>,
    /// The only algorithm that it is for, when the set says so.
    only: Option<Algorithm>,
    public: Public,
    /// Its name that nobody chose: RFC 7638, base64url.
    pub(super) thumbprint: String,
}

#[derive(Debug)]
enum Public {
    Rsa(Box<Rsa>, usize),
    P256(P256),
    Ed25519(Ed25519),
}

/// The keys of an issuer.
#[derive(Debug)]
pub(super) struct KeySet {
    pub(super) keys: Vec<Key>,
    /// Why keys that should have been usable are not.
    pub(super) faults: Vec<String>,
}

/// Why a key of a set is left out.
enum Unusable {
    /// It is for something else (RFC 7517 section 5).
    Foreign,
    /// It is wrong: how.
    Faulty(String),
}

impl KeySet {
    /// Reads `{"keys":[…]}`. Keys for other purposes are passed over.
    ///
    /// # Errors
    /// It is no key set, too large, or no key of it is usable; as the end of a sentence.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > LONGEST_SET {
            return Err(format!("has {} bytes, at most {LONGEST_SET} are read", bytes.len()));
        }
        let set = strict(bytes)?;
        let listed =
            set.get("keys").and_then(Json::as_array).ok_or("is no JWK Set: it has no list `keys`")?;
        if listed.len() > MOST_KEYS {
            return Err(format!("has {} keys, at most {MOST_KEYS} are read", listed.len()));
        }
        let (mut keys, mut faults) = (Vec::new(), Vec::new());
        for (index, key) in listed.iter().enumerate() {
            match Key::read(key) {
                Ok(key) => keys.push(key),
                Err(Unusable::Foreign) => {}
                Err(Unusable::Faulty(why)) => faults.push(format!("`keys[{index}]` {why}")),
            }
        }
        match (keys.is_empty(), faults.first()) {
            (false, _) => Ok(Self { keys, faults }),
            (true, Some(fault)) => Err(format!("has no key that can be used: {fault}")),
            (true, None) => Err("has no key for RS256, PS256, ES256 or EdDSA".to_owned()),
        }
    }

    /// The one key for a token: of the named ones, or of all when the token names none, the only one that fits.
    ///
    /// # Errors
    /// None fits, or several do.
    pub(super) fn choose(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&Key, NoKey> {
        let named = |key: &&Key| kid.is_none_or(|kid| key.kid.as_deref() == Some(kid));
        let mut fitting = self.keys.iter().filter(named).filter(|key| key.fits(algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            (Some(_), Some(_)) => Err(NoKey::Several),
            (None, _) if self.keys.iter().any(|key| named(&key)) => Err(NoKey::Unfit),
            (None, _) => Err(NoKey::Unknown),
        }
    }
}

/// Why there is no one key for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoKey {
    /// No key has this `kid`.
    Unknown,
    /// Those that have it are for other algorithms.
    Unfit,
    /// Several fit.
    Several,
}

impl Key {
    fn read(key: &Json) -> Result<Self, Unusable> {
        let key = Members(key.as_object().ok_or_else(|| faulty("is no object"))?);
        key.is_for_signatures()?;
        let (public, thumbprint) = match key.text("kty")?.ok_or_else(|| faulty("has no `kty`"))? {
            "RSA" => key.rsa()?,
            "EC" => key.p256()?,
            "OKP" => key.ed25519()?,
            _ => return Err(Unusable::Foreign),
        };
        let kid = key.text("kid")?.map(str::to_owned);
        if kid.as_ref().is_some_and(|kid| kid.len() > LONGEST_KID) {
            return Err(faulty(&format!("has a `kid` of more than {LONGEST_KID} bytes")));
        }
        let only = match key.text("alg")? {
            None => None,
            Some(alg) => Some(Algorithm::named(alg).ok_or(Unusable::Foreign)?),
        };
        let key = Self { kid, only: None, public, thumbprint: thumb(&thumbprint) };
        match only.is_none_or(|algorithm| key.fits(algorithm)) {
            true => Ok(Self { only, ..key }),
            false => Err(faulty("has an `alg` that its `kty` is not for")),
        }
    }

    /// Whether it is of the algorithm's type, and not kept for another.
    fn fits(&self, algorithm: Algorithm) -> bool {
        let of_type = match self.public {
            Public::Rsa(..) => matches!(algorithm, Algorithm::RS256 | Algorithm::PS256),
            Public::P256(_) => algorithm == Algorithm::ES256,
            Public::Ed25519(_) => algorithm == Algorithm::EdDSA,
        };
        of_type && self.only.is_none_or(|only| only == algorithm)
    }

    /// Whether `signature` is one of this key over `signed`. An algorithm that does not fit verifies nothing.
    pub(super) fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        match (&self.public, algorithm) {
            (Public::Rsa(key, size), Algorithm::RS256) if signature.len() == *size => {
                let key = rsa::pkcs1v15::VerifyingKey::<Sha256>::new(key.as_ref().clone());
                let signature = rsa::pkcs1v15::Signature::try_from(signature);
                signature.is_ok_and(|signature| key.verify(signed, &signature).is_ok())
            }
            (Public::Rsa(key, size), Algorithm::PS256) if signature.len() == *size => {
                // The salt is as long as the hash (RFC 7518 section 3.5).
                let key = rsa::pss::VerifyingKey::<Sha256>::new(key.as_ref().clone());
                let signature = rsa::pss::Signature::try_from(signature);
                signature.is_ok_and(|signature| key.verify(signed, &signature).is_ok())
            }
            (Public::P256(key), Algorithm::ES256) => {
                let signature = p256::ecdsa::Signature::from_slice(signature);
                signature.is_ok_and(|signature| key.verify(signed, &signature).is_ok())
            }
            (Public::Ed25519(key), Algorithm::EdDSA) => {
                let signature = ed25519_dalek::Signature::from_slice(signature);
                signature.is_ok_and(|signature| key.verify_strict(signed, &signature).is_ok())
            }
            _ => false,
        }
    }
}

fn faulty(why: &str) -> Unusable {
    Unusable::Faulty(why.to_owned())
}

/// RFC 7638 section 3: the hash of the members that make the key, in the order of their names.
fn thumb(canonical: &Json) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical.to_string()))
}

/// The members of one key.
struct Members<'a>(&'a Map<String, Json>);

impl Members<'_> {
    fn text(&self, name: &str) -> Result<Option<&str>, Unusable> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| faulty(&format!("has a member `{name}` that is no text")))
    }

    /// Bytes in base64url, as few as the number needs or as many as the curve wants.
    fn bytes(&self, name: &str) -> Result<(&str, Vec<u8>), Unusable> {
        let text = self.text(name)?.ok_or_else(|| faulty(&format!("has no `{name}`")))?;
        let bytes = URL_SAFE_NO_PAD.decode(text);
        Ok((text, bytes.map_err(|_| faulty(&format!("has a member `{name}` that is not base64url")))?))
    }

    fn number(&self, name: &str) -> Result<(&str, Vec<u8>), Unusable> {
        let (text, bytes) = self.bytes(name)?;
        match bytes.first() {
            // RFC 7518 section 2: Base64urlUInt has as few octets as it can.
            None | Some(0) => {
                Err(faulty(&format!("has a member `{name}` that is empty or begins with zeros")))
            }
            Some(_) => Ok((text, bytes)),
        }
    }

    /// `use` and `key_ops` (RFC 7517 sections 4.2 and 4.3), and no private half.
    fn is_for_signatures(&self) -> Result<(), Unusable> {
        if self.0.contains_key("d") {
            return Err(faulty("is a private key: only the public half belongs here"));
        }
        if self.text("use")?.is_some_and(|purpose| purpose != "sig") {
            return Err(Unusable::Foreign);
        }
        match self.0.get("key_ops") {
            None => Ok(()),
            Some(Json::Array(operations)) if operations.iter().any(|one| one == "verify") => Ok(()),
            Some(Json::Array(_)) => Err(Unusable::Foreign),
            Some(_) => Err(faulty("has `key_ops` that are no list")),
        }
    }

    fn rsa(&self) -> Result<(Public, Json), Unusable> {
        let ((n, modulus), (e, exponent)) = (self.number("n")?, self.number("e")?);
        let bits = modulus.len().saturating_mul(8);
        if bits > *RSA_BITS.end() || exponent.len() > 8 {
            return Err(faulty("is no RSA key of 2048 to 4096 bits with a small exponent"));
        }
        let integer = |bytes: &[u8]| BoxedUint::from_be_slice_vartime(bytes);
        let key = Rsa::new_with_size_limits(integer(&modulus), integer(&exponent), RSA_BITS)
            .map_err(|_| faulty("is no RSA key of 2048 to 4096 bits with a small exponent"))?;
        let canonical = serde_json::json!({"e": e, "kty": "RSA", "n": n});
        Ok((Public::Rsa(Box::new(key), modulus.len()), canonical))
    }

    fn p256(&self) -> Result<(Public, Json), Unusable> {
        if self.text("crv")? != Some("P-256") {
            return Err(Unusable::Foreign);
        }
        let ((x, first), (y, second)) = (self.bytes("x")?, self.bytes("y")?);
        // SEC 1 section 2.3.3: an uncompressed point. Both halves have their full length (RFC 7518 section 6.2.1.2).
        let point = [&[4], first.as_slice(), second.as_slice()].concat();
        let key = P256::from_sec1_bytes(&point).ok().filter(|_| first.len() == 32 && second.len() == 32);
        let key = key.ok_or_else(|| faulty("has an `x` and `y` that are no point of P-256"))?;
        Ok((Public::P256(key), serde_json::json!({"crv": "P-256", "kty": "EC", "x": x, "y": y})))
    }

    fn ed25519(&self) -> Result<(Public, Json), Unusable> {
        if self.text("crv")? != Some("Ed25519") {
            return Err(Unusable::Foreign);
        }
        let (x, bytes) = self.bytes("x")?;
        let key = bytes.as_slice().try_into().ok().and_then(|bytes| Ed25519::from_bytes(bytes).ok());
        let key = key.filter(|key| !key.is_weak());
        let key = key.ok_or_else(|| faulty("has an `x` that is no usable point of Ed25519"))?;
        Ok((Public::Ed25519(key), serde_json::json!({"crv": "Ed25519", "kty": "OKP", "x": x})))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(jwk: Json) -> Key {
        KeySet::parse(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap().keys.pop().unwrap()
    }

    /// Examples of RFC 7515 (A.2, A.3) and RFC 8037 (A.4): a key, what was signed with it, and the signature.
    fn examples() -> [(Algorithm, Key, &'static str, &'static str); 3] {
        const JOE: &str =
            "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let rsa = json!({ "kty": "RSA", "e": "AQAB", "n":
            "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-\
             SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-\
             UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2et\
             hFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ" });
        let ec = json!({ "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" });
        let ed =
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        [
            (
                Algorithm::RS256,
                key(rsa),
                JOE,
                "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJd\
             bF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN93\
             83LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhW\
             kWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
            ),
            (
                Algorithm::ES256,
                key(ec),
                JOE,
                "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
            ),
            (
                Algorithm::EdDSA,
                key(ed),
                "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
                "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
            ),
        ]
    }

    #[test]
    fn the_examples_of_the_standards_hold_and_nothing_near_them_does() {
        for (algorithm, key, payload, signature) in examples() {
            let header = URL_SAFE_NO_PAD.encode(format!("{{\"alg\":\"{algorithm:?}\"}}"));
            let signed = format!("{header}.{payload}");
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            assert!(key.verifies(algorithm, signed.as_bytes(), &signature), "{algorithm:?}");
            assert!(!key.verifies(algorithm, payload.as_bytes(), &signature), "{algorithm:?}");
            for place in [0, signature.len() / 2, signature.len() - 1] {
                let mut other = signature.clone();
                other[place] ^= 1;
                assert!(!key.verifies(algorithm, signed.as_bytes(), &other), "{algorithm:?} {place}");
            }
            for length in [0, 1, signature.len() - 1] {
                assert!(!key.verifies(algorithm, signed.as_bytes(), &signature[..length]), "{algorithm:?}");
            }
            for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
                assert!(!key.verifies(other, signed.as_bytes(), &signature), "{algorithm:?} as {other:?}");
            }
        }
    }

    #[test]
    fn thumbprints_are_those_of_the_standards() {
        let rsa = key(json!({ "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29", "n":
            "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiF\
             V4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9\
             c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1\
             jF44-csFCur-kEgU8awapJzKnqDKgw" }));
        // RFC 7638 section 3.1, RFC 8037 appendix A.3.
        assert_eq!(rsa.thumbprint, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        let [.., (_, ed, _, _)] = examples();
        assert_eq!(ed.thumbprint, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn without_a_kid_one_key_alone_may_fit() {
        let [(_, rsa, ..), (_, ec, ..), (_, ed, ..)] = examples();
        let set = KeySet { keys: vec![rsa, ec, ed], faults: Vec::new() };
        let thumbprint = |algorithm| set.choose(None, algorithm).map(|key| key.thumbprint.as_str());
        assert_eq!(thumbprint(Algorithm::RS256), thumbprint(Algorithm::PS256));
        assert_ne!(thumbprint(Algorithm::ES256), thumbprint(Algorithm::EdDSA));
        let [(_, rsa, ..), ..] = examples();
        let twice = KeySet { keys: set.keys.into_iter().chain([rsa]).collect(), faults: Vec::new() };
        assert_eq!(twice.choose(None, Algorithm::RS256).err(), Some(NoKey::Several));
        assert_eq!(twice.choose(Some("a"), Algorithm::RS256).err(), Some(NoKey::Unknown));
    }
}
