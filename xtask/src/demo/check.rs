//! Plays every case with its people and asserts what comes of it; the last line is JSON.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde::Serialize;

use super::audit;
use super::paint::Paint;
use crate::example::Example;
use crate::play::{Counts, Stage};
use crate::stack::Stack;
use crate::workspace::Workspace;

/// The last line.
#[derive(Debug, Serialize)]
struct Report {
    /// Whether everything was as expected.
    ok: bool,
    /// Cases that were played.
    rows: usize,
    #[serde(flatten)]
    counts: Counts,
    /// Calls that reached the upstream.
    forwarded: usize,
    /// Evidence records that are kept.
    evidence: usize,
    /// What was not as expected.
    faults: usize,
    seconds: u64,
}

pub(super) async fn run(workspace: &Workspace) -> Result<()> {
    let begun = Instant::now();
    let cases = Example::of(workspace).cases()?;
    let stack = Stack::start(workspace).await?;
    let gateway = stack.gateway("gateway", &stack.configuration()?).await?;
    let stage = Stage { stack: &stack, gateway: &gateway };

    let mut counts = Counts::default();
    let mut faults = Vec::new();
    for case in &cases {
        println!("\n{}  ({} {})", Paint::Title.on(&case.name), case.call.method, case.call.path);
        match stage.play(case, &mut |line| println!("  {line}")).await {
            Ok(more) => counts += more,
            Err(error) => faults.push(format!("{}: {error:#}", case.name)),
        }
    }
    let forwarded = stack.upstream.calls().await?.len();
    if forwarded != counts.allowed + counts.held {
        faults.push(format!("{forwarded} calls reached the upstream"));
    }
    let audited = audit::check(&stage, &counts).await;
    let evidence = audited.unwrap_or_else(|error| {
        faults.push(format!("evidence: {error:#}"));
        0
    });

    if !faults.is_empty() {
        println!("\n{}", gateway.tail());
    }
    for fault in &faults {
        println!("not as expected: {fault}");
    }
    gateway.stop().await?;
    stack.stop().await?;
    let (ok, rows, faults) = (faults.is_empty(), cases.len(), faults.len());
    let seconds = begun.elapsed().as_secs();
    println!(
        "\n{}",
        serde_json::to_string(&Report { ok, rows, counts, forwarded, evidence, faults, seconds })?
    );
    ensure!(ok, "{faults} things were not as expected");
    Ok(())
}
