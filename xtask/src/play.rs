//! Plays a case of the example as the people in it would, and checks that all of what must come of it does.

mod held;

use std::ops::AddAssign;

use anyhow::{Context as _, Result, ensure};
use countersign_protocol::Hash;
use countersign_protocol::evidence::Record;
use serde::{Deserialize, Serialize};

use crate::example::{Case, Expected};
use crate::stack::client::{Answer, Prepared};
use crate::stack::gateway::Gateway;
use crate::stack::upstream::Arrived;
use crate::stack::{Stack, until};
use held::Held;

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
