//! Outcomes: what became of tickets at the gateway. Saying the same twice changes nothing.

use countersign_protocol::approval::{Acked, Outcome, OutcomeBatch, OutcomeEvent, Remedy, State};
use countersign_protocol::recording::Doing;
use countersign_protocol::{Token, UnixMillis};

use super::evidence::KeepError;
use super::log::Happened;
use super::service::Service;
use super::tickets::{Attachment, Ticket};

/// How long a ticket outlives the last client that waited for it, milliseconds.
const ABANDONED_AFTER: UnixMillis = 2 * 60 * 1000;

impl Service {
    /// Takes a batch of outcomes, and keeps the evidence that came with it.
    pub(super) fn outcomes(&mut self, batch: OutcomeBatch) -> Result<Acked, KeepError> {
        let acked = self.keep(batch.evidence)?;
        for Outcome { ticket, event } in batch.items {
            match event {
                OutcomeEvent::Forwarded { nonce, status } => self.forwarded(ticket, nonce, status),
                OutcomeEvent::GrantRefused { jti, code, answers, remedy } => {
                    self.disbelieved(ticket, jti, &code, &answers, remedy);
                }
                OutcomeEvent::ClientLeft { nonce } => self.left(ticket, nonce),
            }
        }
        Ok(Acked { acked })
    }

    fn disbelieved(&mut self, id: Token, jti: Token, code: &str, answers: &[Token], remedy: Remedy) {
        let now = self.now;
        let change = |ticket: &mut Ticket| {
            if ticket.jti != Some(jti) || ticket.state != State::Approved {
                return false;
            }
            match remedy {
                Remedy::Reopen => reopen(ticket, answers),
                Remedy::Revoke => ticket.settle(State::Revoked, now),
            }
            true
        };
        if self.change(id, change) != Some(true) {
            return;
        }
        let event = if remedy == Remedy::Reopen { "reopened" } else { "revoked" };
        self.note(Happened::new(now, event).to(id).code(code));
        self.tell(id);
    }

    fn left(&mut self, id: Token, nonce: Token) {
        let now = self.now;
        let staying = self.asks.get_mut(&nonce).filter(|attempt| attempt.ticket == id && !attempt.left);
        let Some(attempt) = staying else { return };
        attempt.left = true;
        let waiter = attempt.waiter;
        let asks = self.tickets.get(&id).map(|ticket| ticket.asks.as_slice()).unwrap_or_default();
        let others = asks
            .iter()
            .filter_map(|nonce| self.asks.get(nonce))
            .any(|attempt| attempt.waiter == waiter && !attempt.left && attempt.held_until > now);
        self.note(Happened::new(now, "client_left").to(id));
        self.change(id, |ticket| {
            if let Some(attachment) = ticket.waiters.get_mut(&waiter).filter(|_| !others) {
                attachment.left = true;
            }
            // A hold that is over holds nobody: that client was told to come back, and coming back clears this.
            let holds = |attachment: &Attachment| !attachment.left && attachment.held_until > now;
            if ticket.state == State::Pending
                && ticket.cancel_at.is_none()
                && !ticket.waiters.values().any(holds)
            {
                ticket.cancel_at = Some(now.saturating_add(ABANDONED_AFTER));
            }
        });
    }
}

/// A ticket that is open again has no grant, no deadline but the one to answer, and not the answers that do not
/// count: all of them when the gateway names none.
fn reopen(ticket: &mut Ticket, answers: &[Token]) {
    ticket.state = State::Pending;
    ticket.settled_at = None;
    ticket.jti = None;
    ticket.grant = None;
    ticket.use_by = None;
    for kept in ticket.answers.iter_mut().filter(|kept| kept.kind == Doing::Approve) {
        kept.dropped |= answers.is_empty() || answers.contains(&kept.answer.id);
    }
}
