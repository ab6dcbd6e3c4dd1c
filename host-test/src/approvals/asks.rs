//! Asking: a question becomes a ticket, or joins the one that is open for the same request.

use std::collections::BTreeMap;

use countersign_protocol::approval::{AskAnswer, AskReply, AskResult, State};
use countersign_protocol::request::{Question, Terms};
use countersign_protocol::{Hash, Token, UnixMillis};
use serde::Deserialize;

use super::evidence::KeepError;
use super::log::Happened;
use super::service::{Attempt, Service};
use super::tickets::Ticket;

/// The longest times that a policy may ask for, milliseconds.
const LONGEST: UnixMillis = 366 * 24 * 60 * 60 * 1000;
/// The most gates of one question.
const MOST_GATES: usize = 64;
/// The most approvers that one gate may need.
const MOST_APPROVERS: u8 = 16;

/// [`countersign_protocol::approval::AskBatch`], with questions that may be none: each item answers for itself.
#[derive(Debug, Deserialize)]
pub(super) struct Asks {
    evidence: Vec<String>,
    items: Vec<Ask>,
}

#[derive(Debug, Deserialize)]
struct Ask {
    nonce: Token,
    waiter: Token,
    digest: Hash,
    question: serde_json::Value,
}

/// Why a question is not asked: a stable code, and a sentence for the caller.
struct Refusal(&'static str, String);

fn refusal(code: &'static str, detail: &str) -> Refusal {
    Refusal(code, detail.into())
}

impl Service {
    /// Asks a batch, and keeps the evidence that came with it.
    pub(super) fn ask(&mut self, batch: Asks) -> Result<AskReply, KeepError> {
        let acked = self.keep(batch.evidence)?;
        let items = batch.items.into_iter().map(|ask| {
            let nonce = ask.nonce;
            let result = self.ask_one(ask);
            AskAnswer {
                nonce,
                result: result.unwrap_or_else(|Refusal(code, detail)| {
                    self.note(Happened::new(self.now, "not_asked").code(code).detail(detail.clone()));
                    AskResult::Refused { code: code.into(), detail }
                }),
            }
        });
        Ok(AskReply { acked, items: items.collect() })
    }

    fn ask_one(&mut self, ask: Ask) -> Result<AskResult, Refusal> {
        let question: Question = serde_json::from_value(ask.question)
            .map_err(|error| Refusal("malformed_question", error.to_string()))?;
        in_range(&question)?;
        let held_until = self.now.saturating_add(question.terms.hold_ms);
        let known = self.asks.get(&ask.nonce).map(|attempt| attempt.ticket);
        let id = match known {
            Some(id) if self.tickets.get(&id).is_some_and(|ticket| ticket.digest != ask.digest) => {
                return Err(refusal("nonce_reused", "the nonce named another question before"));
            }
            Some(id) => id,
            None => {
                let id = self.join_or_open(ask.digest, question);
                let attempt = Attempt { ticket: id, waiter: ask.waiter, held_until, left: false };
                self.asks.insert(ask.nonce, attempt);
                self.change(id, |ticket| ticket.asks.push(ask.nonce));
                id
            }
        };
        self.attach(id, ask.waiter, held_until);
        let ticket = self.tickets.get(&id).ok_or_else(|| refusal("ticket_lost", "the ticket is gone"))?;
        Ok(AskResult::Open {
            ticket: id,
            capability: ticket.capability,
            answer_by: ticket.answer_by,
            verdict: (ticket.state != State::Pending).then(|| ticket.verdict()),
        })
    }

    fn join_or_open(&mut self, digest: Hash, question: Question) -> Token {
        let key = (question.cedar.principal.clone(), digest);
        let open = self.open.get(&key).and_then(|id| self.tickets.get(id));
        match open.map(|ticket| (ticket.id, asks_others(&ticket.question, &question))) {
            Some((id, false)) => {
                self.note(Happened::new(self.now, "joined").to(id));
                return id;
            }
            Some((id, true)) => self.close_outdated(id),
            None => {}
        }
        self.open_ticket(digest, question)
    }

    /// Closes a ticket that other people were asked about than would be now.
    fn close_outdated(&mut self, id: Token) {
        let now = self.now;
        let close = |ticket: &mut Ticket| {
            let approved = ticket.state == State::Approved;
            ticket.settle(if approved { State::Revoked } else { State::Cancelled }, now);
            if approved { "revoked" } else { "cancelled" }
        };
        if let Some(event) = self.change(id, close) {
            self.note(Happened::new(now, event).to(id).code("group_changed"));
            self.tell(id);
        }
    }

    fn open_ticket(&mut self, digest: Hash, question: Question) -> Token {
        let (id, capability) = (self.fresh(), self.fresh());
        let acts = self.book.take(&question);
        let ticket = Ticket {
            id,
            number: self.opened,
            capability,
            principal: question.cedar.principal.clone(),
            digest,
            asked_at: self.now,
            answer_by: self.now.saturating_add(question.terms.expires_ms),
            cancel_at: None,
            use_by: None,
            uses: question.terms.uses,
            used: 0,
            state: State::Pending,
            settled_at: None,
            reason: None,
            jti: None,
            grant: None,
            answers: Vec::new(),
            asks: Vec::new(),
            waiters: BTreeMap::new(),
            question,
        };
        self.insert(ticket);
        self.note(Happened::new(self.now, "asked").to(id));
        self.plan(id, acts);
        id
    }
}

/// Whether a gate that both questions name is for another group in each: the group's name means other people since.
fn asks_others(known: &Question, asked: &Question) -> bool {
    known.gates.iter().any(|known| {
        asked.gates.iter().any(|asked| asked.gate.id == known.gate.id && asked.group != known.group)
    })
}

/// Refuses what no policy can have asked for.
fn in_range(question: &Question) -> Result<(), Refusal> {
    let Terms { hold_ms, expires_ms, use_within_ms, uses, .. } = question.terms;
    let times = (0..=LONGEST).contains(&hold_ms)
        && (1..=LONGEST).contains(&expires_ms)
        && (1..=LONGEST).contains(&use_within_ms);
    let gates = (1..=MOST_GATES).contains(&question.gates.len())
        && question.gates.iter().all(|gate| (1..=MOST_APPROVERS).contains(&gate.quorum));
    if times && gates && uses > 0 {
        return Ok(());
    }
    Err(refusal(
        "terms_out_of_range",
        "a question needs 1 to 64 gates, quorums of 1 to 16, a use and times of at most 366 days",
    ))
}
