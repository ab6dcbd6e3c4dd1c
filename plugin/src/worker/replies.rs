//! The calls in flight: sends what waits, and gives every reply to the requests that it is for.

use std::collections::BTreeMap;

use countersign_core::life::{Moment, NoAnswer, abandoned};
use countersign_protocol::approval::{
    Ack, Acked, Ask, AskAnswer, AskBatch, AskReply, Claim, ClaimAnswer, ClaimBatch, ClaimReply, Outcome,
    OutcomeBatch, Verdict, Wait, WaitReply,
};
use countersign_protocol::evidence::Lane;
use countersign_protocol::{Token, UnixMillis};

use super::health::Health;
use super::outbox::Kind;
use super::{Directive, Parked, Worker, unlist};
use crate::calls::{self, Body, Fault};
use crate::host;

/// How long the service may keep a poll open, and how much longer the gateway waits for it, milliseconds.
const POLL: (u64, i64) = (20_000, 25_000);

/// Most verdicts that are kept for questions whose replies are still to come.
const EARLY: usize = 4_096;

/// What a call in flight was about.
#[derive(Debug)]
enum Call {
    Ask(Vec<(u32, Token)>),
    Claim(Vec<(u32, Token)>),
    Outcome(Vec<Outcome>),
    Evidence,
    Wait,
}

/// Calls in flight by the gateway's id for them, and how far the poll has read.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    calls: BTreeMap<u32, Call>,
    cursor: u64,
    health: Health,
}

type Directives = Vec<(u32, Directive)>;

impl Call {
    fn kind(&self) -> Kind {
        match self {
            Self::Ask(_) => Kind::Ask,
            Self::Claim(_) => Kind::Claim,
            Self::Outcome(_) => Kind::Outcome,
            Self::Evidence => Kind::Evidence,
            Self::Wait => Kind::Wait,
        }
    }

    fn path(&self) -> &'static str {
        match self {
            Self::Ask(_) => "/v1/requests",
            Self::Claim(_) => "/v1/claims",
            Self::Outcome(_) => "/v1/outcomes",
            Self::Evidence => "/v1/evidence",
            Self::Wait => "/v1/wait",
        }
    }
}

impl InFlight {
    /// Whether nothing that says something is on its way; a poll only listens.
    pub(super) fn is_empty(&self) -> bool {
        self.calls.values().all(|call| call.kind() == Kind::Wait)
    }
}

impl Worker {
    /// Sends what waits. Only the root context may call this: replies come back to who sent.
    pub(crate) fn pump(&mut self, now: UnixMillis) -> Directives {
        let mut directives = Vec::new();
        if self.free(Kind::Ask, now) {
            directives.extend(self.send_asks(now));
        }
        if self.free(Kind::Claim, now) {
            directives.extend(self.send_claims(now));
        }
        if self.free(Kind::Outcome, now) {
            self.send_outcomes(now);
        }
        if self.free(Kind::Evidence, now)
            && let Some(lines) = self.outbox.take_lines(now)
        {
            self.send(Call::Evidence, Some(Body::evidence(lines)), now);
        }
        let waiting = |parked: &Parked| matches!(parked, Parked::Asking(_) | Parked::Held(_));
        if self.free(Kind::Wait, now) && self.parked.values().any(waiting) {
            let wait = Wait { waiter: self.waiter, cursor: self.in_flight.cursor, timeout_ms: POLL.0 };
            self.send(Call::Wait, Body::json(&wait), now);
        }
        directives
    }

    fn free(&self, kind: Kind, now: UnixMillis) -> bool {
        self.outbox.may(kind, now) && !self.in_flight.calls.values().any(|call| call.kind() == kind)
    }

    /// Sends a call and remembers it; gives it back when it could not be sent.
    fn send(&mut self, call: Call, body: Option<Body>, now: UnixMillis) -> Option<Call> {
        let approval = self.engine.approval();
        let timeout = if call.kind() == Kind::Wait { POLL.1 } else { approval.timeout };
        let body = body.ok_or(Fault::NotSent(None));
        match body.and_then(|body| calls::send(approval, call.path(), &body, timeout)) {
            Ok(token) => {
                self.in_flight.calls.insert(token, call);
                None
            }
            Err(why) => {
                self.in_flight.health.called(call.kind(), call.path(), Some(why), now);
                self.outbox.failed(call.kind(), now);
                Some(call)
            }
        }
    }

