//! What became of a request, for the gateway's access log and for metrics.

use countersign_protocol::Token;
use countersign_protocol::evidence::{Lane, Record};
use serde::Serialize;

use crate::denial::Reason;
use crate::policy::Failure;
use crate::refusal::Breach;

/// What became of a request, made once, when it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What.
    pub fate: Fate,
    /// The ticket that it has at the approval service, if any.
    pub ticket: Option<Token>,
    /// Whether it was carried out; when only observing, the request went on all the same.
    pub enforced: bool,
}

/// The ends that a decision can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It went on, and nobody was asked.
    Allowed,
    /// It went on, because people approved it.
    Countersigned,
    /// People would have been asked. Only when observing.
    NeedsApproval,
    /// It did not go on.
    Denied(Reason),
    /// It did not go on yet: its client is to come back.
    Pending,
}

/// Something that happened on the way and is worth a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// A policy could not be evaluated; without a failure, the request does not fit the schema.
    PolicyError(Option<Failure>),
    /// A grant is not believed.
    GrantRefused(Breach),
    /// A claim's receipt is not believed.
    ReceiptRefused(Breach),
    /// It went on because somebody opened a gate alone.
    GlassBroken,
}

#[derive(Serialize)]
struct Summary<'a> {
    decision: &'a str,
    reason: Option<&'a str>,
    ticket: Option<Token>,
    enforced: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<Reference>,
}

/// Where the evidence of a decision is found.
#[derive(Serialize)]
struct Reference {
    producer: Token,
    lane: Lane,
    seq: u64,
}

impl Decision {
    pub(super) fn new(fate: Fate, ticket: Option<Token>) -> Self {
        Self { fate, ticket, enforced: true }
    }

    /// One line of JSON for the gateway's own access log: an independent count of what was decided, and where the
    /// record of it is found, unless it was dropped.
    #[must_use]
    pub fn summary(&self, record: Option<&Record>) -> String {
        let (decision, reason) = match self.fate {
            Fate::Allowed => ("allowed", None),
            Fate::Countersigned => ("countersigned", None),
            Fate::NeedsApproval => ("needs_approval", None),
            Fate::Denied(reason) => ("denied", Some(reason)),
            Fate::Pending => ("pending", Some(Reason::Pending)),
        };
        let reason = reason.map(|reason| reason.meaning().code);
        let record = record.map(|Record { envelope, .. }| Reference {
            producer: envelope.producer,
            lane: envelope.lane,
            seq: envelope.seq,
        });
        let summary = Summary { decision, reason, ticket: self.ticket, enforced: self.enforced, record };
        // Numbers, words and nothing: it can always be written.
        serde_json::to_string(&summary).unwrap_or_default()
    }
}
