//! Plays a case of the example as the people in it would, and checks that all of what must come of it does.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use anyhow::{Context as _, Result, bail, ensure};
use countersign_protocol::Hash;
use countersign_protocol::evidence::Record;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::example::{Case, Expected, Factor, RefusedAnswer};
use crate::stack::client::{Answer, Prepared};
use crate::stack::gateway::Gateway;
use crate::stack::ticket::Ticket;
use crate::stack::upstream::Arrived;
use crate::stack::{Stack, now, until};

/// Where a case is played.
#[derive(Debug, Clone, Copy)]
pub struct Stage<'a> {
    /// Approval service and upstream.
    pub stack: &'a Stack,
    /// The gateway that calls go through.
    pub gateway: &'a Gateway,
}

/// What happened in cases that went as expected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Allowed without asking.
    pub allowed: usize,
    /// Held, approved and forwarded.
    pub held: usize,
    /// Denied without asking.
    pub denied: usize,
    /// Approvals that counted.
    pub approvals: usize,
    /// Approvals that did not, each recorded.
    pub refused: usize,
    /// Longest time from the last yes until the upstream had the call, milliseconds.
    pub released_within_ms: i64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.allowed += more.allowed;
        self.held += more.held;
        self.denied += more.denied;
        self.approvals += more.approvals;
        self.refused += more.refused;
        self.released_within_ms = self.released_within_ms.max(more.released_within_ms);
    }
}

impl Stage<'_> {
    /// The request of a case.
    ///
    /// # Errors
    /// When it cannot be written as HTTP.
    pub fn prepare(&self, case: &Case) -> Result<Prepared> {
        let token = case.agent.as_ref().map(|agent| self.stack.agents.token(agent)).transpose()?;
        Prepared::new(&case.call, token.as_deref())
    }

    /// Plays `case`; `say` is told what happens.
    ///
    /// # Errors
    /// The first thing that is not as expected.
    pub async fn play(&self, case: &Case, say: &mut dyn FnMut(String)) -> Result<Counts> {
        let request = self.prepare(case)?;
        match &case.expect {
            Expected::Allowed { policy, status } => {
                let known = self.stack.approvals.evidence().await?;
                let answer = request.send(self.gateway.address()).await?;
                ensure!(answer.status == *status, "answered {}: {}", answer.status, answer.body);
                self.arrived_once(&request).await?;
                self.allowed_by(&known, |policies| policies == [policy.as_str()]).await?;
                say(format!("allowed by {policy}: the upstream answered {status}"));
                Ok(Counts { allowed: 1, ..Counts::default() })
            }
            Expected::Denied { status, code, policy } => {
                let answer = self.denied(&request, *status, code, policy.as_deref()).await?;
                say(format!("denied: {status} {code}, {}", answer.detail()));
                Ok(Counts { denied: 1, ..Counts::default() })
            }
            Expected::Held { gate, shown, refused, approvals, status } => {
                let held = Held { stage: *self, case, request, gate, shown };
                held.play(refused, approvals, *status, say).await
            }
        }
    }

    /// The policies that allowed a call: those of the first evidence that is not `known` yet and `fits`.
    /// Evidence of what nobody was asked about comes in batches, after the answer.
    ///
    /// # Errors
    /// When there is no such evidence.
    pub async fn allowed_by(
        &self,
        known: &[Record],
        fits: impl Fn(&[String]) -> bool,
    ) -> Result<Vec<String>> {
        until("the evidence of what allowed it", async || {
            let records = self.stack.approvals.evidence().await?;
            let new = |record: &&Record| !known.iter().any(|known| known.hash == record.hash);
            let allowed = records.iter().filter(|record| record.envelope.kind == "allowed").filter(new);
            let policies: Vec<_> = allowed
                .map(|record| Ok(serde_json::from_str::<Allowed>(&record.line)?.policies))
                .collect::<Result<_>>()?;
            Ok(policies.into_iter().find(|policies| fits(policies)))
        })
        .await
    }

    async fn denied(
        &self,
        request: &Prepared,
        status: u16,
        code: &str,
        policy: Option<&str>,
    ) -> Result<Answer> {
        let asked = self.stack.approvals.tickets(None, request.path()).await?;
        let answer = request.send(self.gateway.address()).await?;
        ensure!(
            answer.status == status && answer.code() == code,
            "answered {}: {}",
            answer.status,
            answer.body
        );
        let named = policy.is_none_or(|policy| answer.detail().contains(policy));
        ensure!(named, "{policy:?} is not named as the reason: {}", answer.body);
        let since = self.stack.approvals.tickets(None, request.path()).await?;
        ensure!(asked == since, "somebody was asked about it");
        self.arrived_never(request).await?;
        Ok(answer)
    }

    /// What of a request reached the upstream: calls with its path and its body.
    ///
    /// # Errors
    /// When the upstream does not tell.
    pub async fn arrived(&self, request: &Prepared) -> Result<Vec<Arrived>> {
        let digest = Hash::of(request.body()).to_string();
        let mut calls = self.stack.upstream.calls().await?;
        calls.retain(|call| call.path == request.path() && call.body_sha256 == digest);
        Ok(calls)
    }

    /// Checks that nothing of a request reached the upstream.
    ///
    /// # Errors
    /// When something did.
    pub async fn arrived_never(&self, request: &Prepared) -> Result<()> {
        let arrived = self.arrived(request).await?;
        ensure!(arrived.is_empty(), "it reached the upstream: {arrived:?}");
        Ok(())
    }

    /// Checks that a request reached the upstream exactly once and unchanged.
    ///
    /// # Errors
    /// When it did not.
    pub async fn arrived_once(&self, request: &Prepared) -> Result<Arrived> {
        let mut arrived = self.arrived(request).await?;
        ensure!(arrived.len() == 1, "it reached the upstream {} times", arrived.len());
        let arrived = arrived.pop().context("it did not reach the upstream")?;
        let difference = request.difference(&arrived);
        ensure!(difference.is_none(), "it was changed: {}", difference.unwrap_or_default());
        Ok(arrived)
    }
}

