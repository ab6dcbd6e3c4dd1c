//! What every state of a held request remembers, and the endings that they share.

use countersign_protocol::approval::{Outcome, OutcomeEvent, Remedy};
use countersign_protocol::evidence::Record;
use countersign_protocol::person::Involved;
use countersign_protocol::request::{Gate, Terms};
use countersign_protocol::{Hash, Token, UnixMillis};

use super::answer::{Asked, ComeBack};
use super::{Decision, Denial, Engine, Fate, Journal, Next, Reply, RequestFacts, Step};
use crate::dialect::Dialect;
use crate::grant::Expected;
use crate::journal::Members;

/// A request that people were asked about.
#[derive(Debug)]
pub(super) struct Case {
    /// Of the ask.
    pub(super) nonce: Token,
    pub(super) facts: RequestFacts,
    pub(super) digest: Hash,
    pub(super) involved: Vec<Involved>,
    pub(super) gates: Vec<Gate>,
    pub(super) terms: Terms,
    pub(super) dialect: Dialect,
    /// When the hold is over.
    pub(super) until: UnixMillis,
}

/// The ticket that a case became at the service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    pub(super) id: Token,
    pub(super) capability: Token,
    pub(super) answer_by: UnixMillis,
}

impl Case {
    pub(super) fn expected(&self, ticket: Token) -> Expected<'_> {
        Expected {
            ticket,
            digest: self.digest,
            involved: &self.involved,
            gates: &self.gates,
            terms: &self.terms,
        }
    }

    /// Ends the request, with the ticket when there is one.
    pub(super) fn end(
        &self,
        journal: &mut Journal,
        ticket: Option<Token>,
        denial: &Denial,
        now: UnixMillis,
    ) -> Step {
        let members = Members::default()
            .with("ticket", ticket)
            .with("digest", self.digest)
            .with("reason", denial.reason.meaning().code)
            .with("detail", &denial.detail);
        let record = journal.held(now, "denied", members);
        let reply = match ticket {
            Some(ticket) => Reply::ended(denial, &self.dialect, &self.asked(ticket)),
            None => Reply::denial(denial, &self.dialect),
        };
        let decision = Decision::new(Fate::Denied(denial.reason), ticket);
        Step::new(Next::Reply(reply)).decided(decision).audit(record)
    }

    fn asked(&self, ticket: Token) -> Asked {
        let mut groups: Vec<_> = self.gates.iter().map(|gate| gate.group_name.clone()).collect();
        groups.sort();
        groups.dedup();
        Asked { ticket, groups }
    }

    /// The hold is over and nobody decided: the client is told to come back.
    pub(super) fn pending(
        &self,
        engine: &Engine,
        journal: &mut Journal,
        ticket: Ticket,
        now: UnixMillis,
    ) -> Step {
        let members = Members::default().with("ticket", ticket.id).with("digest", self.digest);
        let record = journal.held(now, "pending", members);
        // A fraction of the hold: a client that comes back so is nearly always waiting.
        let retry_after_seconds = (self.terms.hold_ms / 5_000).clamp(1, 60);
        let back =
            ComeBack { capability: ticket.capability, answer_by: ticket.answer_by, retry_after_seconds };
        let reply = Reply::pending(engine.pending.status, &self.dialect, &self.asked(ticket.id), &back);
        let decision = Decision::new(Fate::Pending, Some(ticket.id));
        Step::new(Next::Reply(reply)).decided(decision).audit(record)
    }

    /// The client left. The service is told, so that nobody judges in vain.
    pub(super) fn client_left(&self, journal: &mut Journal, ticket: Option<Token>, now: UnixMillis) -> Left {
        let members = Members::default().with("ticket", ticket).with("digest", self.digest);
        let record = journal.held(now, "client_left", members);
        let event = OutcomeEvent::ClientLeft { nonce: self.nonce };
        let tell = ticket.map(|ticket| Outcome { ticket, event });
        Left { record, tell }
    }
}

/// What to keep and tell of a client that left.
#[derive(Debug)]
#[must_use]
pub struct Left {
    /// The record of it.
    pub record: Record,
    /// What the approval service is to be told.
    pub tell: Option<Outcome>,
}

/// Reports a grant that is not believed.
pub(super) fn refused(
    ticket: Token,
    jti: Token,
    code: String,
    answers: Vec<Token>,
    remedy: Remedy,
) -> Outcome {
    Outcome { ticket, event: OutcomeEvent::GrantRefused { jti, code, answers, remedy } }
}
