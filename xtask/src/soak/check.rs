//! Holds what the upstream, the service, the gateways and the clients say to what was promised.

mod arrivals;
mod ends;
mod evidence;
mod logs;
mod tries;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::gateways::{Life, SLOTS, name};
use super::kept::{Claim, Kept, Producer, sound};
use super::ledger::{Said, Sent};
use super::site::Site;
use crate::stack::Stack;
use crate::stack::upstream::Arrived;

/// How often nothing new is seen, three seconds apart, before nothing more is to come.
const QUIET: u32 = 3;
/// Everything comes to its end within this: the deadlines of the soak's policies are 20 s at most.
const SETTLED_WITHIN: Duration = Duration::from_secs(120);

/// What a soak went through.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Counts {
    /// Requests that clients wanted to be done.
    pub requests: usize,
    /// Tries of clients, and how many of them broke with their gateway.
    pub tries: usize,
    /// Connections that broke.
    pub broken: usize,
    /// Calls that reached the upstream.
    pub arrived: usize,
    /// Those of them that people had approved.
    pub forwarded: usize,
    /// Tickets.
    pub tickets: usize,
    /// Tickets by the state that they ended in.
    pub states: BTreeMap<String, usize>,
    /// Uses of approvals whose outcome the gateway reported.
    pub outcomes_known: usize,
    /// Uses whose gateway was killed before it reported.
    pub outcomes_unknown: usize,
    /// Uses whose client left while the claim was on its way: nothing was forwarded.
    pub left_in_claim: usize,
    /// Records of evidence.
    pub records: i64,
    /// Producers of evidence.
    pub producers: usize,
    /// Gaps in the evidence that are named.
    pub breaks: usize,
}

/// All that was said, while the load goes on: the upstream is asked first, so all else must know of what arrived
/// by then, and last, so it must know of all that is said to have come back from it.
pub(super) struct View {
    calls: Vec<Arrived>,
    /// How often each path had arrived in the end.
    arrived: BTreeMap<String, usize>,
    kept: Kept,
    sent: BTreeMap<String, Sent>,
    said: Vec<Said>,
    lives: Vec<Life>,
    violations: Vec<String>,
}

impl View {
    async fn of(stack: &Stack, site: &Site) -> Result<Self> {
        let ours = async || {
            let mut calls = stack.upstream.calls().await?;
            calls.retain(|call| call.path.contains(&site.tag));
            anyhow::Ok(calls)
        };
        let calls = ours().await?;
        // What people were told is kept by then: the database is read after it.
        let said = site.ledger.said();
        let kept = Kept::read(&site.database()).await?;
        let (sent, lives) = (site.ledger.sent(), site.lives());
        let mut arrived = BTreeMap::new();
        for call in ours().await? {
            *arrived.entry(call.path).or_default() += 1;
        }
        Ok(Self { calls, arrived, kept, sent, said, lives, violations: site.ledger.trouble() })
    }

    fn arrivals(&self, path: &str) -> usize {
        self.arrived.get(path).copied().unwrap_or_default()
    }

    fn violated(&mut self, what: String) {
        self.violations.push(what);
    }

    /// The process that a producer was in.
    fn life(&self, producer: &Producer) -> Option<&Life> {
        let first = producer.first?;
        let mut lives = self.lives.iter();
        lives.find(|life| {
            name(life.slot) == producer.gateway
                && life.born <= first
                && life.dead.is_none_or(|dead| first <= dead)
        })
    }

    /// The process that made a claim.
    fn claimant(&self, claim: &Claim) -> Option<&Life> {
        let id = claim.producer.as_ref()?;
        self.life(self.kept.producers.iter().find(|producer| producer.id == *id)?)
    }

    /// What must hold at any moment.
    fn always(&mut self) {
        arrivals::check(self);
        ends::check_claims(self);
        ends::check_answers(self);
        evidence::check_lanes(self);
        tries::check(self);
        logs::check_lines(self);
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts { requests: self.sent.len(), arrived: self.calls.len(), ..Counts::default() };
        tries::count(self, &mut counts);
        ends::count(self, &mut counts);
        counts.records = self.kept.lanes.iter().map(|lane| lane.records).sum();
        counts.producers = self.kept.producers.len();
        counts
    }
}

/// Checks what must hold at any moment, while the load goes on.
pub(super) async fn so_far(stack: &Stack, site: &Site) -> Result<()> {
    let _turn = site.service.lock().await;
    let mut view = View::of(stack, site).await?;
    view.always();
    evidence::check_breaks(&mut view, site).await?;
    let (shown, all) = (view.violations.join("\n  "), view.violations.len());
    ensure!(all == 0, "{all} violations:\n  {shown}");
    sound(&site.database()).await
}

/// Waits until nothing is open any more and those gateways that live have said all.
pub(super) async fn settled(site: &Site) -> Result<()> {
    let deadline = Instant::now() + SETTLED_WITHIN;
    let (mut before, mut quiet) = (None, 0);
    loop {
        let kept = Kept::read(&site.database()).await?;
        let is_open = |state: &str| ["pending", "approved"].contains(&state);
        let open = kept.tickets.iter().filter(|ticket| is_open(&ticket.state)).count();
        let records = kept.lanes.iter().map(|lane| lane.records).sum::<i64>();
        quiet = if open == 0 && before == Some(records) { quiet + 1 } else { 0 };
        // Nothing for long enough that what a busy machine was slow with has come.
        if quiet == QUIET {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("after {} s {open} tickets are open still", SETTLED_WITHIN.as_secs());
        }
        before = Some(records);
        sleep(Duration::from_secs(3)).await;
    }
}

/// Checks everything: first while the last gateways live, then when all of them are killed.
pub(super) async fn finally(stack: &Stack, site: &Site) -> Result<(Counts, Vec<String>)> {
    let mut view = View::of(stack, site).await?;
    ends::check_tickets(&mut view);
    ends::check_outcomes(&mut view);
    evidence::check_breaks(&mut view, site).await?;
    evidence::check_chains(&mut view, site).await?;
    for number in 0..SLOTS {
        site.kill(number).await?;
    }
    // Now that their logs are complete.
    view.lives = site.lives();
    view.always();
    evidence::check_allowed(&mut view);
    sound(&site.database()).await?;
    let mut counts = view.counts();
    counts.breaks = evidence::check_gaps(&mut view, site).await?;
    logs::check(&mut view, site).await;
    Ok((counts, view.violations))
}
