//! Checks a grant and a claim's receipt before either is used: what the service signed must be about this
//! very request, in time, and by people who may.

mod keys;

use countersign_protocol::grant::{Answer, GRANT_TYPE, Grant, RECEIPT_TYPE, Receipt};
use countersign_protocol::person::{Involved, Person};
use countersign_protocol::quorum::{Asked, breaks, eligible, missing};
use countersign_protocol::request::{Gate, Terms};
use countersign_protocol::{Hash, Token, UnixMillis};
use serde::Serialize;

pub use keys::ServiceKeys;

use crate::identity::Identities;
use crate::refusal::Breach;

/// How far the service's clock may be ahead of the gateway's, seconds. There is no leeway on expiry.
const LEEWAY: i64 = 30;

/// Whose signatures count, and for whom.
#[derive(Debug)]
pub struct Trust {
    /// The service's name and public keys.
    pub keys: ServiceKeys,
    /// This gateway's name.
    pub audience: String,
}

/// What was asked, as the gateway remembers it.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The ticket.
    pub ticket: Token,
    /// The digest of the held request.
    pub digest: Hash,
    /// Who takes part in it.
    pub involved: &'a [Involved],
    /// The gates that were shut.
    pub gates: &'a [Gate],
    /// Their merged terms.
    pub terms: &'a Terms,
}

/// Why a grant is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The first rule that it breaks.
    pub breach: Breach,
    /// The grant, when it was signed by the service at all.
    pub jti: Option<Token>,
    /// The answers that do not count; empty when it is not about an answer.
    pub answers: Vec<Token>,
    /// What more there is to say, in one sentence.
    pub detail: Option<String>,
}

impl Refusal {
    /// Of what the service did not sign, as far as can be told.
    pub(crate) fn unread(breach: Breach) -> Self {
        Self { breach, jti: None, answers: Vec::new(), detail: None }
    }

    fn of(grant: &Grant, breach: Breach) -> Self {
        Self { breach, jti: Some(grant.jti), answers: Vec::new(), detail: None }
    }
}

impl Trust {
    /// Reads `token` as a grant for what was `expected`.
    ///
    /// # Errors
    /// The first rule that it breaks; a grant that breaks none has enough eligible, distinct people.
    pub fn grant(
        &self,
        token: &str,
        expected: Expected<'_>,
        identities: &Identities,
        now: UnixMillis,
    ) -> Result<Grant, Refusal> {
        let grant: Grant =
            self.keys.verify(token, GRANT_TYPE, now).map_err(|error| Refusal::unread(error.into()))?;
        self.parties(&grant.iss, &grant.aud)
            .and_then(|()| in_force(&grant, now))
            .and_then(|()| about(&grant, expected, now))
            .map_err(|breach| Refusal::of(&grant, breach))?;
        people(&grant, expected, identities)?;
        Ok(grant)
    }

    /// Reads `token` as the receipt of a claim of `grant` with `nonce` and `record`.
    ///
    /// It cannot be older than the claim, whose nonce is random and was made for it, so no clock is asked for its
    /// times: the use is counted already, and a gateway whose clock is fast would have it counted in vain. Only the key
    /// must count `now`.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn receipt(
        &self,
        token: &str,
        grant: &Grant,
        (nonce, record): (Token, Hash),
        now: UnixMillis,
    ) -> Result<Receipt, Breach> {
        let receipt: Receipt = self.keys.verify(token, RECEIPT_TYPE, now)?;
        self.parties(&receipt.iss, &receipt.aud)?;
        if receipt.exp <= receipt.iat {
            return Err(Breach::Lapsed);
        }
        let fits =
            receipt.ticket == grant.ticket && receipt.jti == grant.jti && receipt.digest == grant.digest;
        match fits && receipt.nonce == nonce && receipt.record == record {
            true => Ok(receipt),
            false => Err(Breach::OtherClaim),
        }
    }

    fn parties(&self, iss: &str, aud: &str) -> Result<(), Breach> {
        match () {
            () if iss != self.keys.issuer() => Err(Breach::OtherIssuer),
            () if aud != self.audience => Err(Breach::OtherAudience),
            () => Ok(()),
        }
    }
}