    fn send_asks(&mut self, now: UnixMillis) -> Directives {
        let asks = self.outbox.take_asks();
        if asks.is_empty() {
            return Vec::new();
        }
        let (about, items): (Vec<_>, Vec<Ask>) =
            asks.into_iter().map(|(id, ask)| ((id, ask.nonce), ask)).unzip();
        let batch = AskBatch { evidence: self.outbox.held_lines(), items };
        match self.send(Call::Ask(about), Body::json(&batch), now) {
            Some(Call::Ask(about)) => self.on_ask(about, None),
            _ => Vec::new(),
        }
    }

    fn send_claims(&mut self, now: UnixMillis) -> Directives {
        let claims = self.outbox.take_claims(now);
        if claims.is_empty() {
            return Vec::new();
        }
        let (about, items): (Vec<_>, Vec<Claim>) =
            claims.into_iter().map(|(id, claim)| ((id, claim.nonce), claim)).unzip();
        let batch = ClaimBatch { evidence: self.outbox.held_lines(), items };
        match self.send(Call::Claim(about), Body::json(&batch), now) {
            Some(Call::Claim(about)) => self.on_claim(about, None),
            _ => Vec::new(),
        }
    }

    fn send_outcomes(&mut self, now: UnixMillis) {
        let items = self.outbox.take_outcomes();
        if items.is_empty() {
            return;
        }
        let batch = OutcomeBatch { evidence: self.outbox.held_lines(), items: items.clone() };
        if let Some(Call::Outcome(items)) = self.send(Call::Outcome(items), Body::json(&batch), now) {
            self.outbox.tell(items);
        }
    }

    /// A reply came, or what the gateway gives in place of one.
    pub(crate) fn replied(&mut self, token: u32, body_size: usize, now: UnixMillis) -> Directives {
        let Some(call) = self.in_flight.calls.remove(&token) else { return Vec::new() };
        let (kind, path, delivered) = (call.kind(), call.path(), self.outbox.delivered());
        let (fault, directives) = match call {
            Call::Ask(about) => {
                let (reply, fault) = calls::reply(body_size);
                (fault, self.on_ask(about, reply))
            }
            Call::Claim(about) => {
                let (reply, fault) = calls::reply(body_size);
                (fault, self.on_claim(about, reply))
            }
            Call::Outcome(items) => {
                let (reply, fault) = calls::reply(body_size);
                if reply.is_none() {
                    self.outbox.tell(items);
                }
                (fault, self.on_acked(reply))
            }
            Call::Evidence => {
                let (reply, fault) = calls::reply(body_size);
                (fault, self.on_acked(reply))
            }
            Call::Wait => {
                let (reply, fault) = calls::reply(body_size);
                (fault, self.on_wait(reply))
            }
        };
        // Evidence that was taken and not acknowledged would be sent again at once, without end.
        let in_vain = kind == Kind::Evidence && delivered == self.outbox.delivered();
        match fault {
            None if !in_vain => self.outbox.succeeded(kind),
            _ => self.outbox.failed(kind, now),
        }
        self.in_flight.health.called(kind, path, fault, now);
        directives
    }

    fn on_acked(&mut self, reply: Option<Acked>) -> Directives {
        reply.map(|reply| self.acknowledge(&reply.acked)).unwrap_or_default()
    }

    /// Forgets what the service keeps now, and lets go what waited for it.
    fn acknowledge(&mut self, acked: &[Ack]) -> Directives {
        self.outbox.acknowledge(acked);
        self.make_room();
        let producer = self.journal.producer();
        let held = acked.iter().filter(|ack| ack.lane == Lane::Held && ack.producer == producer);
        let Some(seq) = held.map(|ack| ack.seq).max() else { return Vec::new() };
        let kept = |parked: &Parked| matches!(parked, Parked::Keeping(keeping) if keeping.seq() <= seq);
        let now = host::now();
        let kept: Vec<_> = self.parked.extract_if(.., |_, parked| kept(parked)).collect();
        kept.into_iter()
            .filter_map(|(id, parked)| match parked {
                Parked::Keeping(keeping) => Some((id, self.apply(id, keeping.on_kept(), now))),
                _ => None,
            })
            .collect()
    }

