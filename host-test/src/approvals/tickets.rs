//! A request for approval and where it stands.

use std::collections::BTreeMap;

use countersign_protocol::approval::{State, Verdict};
use countersign_protocol::grant::Answer;
use countersign_protocol::person::Person;
use countersign_protocol::quorum::{Asked, missing};
use countersign_protocol::recording::Doing;
use countersign_protocol::request::Question;
use countersign_protocol::{Hash, Token, UnixMillis};

/// One request for approval.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// Its name.
    pub id: Token,
    /// Its place among all that were ever opened, from 0.
    pub number: u64,
    /// The secret part of the requester's status link.
    pub capability: Token,
    /// The Cedar principal that asks.
    pub principal: String,
    /// The digest of the request.
    pub digest: Hash,
    /// What people are asked.
    pub question: Question,
    /// When it was opened.
    pub asked_at: UnixMillis,
    /// When it lapses if nobody answers.
    pub answer_by: UnixMillis,
    /// When it is cancelled, if nobody comes back for it.
    pub cancel_at: Option<UnixMillis>,
    /// When the yes lapses.
    pub use_by: Option<UnixMillis>,
    /// How often a yes may be used.
    pub uses: u32,
    /// How often it was.
    pub used: u32,
    /// Where it stands.
    pub state: State,
    /// Since when that is final, or approved.
    pub settled_at: Option<UnixMillis>,
    /// What the person who ended it said.
    pub reason: Option<String>,
    /// The name of the grant, while there is one.
    pub jti: Option<Token>,
    pub(super) grant: Option<String>,
    pub(super) answers: Vec<Kept>,
    /// The nonces of those who asked.
    pub(super) asks: Vec<Token>,
    pub(super) waiters: BTreeMap<Token, Attachment>,
}

/// An answer as it is kept.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) kind: Doing,
    pub(super) answer: Answer,
    /// The gateway did not believe it.
    pub(super) dropped: bool,
}

/// A waiter that is told about a ticket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attachment {
    pub(super) held_until: UnixMillis,
    pub(super) left: bool,
}

impl Ticket {
    /// The deadline of the state that it is in; a final state has none.
    pub(super) fn lapses_at(&self) -> Option<UnixMillis> {
        match self.state {
            State::Pending => Some(self.cancel_at.map_or(self.answer_by, |at| at.min(self.answer_by))),
            State::Approved => self.use_by,
            _ => None,
        }
    }

    /// What it becomes when its deadline passes.
    pub(super) fn lapsed(&self) -> State {
        let left = self.cancel_at.is_some_and(|at| at < self.answer_by);
        if self.state == State::Pending && left { State::Cancelled } else { State::Expired }
    }

    pub(super) fn settle(&mut self, state: State, at: UnixMillis) {
        self.state = state;
        self.settled_at = Some(at);
    }

    /// What gateways are told.
    pub(super) fn verdict(&self) -> Verdict {
        let grant = self.grant.clone().filter(|_| self.state == State::Approved);
        let reason = self.reason.clone();
        Verdict { ticket: self.id, digest: self.digest, state: self.state, grant, reason }
    }

    /// The approvals that count, and who flagged.
    pub(super) fn counting(&self) -> (Vec<Answer>, Vec<Person>) {
        let of = |kinds: &'static [Doing]| {
            self.answers.iter().filter(move |kept| kinds.contains(&kept.kind) && !kept.dropped)
        };
        let approvals = of(&[Doing::Approve, Doing::BreakGlass]).map(|kept| kept.answer.clone()).collect();
        (approvals, of(&[Doing::Flag]).map(|kept| kept.answer.person.clone()).collect())
    }

    /// How many approvers are missing when these answered.
    pub(super) fn lacking(&self, answers: &[Answer], flags: usize) -> usize {
        missing(&self.question.gates, flags, self.asked_at, answers)
    }

    pub(super) fn asked(&self) -> Asked<'_> {
        Asked {
            involved: &self.question.involved,
            gates: &self.question.gates,
            severity: self.question.terms.severity,
            asked_at: self.asked_at,
        }
    }
}

/// How a state is written on the wire.
pub(super) fn state_name(state: State) -> &'static str {
    match state {
        State::Pending => "pending",
        State::Approved => "approved",
        State::Consumed => "consumed",
        State::Rejected => "rejected",
        State::Expired => "expired",
        State::Revoked => "revoked",
        State::Cancelled => "cancelled",
        State::Unknown => "unknown",
    }
}
