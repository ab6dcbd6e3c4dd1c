//! Checks a grant and a claim's receipt before either is used: what the service signed must be about this
//! very request, in time, and by people who may.

use countersign_protocol::grant::{Answer, GRANT_TYPE, Grant, RECEIPT_TYPE, Receipt};
use countersign_protocol::jws::{self, KeySet};
use countersign_protocol::person::{Involved, Person};
use countersign_protocol::quorum::{Asked, eligible, missing};
use countersign_protocol::request::{Gate, Terms};
use countersign_protocol::{Hash, Token, UnixMillis};

use crate::identity::Identities;

/// How far the service's clock may be ahead of the gateway's, seconds. There is no leeway on expiry.
const LEEWAY: i64 = 30;

/// The code for a grant that does not answer for the gates that were asked about, in their very wording.
pub(crate) const OTHER_GATE: &str = "other_gate";

/// The codes for a grant whose time is not now, by the gateway's clock.
pub(crate) const OF_TIME: [&str; 3] = ["from_the_future", "not_yet_valid", "lapsed"];

/// Whose signatures count, and for whom.
#[derive(Debug)]
pub struct Trust {
    /// The service's public keys.
    pub keys: KeySet,
    /// The service's name.
    pub issuer: String,
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
    /// Stable, `snake_case`.
    pub code: String,
    /// The grant, when it was signed by the service at all.
    pub jti: Option<Token>,
    /// The answers that do not count; empty when it is not about an answer.
    pub answers: Vec<Token>,
    /// What more there is to say, in one sentence.
    pub detail: Option<String>,
}

impl Refusal {
    fn of(grant: &Grant, code: impl Into<String>) -> Self {
        Self { code: code.into(), jti: Some(grant.jti), answers: Vec::new(), detail: None }
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
        let grant: Grant = jws::verify(token, GRANT_TYPE, &self.keys).map_err(|error| Refusal {
            code: error.to_string(),
            jti: None,
            answers: Vec::new(),
            detail: None,
        })?;
        self.parties(&grant.iss, &grant.aud)
            .and_then(|()| in_force(&grant, now))
            .and_then(|()| about(&grant, expected, now))
            .map_err(|code| Refusal::of(&grant, code))?;
        people(&grant, expected, identities)?;
        Ok(grant)
    }

    /// Reads `token` as the receipt of a claim of `grant` with `nonce` and `record`.
    ///
    /// It cannot be older than the claim, whose nonce is random and was made for it, so no clock is asked: the
    /// use is counted already, and a gateway whose clock is fast would have it counted in vain.
    ///
    /// # Errors
    /// The stable code of the first rule that it breaks.
    pub fn receipt(&self, token: &str, grant: &Grant, nonce: Token, record: Hash) -> Result<Receipt, String> {
        let receipt: Receipt =
            jws::verify(token, RECEIPT_TYPE, &self.keys).map_err(|error| error.to_string())?;
        self.parties(&receipt.iss, &receipt.aud)?;
        if receipt.exp <= receipt.iat {
            return Err("lapsed".into());
        }
        let fits =
            receipt.ticket == grant.ticket && receipt.jti == grant.jti && receipt.digest == grant.digest;
        match fits && receipt.nonce == nonce && receipt.record == record {
            true => Ok(receipt),
            false => Err("other_claim".into()),
        }
    }

    fn parties(&self, iss: &str, aud: &str) -> Result<(), &'static str> {
        match () {
            () if iss != self.issuer => Err("other_issuer"),
            () if aud != self.audience => Err("other_audience"),
            () => Ok(()),
        }
    }
}

/// Whether a grant counts at this moment, by the gateway's clock.
fn in_force(grant: &Grant, now: UnixMillis) -> Result<(), &'static str> {
    let seconds = now.div_euclid(1000);
    match () {
        () if grant.iat > seconds.saturating_add(LEEWAY) => Err("from_the_future"),
        () if grant.exp <= seconds => Err("lapsed"),
        () => Ok(()),
    }
}

/// Whether the grant is about this request, these gates and these terms.
fn about(grant: &Grant, expected: Expected<'_>, now: UnixMillis) -> Result<(), &'static str> {
    let seconds = now.div_euclid(1000);
    let longest = grant.iat.saturating_add(expected.terms.use_within_ms.div_euclid(1000)).saturating_add(1);
    match () {
        () if grant.ticket != expected.ticket => Err("other_ticket"),
        () if grant.digest != expected.digest => Err("other_digest"),
        () if grant.nbf > seconds.saturating_add(LEEWAY) => Err("not_yet_valid"),
        () if !expected.gates.iter().all(|gate| grant.gates.contains(&gate.gate)) => Err(OTHER_GATE),
        () if grant.exp > longest => Err("valid_too_long"),
        () if grant.uses == 0 || grant.uses > expected.terms.uses => Err("other_uses"),
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
    let refused: Vec<(&Answer, String)> = grant
        .answers
        .iter()
        .enumerate()
        .filter_map(|(place, answer)| {
            let earlier = grant.answers.iter().take(place).map(|other| &other.person);
            fault(answer, asked, earlier.chain(&grant.flaggers), identities).map(|code| (answer, code))
        })
        .collect();
    if let Some((_, code)) = refused.first() {
        let answers = refused.iter().map(|(answer, _)| answer.id).collect();
        return Err(Refusal { code: code.clone(), jti: Some(grant.jti), answers, detail: None });
    }
    match missing(expected.gates, grant.flaggers.len(), grant.asked_at, &grant.answers) {
        0 => Ok(()),
        _ => Err(Refusal::of(grant, "quorum_missing")),
    }
}

fn fault<'a>(
    answer: &Answer,
    asked: Asked<'_>,
    mut others: impl Iterator<Item = &'a Person>,
    identities: &Identities,
) -> Option<String> {
    if let Err(reason) = eligible(answer, asked) {
        return Some(reason.code());
    }
    let names = identities.names(&answer.person);
    others.any(|other| *other == answer.person || names.contains(other)).then(|| "same_person_twice".into())
}
