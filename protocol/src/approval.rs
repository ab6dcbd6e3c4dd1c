//! The gateway's side of the approval service: ask, wait, claim, report, deliver evidence.
//!
//! Every request carries a batch and every item in it answers for itself. The service takes the audience
//! from the gateway's credential, never from a body.

use serde::{Deserialize, Serialize};

use crate::request::Question;
use crate::{Hash, Token, UnixMillis};

/// `POST /v1/requests`: questions to ask or to join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AskBatch {
    /// Held-lane evidence that was not acknowledged yet, in order.
    pub evidence: Vec<String>,
    /// The questions.
    pub items: Vec<Ask>,
}

/// One question. The join key is (audience, principal, digest) while pending, or approved and unused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ask {
    /// Names this attempt: the same nonce again is the same question.
    pub nonce: Token,
    /// The waiter through which the verdict is to come.
    pub waiter: Token,
    /// The digest of the request.
    pub digest: Hash,
    /// What people are asked.
    pub question: Question,
}

/// Replies to an [`AskBatch`], in any order, one for each item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AskReply {
    /// Evidence that is now kept.
    pub acked: Vec<Ack>,
    /// One for each question.
    pub items: Vec<AskAnswer>,
}

/// The reply to one question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AskAnswer {
    /// The question's nonce.
    pub nonce: Token,
    /// What became of it.
    #[serde(flatten)]
    pub result: AskResult,
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum AskResult {
    /// It is (or was already) a ticket.
    Open {
        /// The ticket.
        ticket: Token,
        /// The secret part of the requester's status link.
        capability: Token,
        /// When it lapses if nobody answers.
        answer_by: UnixMillis,
        /// Its verdict, when it has one already.
        verdict: Option<Verdict>,
    },
    /// It will not be asked.
    Refused {
        /// A stable code, `snake_case`.
        code: String,
        /// One sentence for the caller.
        detail: String,
    },
}

/// Where a ticket stands. `approved` alone is a yes; an unknown word is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for people.
    Pending,
    /// Enough people said yes, and it is not used up.
    Approved,
    /// Used as often as it was approved for.
    Consumed,
    /// Somebody said no.
    Rejected,
    /// Nobody answered, or nobody used the yes, in time.
    Expired,
    /// The yes was taken back before it was used.
    Revoked,
    /// Nobody waits for it any more.
    Cancelled,
    /// A word that this version does not know.
    #[serde(other)]
    Unknown,
}

/// `POST /v1/wait`: one long poll for all tickets of a waiter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Wait {
    /// Who waits.
    pub waiter: Token,
    /// The last cursor seen; everything up to it is forgotten by the service. Starts at 0.
    pub cursor: u64,
    /// How long to wait when there is nothing, milliseconds.
    pub timeout_ms: u64,
}

/// The reply to a [`Wait`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WaitReply {
    /// To be sent with the next poll.
    pub cursor: u64,
    /// What happened to the waiter's tickets, in order.
    pub verdicts: Vec<Verdict>,
}

/// What became of a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Verdict {
    /// The ticket.
    pub ticket: Token,
    /// The digest that it was asked for.
    pub digest: Hash,
    /// Where it stands.
    pub state: State,
    /// The grant (JWS of [`crate::grant::Grant`]) when it is approved.
    pub grant: Option<String>,
    /// What the person who rejected it said: untrusted text.
    pub reason: Option<String>,
}

/// `POST /v1/claims`: uses of grants, right before the requests go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClaimBatch {
    /// Held-lane evidence that was not acknowledged yet, in order; the claims' own records are in it.
    pub evidence: Vec<String>,
    /// The claims.
    pub items: Vec<Claim>,
}

/// One use of a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Claim {
    /// Names this use: the same nonce again gets the same receipt.
    pub nonce: Token,
    /// The ticket.
    pub ticket: Token,
    /// The grant that is used.
    pub jti: Token,
    /// The digest of the request that is about to go on.
    pub digest: Hash,
    /// The evidence record of this use; the service keeps it before it says yes.
    pub record: Hash,
}

/// Replies to a [`ClaimBatch`], in any order, one for each item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClaimReply {
    /// Evidence that is now kept.
    pub acked: Vec<Ack>,
    /// One for each claim.
    pub items: Vec<ClaimAnswer>,
}

/// The reply to one claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClaimAnswer {
    /// The claim's nonce.
    pub nonce: Token,
    /// What became of it.
    #[serde(flatten)]
    pub result: ClaimResult,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum ClaimResult {
    /// It won.
    Won {
        /// JWS of [`crate::grant::Receipt`].
        receipt: String,
    },
    /// There was nothing (left) to claim.
    Lost {
        /// Where the ticket stands.
        state: State,
    },
}

/// `POST /v1/outcomes`: what became of tickets at the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OutcomeBatch {
    /// Held-lane evidence that was not acknowledged yet, in order.
    pub evidence: Vec<String>,
    /// The outcomes.
    pub items: Vec<Outcome>,
}

/// What became of one ticket at the gateway. Saying the same twice changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Outcome {
    /// The ticket.
    pub ticket: Token,
    /// What happened.
    #[serde(flatten)]
    pub event: OutcomeEvent,
}

/// What happened to a ticket at the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum OutcomeEvent {
    /// The request went on.
    Forwarded {
        /// The nonce of the claim that won.
        nonce: Token,
        /// The upstream's status, when one came back.
        #[cfg_attr(feature = "openapi", schema(maximum = 65535))]
        status: Option<u16>,
    },
    /// The gateway does not believe the grant.
    GrantRefused {
        /// The grant.
        jti: Token,
        /// A stable code, `snake_case`.
        code: String,
        /// The answers that do not count; empty when it is not about an answer.
        answers: Vec<Token>,
        /// What the service is to do.
        remedy: Remedy,
    },
    /// The client left while its request was held.
    ClientLeft {
        /// The nonce of its ask: others may wait for the same ticket at the same worker.
        nonce: Token,
    },
}

/// What the service does with a ticket whose grant was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// Open it again, without the answers that do not count.
    Reopen,
    /// Close it: the policies changed, what was asked is no longer the question.
    Revoke,
}

/// The reply to an [`OutcomeBatch`] and to evidence on its own ([`EVIDENCE`]).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Acked {
    /// Evidence that is now kept.
    pub acked: Vec<Ack>,
}

/// The media type of `POST /v1/evidence`: records of one or more lanes, each lane in order, one a line. Every
/// request makes a record, so the lines go as they are, not as strings inside JSON.
pub const EVIDENCE: &str = "application/x-ndjson";

/// All records of a lane up to and with `seq` are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ack {
    /// Whose.
    pub producer: Token,
    /// Which lane.
    pub lane: crate::evidence::Lane,
    /// The last of them.
    pub seq: u64,
}
