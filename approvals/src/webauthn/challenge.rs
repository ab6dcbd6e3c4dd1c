//! What a passkey signs: a hash over what it is for, so that whoever has it years later sees what its owner meant.

use countersign_protocol::{Hash, Token};
use serde::{Deserialize, Serialize};

use super::{Assertion, Bytes, Key};
use crate::store::answers::Kind;

/// The domain of challenges over answers.
const ANSWER: &[u8] = b"countersign answer 1";

/// What an answer is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Meant {
    pub(crate) kind: Kind,
    pub(crate) ticket: Token,
    /// The digest of the request.
    pub(crate) digest: Hash,
    /// The hash of the question as it was shown.
    pub(crate) shown: Hash,
    /// To how many uses it says yes, where to fewer than asked for.
    pub(crate) uses: Option<i64>,
}

impl Meant {
    /// SHA-256 over the domain, `random`, ticket, digest, hash of what was shown, the kind (`approve`, `reject`,
    /// `flag`, or `break_glass`), and the number of uses in decimal (nothing for all that were asked for), each preceded
    /// by its length (64 bits, big endian).
    pub(crate) fn challenge(&self, random: &[u8; 32]) -> Hash {
        let kind = self.kind.name();
        let uses = self.uses.map(|uses| uses.to_string()).unwrap_or_default();
        let (ticket, digest, shown) = (&self.ticket.0, &self.digest.0, &self.shown.0);
        let parts: [&[u8]; 7] = [ANSWER, random, ticket, digest, shown, kind.as_bytes(), uses.as_bytes()];
        let mut encoded = Vec::with_capacity(256);
        for part in parts {
            encoded.extend_from_slice(&(part.len() as u64).to_be_bytes());
            encoded.extend_from_slice(part);
        }
        Hash::of(&encoded)
    }
}

/// An assertion over an answer, with all that it takes to check it without this service.
#[derive(Debug, Serialize)]
pub(crate) struct Evidence<'a> {
    #[serde(flatten)]
    pub(crate) assertion: &'a Assertion,
    #[serde(flatten)]
    pub(crate) key: &'a Key,
    /// What the challenge begins with, after the domain.
    pub(crate) random: Bytes,
    /// Whom the assertion is for: the host that the passkey knows.
    pub(crate) rp_id: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_difference_is_another_challenge() {
        let meant = Meant {
            kind: Kind::Approve,
            ticket: Token([1; 16]),
            digest: Hash([2; 32]),
            shown: Hash([3; 32]),
            uses: None,
        };
        let all = [
            meant.challenge(&[0; 32]),
            meant.challenge(&[1; 32]),
            Meant { kind: Kind::Reject, ..meant }.challenge(&[0; 32]),
            Meant { ticket: Token([0; 16]), ..meant }.challenge(&[0; 32]),
            Meant { digest: Hash([0; 32]), ..meant }.challenge(&[0; 32]),
            Meant { shown: Hash([0; 32]), ..meant }.challenge(&[0; 32]),
            Meant { kind: Kind::BreakGlass, ..meant }.challenge(&[0; 32]),
            Meant { uses: Some(1), ..meant }.challenge(&[0; 32]),
        ];
        assert_eq!(std::collections::BTreeSet::from(all).len(), all.len());
        // As Python's hashlib computes it.
        assert_eq!(all[0].to_string(), "30c3a0da7bc58f41861242717149ea90a53061aff34d05ada8f69c0173b3429a");
    }
}
