//! Plays a case in which people are asked.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::{Counts, Stage};
use crate::example::{Case, Factor, RefusedAnswer};
use crate::stack::client::Prepared;
use crate::stack::now;
use crate::stack::ticket::Ticket;

/// A case in which people are asked.
pub(super) struct Held<'a> {
    pub(super) stage: Stage<'a>,
    pub(super) case: &'a Case,
    pub(super) request: Prepared,
    pub(super) gate: &'a str,
    pub(super) shown: &'a BTreeMap<String, Value>,
}

impl Held<'_> {
    pub(super) async fn play(
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
