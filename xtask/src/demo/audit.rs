//! Checks the evidence of a run: every decision is there, nothing else is, and the lanes are unbroken. The
//! gateway's access log, which the filter does not write, must count the same.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use countersign_protocol::Hash;
use countersign_protocol::evidence::Record;
use serde_json::Value;

use crate::play::{Counts, Stage};
use crate::stack::until;

/// Waits until all evidence is delivered, checks it, and says how many records there are.
pub(super) async fn check(stage: &Stage<'_>, counts: &Counts) -> Result<usize> {
    let expected = BTreeMap::from([
        ("allowed", counts.allowed),
        ("denied", counts.denied),
        ("needs_approval", counts.held),
        ("claim", counts.held),
        ("forwarded", counts.held),
        ("outcome", counts.held),
    ]);
    let records = until("all evidence", async || {
        let records = stage.stack.approvals.evidence().await?;
        let complete = expected.iter().all(|(kind, number)| of_kind(&records, kind) >= *number);
        Ok(complete.then_some(records))
    });
    let records = records.await?;
    for (kind, number) in expected {
        let found = of_kind(&records, kind);
        ensure!(found == number, "{found} records of `{kind}`, not {number}");
    }
    unbroken(&records)?;
    let breaks = stage.stack.approvals.read("/v1/evidence/breaks").await?;
    ensure!(breaks == Value::Array(Vec::new()), "the service found breaks: {breaks}");
    same_in_access_log(stage, counts).await?;
    Ok(records.len())
}

fn of_kind(records: &[Record], kind: &str) -> usize {
    records.iter().filter(|record| record.envelope.kind == kind).count()
}

/// Every lane counts from 0 without gaps, and every record names the hash of the one before it.
fn unbroken(records: &[Record]) -> Result<()> {
    let mut lanes: BTreeMap<_, BTreeMap<u64, &Record>> = BTreeMap::new();
    for record in records {
        let lane = lanes.entry((record.envelope.producer, record.envelope.lane)).or_default();
        ensure!(lane.insert(record.envelope.seq, record).is_none(), "kept twice: {}", record.line);
    }
    for lane in lanes.values() {
        let mut before = Hash::ZERO;
        for ((seq, record), place) in lane.iter().zip(0..) {
            ensure!(*seq == place && record.envelope.prev == before, "does not follow: {}", record.line);
            before = record.hash;
        }
    }
    Ok(())
}

async fn same_in_access_log(stage: &Stage<'_>, counts: &Counts) -> Result<()> {
    let expected = [("allowed", counts.allowed), ("denied", counts.denied), ("countersigned", counts.held)];
    let total: usize = expected.iter().map(|(_, number)| number).sum();
    let log = until("the access log", async || {
        let log = stage.gateway.access_log();
        Ok((log.len() >= total).then_some(log))
    });
    let log = log.await?;
    for (decision, number) in expected {
        let found = log.iter().filter(|line| decision_of(line).as_deref() == Some(decision)).count();
        ensure!(found == number, "{found} calls `{decision}` in the access log, not {number}");
    }
    Ok(())
}

/// The decision that the filter left in a line of the access log.
fn decision_of(line: &Value) -> Option<String> {
    let summary: Value = serde_json::from_str(line.get("countersign")?.as_str()?).ok()?;
    Some(summary.get("decision")?.as_str()?.to_owned())
}