    fn on_ask(&mut self, about: Vec<(u32, Token)>, reply: Option<AskReply>) -> Directives {
        let mut answers = BTreeMap::new();
        let mut directives = Vec::new();
        if let Some(reply) = reply {
            directives = self.acknowledge(&reply.acked);
            answers.extend(reply.items.into_iter().map(|answer| (answer.nonce, answer)));
        }
        let one = |(id, nonce)| Some((id, self.on_ask_one(id, answers.remove(&nonce))?));
        directives.extend(about.into_iter().filter_map(one));
        if !self.parked.values().any(|parked| matches!(parked, Parked::Asking(_))) {
            self.early.clear();
        }
        directives
    }

    fn on_ask_one(&mut self, id: u32, answer: Option<AskAnswer>) -> Option<Directive> {
        let Some(Parked::Asking(_)) = self.parked.get(&id) else {
            // Its client left meanwhile.
            self.outbox.tell(answer.and_then(|answer| abandoned(&answer)));
            return None;
        };
        let at = host::moment()?;
        match self.parked.remove(&id) {
            Some(Parked::Asking(state)) => {
                let step = state.on_reply(&self.engine, &mut self.journal, answer.ok_or(NoAnswer), at);
                Some(self.apply(id, step, at.now))
            }
            _ => None,
        }
    }

    fn on_claim(&mut self, about: Vec<(u32, Token)>, reply: Option<ClaimReply>) -> Directives {
        let mut answers = BTreeMap::new();
        let mut directives = Vec::new();
        if let Some(reply) = reply {
            directives = self.acknowledge(&reply.acked);
            answers.extend(reply.items.into_iter().map(|answer| (answer.nonce, answer)));
        }
        let one = |(id, nonce)| Some((id, self.on_claim_one(id, answers.remove(&nonce), host::moment()?)?));
        directives.extend(about.into_iter().filter_map(one));
        directives
    }

    fn on_claim_one(&mut self, id: u32, answer: Option<ClaimAnswer>, at: Moment) -> Option<Directive> {
        match self.parked.remove(&id) {
            Some(Parked::Claiming(state)) => {
                let step = state.on_reply(&self.engine, &mut self.journal, answer.ok_or(NoAnswer), at);
                Some(self.apply(id, step, at.now))
            }
            Some(other) => {
                self.parked.insert(id, other);
                None
            }
            None => None,
        }
    }

    fn on_wait(&mut self, reply: Option<WaitReply>) -> Directives {
        let Some(reply) = reply else { return Vec::new() };
        self.in_flight.cursor = reply.cursor;
        reply.verdicts.into_iter().flat_map(|verdict| self.on_verdict(verdict)).collect()
    }

    /// Every request that waits for the ticket gets its verdict; one that overtook its ticket is kept.
    fn on_verdict(&mut self, verdict: Verdict) -> Directives {
        // Others may still be asking about it.
        if self.parked.values().any(|parked| matches!(parked, Parked::Asking(_))) {
            self.keep_early(verdict.clone());
        }
        let mut directives = Vec::new();
        for id in self.by_ticket.remove(&verdict.ticket).unwrap_or_default() {
            let Some(at) = host::moment() else { continue };
            match self.parked.remove(&id) {
                Some(Parked::Held(held)) => {
                    let step = held.on_verdict(&self.engine, &mut self.journal, verdict.clone(), at);
                    directives.push((id, self.apply(id, step, at.now)));
                }
                Some(other) => {
                    self.parked.insert(id, other);
                }
                None => unlist(&mut self.by_ticket, verdict.ticket, id),
            }
        }
        directives
    }

    /// A verdict that is not kept costs its request the hold, not its approval: it is bounded.
    fn keep_early(&mut self, verdict: Verdict) {
        if self.early.len() < EARLY {
            self.early.insert(verdict.ticket, verdict);
        }
    }
}
