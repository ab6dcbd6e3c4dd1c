//! How the approval service's signing keys change: where gateways find new ones, and who vouches for them.

use serde::{Deserialize, Serialize};

use crate::jws::Jwk;

/// `typ` of an endorsement's JWS header.
pub const KEY_TYPE: &str = "countersign-key+jws";

/// Where the service gives its [`KeyDocument`], to everybody.
pub const KEYS_PATH: &str = "/.well-known/jwks.json";

/// Most endorsements of a document: a gateway checks a signature for each, and reads no document with more.
pub const MOST_ENDORSEMENTS: usize = 16;

/// The longest `kid` of a key that is endorsed, bytes.
pub const LONGEST_KID: usize = 256;

/// The service's word, signed with an older key, that another key is its own. `iat` and `exp` are seconds (RFC 7519).
/// It counts at gateways whose configuration names the key that signed it, and nowhere else: an endorsed key endorses
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Endorsement {
    /// The service that signed it.
    pub iss: String,
    /// When it was signed.
    pub iat: i64,
    /// When the key stops to count for those who know it by this endorsement alone.
    pub exp: i64,
    /// The key.
    pub jwk: Jwk,
}

/// What is at [`KEYS_PATH`]: a JWK Set (RFC 7517 section 5) with one more member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyDocument {
    /// The keys that the service's signatures may be verified with, for whoever believes the server.
    pub keys: Vec<Jwk>,
    /// JWS of [`Endorsement`] in compact form, at most [`MOST_ENDORSEMENTS`]: one for each pair of a newer key and
    /// an older one that a gateway may still go by.
    #[serde(default)]
    pub endorsements: Vec<String>,
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use serde_json::json;

    use super::*;
    use crate::jws::{self, JwsError, KeySet};

    #[test]
    fn an_endorsement_is_a_statement_of_its_own_type_by_the_older_key() {
        let (old, new) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
        let endorsement = Endorsement { iss: "local".into(), iat: 1, exp: 2, jwk: Jwk::of("new", &new) };
        let token = jws::sign(KEY_TYPE, "old", &old, &endorsement).unwrap();
        let pinned = KeySet::new(&[Jwk::of("old", &old)]).unwrap();
        assert_eq!(jws::verify(&token, KEY_TYPE, &pinned), Ok(endorsement));
        let as_grant = jws::verify::<serde_json::Value>(&token, crate::grant::GRANT_TYPE, &pinned);
        assert_eq!(as_grant, Err(JwsError::WrongType));
    }

    #[test]
    fn a_plain_set_of_keys_is_a_document_without_endorsements() {
        let jwk = Jwk::of("a", &SigningKey::from_bytes(&[1; 32]));
        let document: KeyDocument = serde_json::from_value(json!({ "keys": [jwk] })).unwrap();
        assert_eq!(document, KeyDocument { keys: vec![jwk], endorsements: Vec::new() });
    }
}