/// What matters here of a record of that kind.
#[derive(Debug, Deserialize)]
struct Allowed {
    policies: Vec<String>,
}

/// A case in which people are asked.
struct Held<'a> {
    stage: Stage<'a>,
    case: &'a Case,
    request: Prepared,
    gate: &'a str,
    shown: &'a BTreeMap<String, Value>,
}

impl Held<'_> {
    async fn play(
        &self,
        refused: &[RefusedAnswer],
        approvals: &[String],
        status: u16,
        say: &mut dyn FnMut(String),
    ) -> Result<Counts> {
        let (request, gateway) = (self.request.clone(), self.stage.gateway.address());
        let mut call = tokio::spawn(async move { request.send(gateway).await });
        let ticket = tokio::select! {
            ticket = self.asked(say) => ticket?,
            early = &mut call => {
                let answer = early??;
                bail!("answered without asking: {} {}", answer.status, answer.body);
            }
        };
        for attempt in refused {
            self.refuse(&ticket, attempt, say).await?;
        }
        for person in approvals {
            self.read_by(&ticket, person).await?;
        }
        self.shown.iter().for_each(|(place, value)| say(format!("approvers read {place}: {value}")));
        let mut last = now();
        for person in approvals {
            self.still_waits(&ticket).await?;
            ensure!(!call.is_finished(), "it was answered before enough people said yes");
            last = now();
            self.stage.stack.approvals.approve(&ticket, person).await?;
            say(format!("{person} approves"));
        }
        let answer = call.await??;
        ensure!(answer.status == status, "answered {}: {}", answer.status, answer.body);
        let arrived = self.stage.arrived_once(&self.request).await?;
        let released_within_ms = arrived.at.saturating_sub(last);
        say(format!("went on, once and unchanged, {released_within_ms} ms after the last yes: {status}"));
        let (approvals, refused) = (approvals.len(), refused.len());
        Ok(Counts { held: 1, approvals, refused, released_within_ms, ..Counts::default() })
    }

    /// People are asked by the right gate and see why the caller asks.
    async fn asked(&self, say: &mut dyn FnMut(String)) -> Result<Ticket> {
        let ticket = self.stage.stack.approvals.pending(self.request.path()).await?;
        let gate = ticket.gates().iter().find(|gate| gate.get("id").is_some_and(|id| id == self.gate));
        let gate = gate.with_context(|| format!("it was not `{}` that asks", self.gate))?;
        let why = ticket.part("/question/justification").as_str();
        ensure!(why == self.case.call.justification.as_deref(), "the justification shown is {why:?}");
        say(format!("held by {gate}: {reason}", gate = self.gate, reason = text(gate, "reason")));
        say(format!("waits for {} of {}", text(gate, "quorum"), text(gate, "group_name")));
        if let Some(why) = why {
            say(format!("the agent says: \u{201c}{why}\u{201d}"));
        }
        Ok(ticket)
    }

    /// An approver reads the whole body as it was sent, and what policy took from it.
    async fn read_by(&self, ticket: &Ticket, person: &str) -> Result<()> {
        let ticket = self.stage.stack.approvals.seen_by(ticket, person).await?;
        let (body, sent) = (ticket.text("/question/request/body/text"), self.request.body());
        ensure!(body.as_bytes() == sent, "the body shown to {person} is `{body}`");
        for (place, value) in self.shown {
            let shown = ticket.part(&format!("/question{place}"));
            ensure!(shown == value, "{place} is shown to {person} as {shown}, not as {value}");
        }
        Ok(())
    }

    /// Somebody tries to approve who must not: refused, recorded, and nothing moves.
    async fn refuse(
        &self,
        ticket: &Ticket,
        attempt: &RefusedAnswer,
        say: &mut dyn FnMut(String),
    ) -> Result<()> {
        let RefusedAnswer { person, factor, code } = attempt;
        let approvals = &self.stage.stack.approvals;
        let (status, said) = approvals.answer(ticket, person, *factor, "approve", None).await?;
        let right = status == 403 && said.get("code").is_some_and(|said| said == code);
        ensure!(right, "the yes of {person} was not refused with {code}: {status} {said}");
        let recorded = approvals.ticket(ticket.id()).await?.recorded_refusal(person, code);
        ensure!(recorded, "the attempt of {person} was not recorded");
        let how = if *factor == Factor::Password { " without the second factor" } else { "" };
        say(format!("{person} tries to approve{how}: refused, {code}"));
        self.still_waits(ticket).await
    }

    async fn still_waits(&self, ticket: &Ticket) -> Result<()> {
        let ticket = self.stage.stack.approvals.ticket(ticket.id()).await?;
        ensure!(ticket.state() == "pending", "it is `{}` too early", ticket.state());
        self.stage.arrived_never(&self.request).await
    }
}

fn text(gate: &Value, name: &str) -> String {
    match gate.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}
