//! Kills the gateways and the approval service at random moments under load, round after round, and holds what
//! came of it to what was promised: nothing goes on without a ruling, no approval counts more often than
//! granted, every approved request comes to an end, and evidence is whole or its gap is named.

mod check;
mod clients;
mod gateways;
mod intents;
mod kept;
mod ledger;
mod people;
mod rounds;
mod site;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Serialize;

use crate::stack::Stack;
use crate::workspace::{Workspace, run as run_command};
use check::Counts;
use site::Site;

/// The environment variable that sets the seed.
pub const SEED: &str = "COUNTERSIGN_SEED";

/// Violations that are printed; the first say enough.
const SHOWN: usize = 20;

/// How long to soak, and how.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Kills, each followed by a start.
    pub rounds: usize,
    /// What all choices follow from, but for the order in which processes run.
    pub seed: u64,
    /// Clients at the same time.
    pub clients: usize,
    /// Rounds after which everything so far is checked, while the load goes on.
    pub check_every: usize,
}

impl Options {
    /// That many rounds. The seed is random unless it is given here or by [`SEED`].
    #[must_use]
    pub fn new(rounds: usize, seed: Option<u64>) -> Self {
        let set = || std::env::var(SEED).ok()?.parse().ok();
        let seed = seed.or_else(set).unwrap_or_else(|| fastrand::u64(..));
        Self { rounds, seed, clients: 14, check_every: 100 }
    }
}

/// What a soak that found nothing wrong went through.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Rounds that were asked for.
    pub rounds: usize,
    /// Times that the service was killed.
    pub service_kills: usize,
    /// Times that a gateway was killed.
    pub gateway_kills: usize,
    /// What was counted at the end.
    #[serde(flatten)]
    pub counts: Counts,
    /// How long it took.
    pub seconds: u64,
}

/// `cargo xtask soak`: checks that replays notice missing guards, kills and races the
/// service alone on both databases, starts what it needs, soaks, and prints what it found; the last line is JSON.
///
/// # Errors
/// When something promised does not hold, or something does not start.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    crate::mutants::run(workspace)?;
    crate::postgres::soak(workspace, options.rounds, options.seed)?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let stack = Stack::start(workspace).await?;
        let report = soak(&stack, options, &|line| println!("{line}")).await;
        stack.stop().await?;
        println!("{}", serde_json::to_string(&report?)?);
        anyhow::Ok(())
    })?;
    differential(workspace, options)
}

/// Holds the harness to a real Envoy, with more requests than the tests do.
fn differential(workspace: &Workspace, options: &Options) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--workspace", "--test", "gateway", "--"]);
    cargo.args(["--ignored", "differential: 2,000", "--nocapture"]);
    run_command(cargo.env(SEED, options.seed.to_string()))
}

/// Soaks gateways and a service of its own, beside whatever else `stack` does. `say` is told how it goes.
///
/// # Errors
/// When something promised does not hold; names the seed and what was violated.
pub async fn soak(stack: &Stack, options: &Options, say: &(dyn Fn(String) + Sync)) -> Result<Report> {
    let Options { rounds, seed, .. } = *options;
    say(format!("{SEED}={seed}"));
    let begun = Instant::now();
    let site = Site::start(stack, options).await?;
    let played = play(stack, &site, options, say).await;
    let stopped = site.stop().await;
    let counts = played.with_context(|| format!("soak with {SEED}={seed}"))?;
    stopped?;
    // Where nobody's yes was used, nothing was put to the test.
    ensure!(counts.forwarded > 0, "soak with {SEED}={seed}: nothing went on that people had approved");
    let (service_kills, gateway_kills) = site.kills();
    let seconds = begun.elapsed().as_secs();
    Ok(Report { seed, rounds, service_kills, gateway_kills, counts, seconds })
}

async fn play(
    stack: &Stack,
    site: &Site,
    options: &Options,
    say: &(dyn Fn(String) + Sync),
) -> Result<Counts> {
    let crowd = clients::begin(site, options);
    let people = people::begin(site, options);
    rounds::play(stack, site, options, say).await?;
    say("no more kills: everything comes to its end".into());
    site.ledger().close();
    let patience = Duration::from_secs(180);
    let left = tokio::time::timeout(patience, crowd.join_all()).await;
    left.ok().context("clients do not come to an end")?;
    check::settled(site).await?;
    site.ledger().dismiss();
    people.join_all().await;
    conclude(check::finally(stack, site).await?)
}

/// What was counted, when nothing was violated.
fn conclude((counts, violations): (Counts, Vec<String>)) -> Result<Counts> {
    if violations.is_empty() {
        return Ok(counts);
    }
    let shown: Vec<_> = violations.iter().take(SHOWN).map(String::as_str).collect();
    bail!("{} violations:\n  {}", violations.len(), shown.join("\n  "))
}