/// Whether a grant counts at this moment, by the gateway's clock.
fn in_force(grant: &Grant, now: UnixMillis) -> Result<(), Breach> {
    let seconds = now.div_euclid(1000);
    match () {
        () if grant.iat > seconds.saturating_add(LEEWAY) => Err(Breach::FromTheFuture),
        () if grant.exp <= seconds => Err(Breach::Lapsed),
        () => Ok(()),
    }
}

/// Whether the grant is about this request, these gates and these terms.
fn about(grant: &Grant, expected: Expected<'_>, now: UnixMillis) -> Result<(), Breach> {
    let seconds = now.div_euclid(1000);
    let longest = grant.iat.saturating_add(expected.terms.use_within_ms.div_euclid(1000)).saturating_add(1);
    match () {
        () if grant.ticket != expected.ticket => Err(Breach::OtherTicket),
        () if grant.digest != expected.digest => Err(Breach::OtherDigest),
        () if grant.nbf > seconds.saturating_add(LEEWAY) => Err(Breach::NotYetValid),
        () if !expected.gates.iter().all(|gate| grant.gates.contains(&gate.gate)) => Err(Breach::OtherGate),
        () if grant.exp > longest => Err(Breach::ValidTooLong),
        () if grant.uses == 0 || grant.uses > expected.terms.uses => Err(Breach::OtherUses),
        () => Ok(()),
    }
}

/// Whether enough distinct, eligible people answered.
fn people(grant: &Grant, expected: Expected<'_>, identities: &Identities) -> Result<(), Refusal> {
    let asked = Asked {
        involved: expected.involved,
        gates: expected.gates,
        severity: expected.terms.severity,
        asked_at: grant.asked_at,
    };
    let refused: Vec<(&Answer, Breach)> = grant
        .answers
        .iter()
        .enumerate()
        .filter_map(|(place, answer)| {
            let earlier = grant.answers.iter().take(place).map(|other| &other.person);
            fault(answer, asked, earlier.chain(&grant.flaggers), identities).map(|breach| (answer, breach))
        })
        .collect();
    if let Some(&(_, breach)) = refused.first() {
        let answers = refused.iter().map(|(answer, _)| answer.id).collect();
        return Err(Refusal { breach, jti: Some(grant.jti), answers, detail: None });
    }
    match missing(expected.gates, grant.flaggers.len(), grant.asked_at, &grant.answers) {
        0 => Ok(()),
        _ => Err(Refusal::of(grant, Breach::QuorumMissing)),
    }
}

/// A gate that somebody opened alone, for evidence.
#[derive(Debug, Serialize)]
pub(crate) struct Broken<'a> {
    gate: &'a str,
    person: &'a Person,
    reason: &'a str,
}

/// The gates that were opened alone, by whom and why; nothing when none was.
pub(crate) fn broken<'a>(grant: &'a Grant, gates: &'a [Gate]) -> Option<Vec<Broken<'a>>> {
    let of = |answer: &'a Answer| {
        let gates = gates.iter().filter(|gate| breaks(answer, gate, grant.asked_at));
        let reason = answer.break_glass.as_deref().unwrap_or_default();
        gates.map(move |gate| Broken { gate: &gate.gate.id, person: &answer.person, reason })
    };
    Some(grant.answers.iter().flat_map(of).collect::<Vec<_>>()).filter(|broken| !broken.is_empty())
}

fn fault<'a>(
    answer: &Answer,
    asked: Asked<'_>,
    mut others: impl Iterator<Item = &'a Person>,
    identities: &Identities,
) -> Option<Breach> {
    if let Err(reason) = eligible(answer, asked) {
        return Some(reason.into());
    }
    let names = identities.names(&answer.person);
    others.any(|other| *other == answer.person || names.contains(other)).then_some(Breach::SamePersonTwice)
}
