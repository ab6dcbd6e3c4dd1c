//! Evidence is whole, or its gap is named and a kill explains it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use countersign_protocol::Hash;
use countersign_protocol::evidence::Lane;
use serde::Deserialize;
use tokio::time::sleep;

use super::View;
use crate::soak::site::Site;
use crate::stack::until;

/// The limit for silence once all gateways are dead.
const SILENT_AFTER: &str = "1s";

/// What the service says of a gap.
#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Break {
    producer: String,
    lane: String,
    seq: u64,
    why: String,
}

/// Each lane holds all records up to its end.
pub(super) fn check_lanes(view: &mut View) {
    let torn = view.kept.lanes.iter().filter(|lane| lane.next != lane.ends || lane.records != lane.ends);
    let found: Vec<_> = torn.map(|lane| format!("a lane with a gap: {lane:?}")).collect();
    let homeless = view.kept.producers.iter().filter(|one| one.first.is_some() && view.life(one).is_none());
    let homeless: Vec<_> = homeless.map(|one| format!("evidence of no gateway: {one:?}")).collect();
    view.violations.extend(found.into_iter().chain(homeless));
}

async fn breaks(site: &Site) -> Result<Vec<Break>> {
    Ok(serde_json::from_value(site.approvals.read("/v1/evidence/breaks").await?)?)
}

/// Gaps are those of gateways that were killed.
pub(super) async fn check_breaks(view: &mut View, site: &Site) -> Result<()> {
    for one in breaks(site).await? {
        let producer = view.kept.producers.iter().find(|producer| producer.id == one.producer);
        let life = producer.and_then(|producer| view.life(producer));
        let dead = life.is_some_and(|life| life.dying.is_some());
        if !dead || !["silent", "cut_off"].contains(&one.why.as_str()) {
            view.violated(format!("a break in the evidence that no kill explains: {one:?} of {life:?}"));
        }
    }
    Ok(())
}

/// Each lane, read as an auditor does, is one chain of hashes from its beginning: that of the service itself, too.
pub(super) async fn check_chains(view: &mut View, site: &Site) -> Result<()> {
    let producers: BTreeSet<_> = view.kept.lanes.iter().map(|lane| lane.producer.clone()).collect();
    for producer in producers {
        let mut tails = BTreeMap::<Lane, (u64, Hash)>::new();
        for record in site.approvals.evidence_of(&producer).await? {
            let envelope = &record.envelope;
            let (seq, prev) = tails.entry(envelope.lane).or_insert((0, Hash::ZERO));
            if (envelope.seq, envelope.prev) != (*seq, *prev) {
                view.violated(format!("not what follows record {seq} with hash {prev}: {}", record.line));
            }
            (*seq, *prev) = (envelope.seq.saturating_add(1), record.hash);
        }
        let kept = view.kept.lanes.iter().filter(|lane| lane.producer == producer);
        let ends: BTreeSet<_> =
            kept.filter(|lane| lane.ends > 0).map(|lane| (lane.lane.clone(), lane.ends)).collect();
        let read =
            tails.into_iter().map(|(lane, (seq, _))| (word(lane), i64::try_from(seq).unwrap_or(i64::MAX)));
        let read: BTreeSet<_> = read.collect();
        if !ends.is_subset(&read) {
            view.violated(format!("auditors read {read:?} of {producer}, and {ends:?} is kept"));
        }
    }
    Ok(())
}

fn word(lane: Lane) -> String {
    if lane == Lane::Held { "held".into() } else { "plain".into() }
}

/// Of a gateway that had the time to say all, access log and evidence count the same.
pub(super) fn check_allowed(view: &mut View) {
    let mut found = Vec::new();
    for life in &view.lives {
        let mine =
            view.kept.producers.iter().filter(|one| {
                view.life(one).is_some_and(|its| (its.slot, its.born) == (life.slot, life.born))
            });
        let recorded: i64 = mine.map(|producer| producer.allowed).sum();
        let allowed = |line: &&crate::soak::gateways::Line| {
            line.countersign.as_ref().is_some_and(|said| said.decision == "allowed")
        };
        let logged = life.lines.iter().filter(allowed).count();
        // It was killed only after everything had settled.
        let last = !view.lives.iter().any(|other| other.slot == life.slot && other.born > life.born);
        if last && i64::try_from(logged).ok() != Some(recorded) {
            found.push(format!("gateway {} logged {logged} as allowed, and recorded {recorded}", life.slot));
        }
    }
    view.violations.extend(found);
}

/// All gateways are dead by now, and none of them in good order: the service names each of their producers as
/// silent, and nothing else but where it was cut off. Gives how many gaps it names.
pub(super) async fn check_gaps(view: &mut View, site: &Site) -> Result<usize> {
    site.kill_service().await?;
    site.approvals.restart_with(&["--silent-after".into(), SILENT_AFTER.into()]).await?;
    sleep(Duration::from_millis(1_500)).await;
    let producers: BTreeSet<_> = view.kept.producers.iter().map(|producer| producer.id.clone()).collect();
    let found = until("all gaps to be named", async || {
        let found = breaks(site).await?;
        let silent: BTreeSet<_> =
            found.iter().filter(|one| one.why == "silent").map(|one| one.producer.clone()).collect();
        Ok((silent == producers).then_some(found))
    });
    let found = found.await?;
    check_breaks(view, site).await?;
    Ok(found.len())
}
