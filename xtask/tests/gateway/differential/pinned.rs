//! Holds what is known to differ to what is written about it.

use anyhow::{Context as _, Result, ensure};
use countersign_cli::replay::envoy::{self, ADDED};
use countersign_protocol::recording::{Bytes, Entry};
use serde_json::{Value, json};
use xtask::stack::now;
use xtask::workspace::Workspace;

use super::compare::{differences, once, own_answer, record, view};
use super::rows::{ROWS, Row, entry};
use super::{Both, LATE, Pair, in_harness, recorded, shifted};
use crate::world::World;

/// What is written about it, for people.
const PAGE: &str = "docs/harness-differences.md";

pub(super) async fn all(world: &World) -> Result<()> {
    let mut entries = ROWS.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    entries.push(two_hosts(entries.first().context("no rows")?));
    entries.iter_mut().for_each(|entry| entry.ts = now());
    let mut played = Pair::generated(world)?.play(&entries).await?;
    let hosts = played.pop().context("nothing was played")?;
    for (row, Both { here, there }) in ROWS.iter().zip(played) {
        let envoy = (own_answer(&there).unwrap_or("no answer of its own"), there.seen.response.status());
        ensure!(envoy == row.envoy, "{}: Envoy says {envoy:?}", row.what);
        let harness = (here.reason(), here.seen.response.status());
        ensure!(harness == row.harness, "{}: the harness says {harness:?}", row.what);
        ensure!(there.seen.forwarded.is_none(), "{}: it came to the upstream", row.what);
    }
    refused_in_other_words(&hosts)
}

/// A second `host`: a client's `:authority` is the first one.
fn two_hosts(like: &Entry) -> Entry {
    let mut entry = like.clone();
    entry.id = "two hosts".into();
    for (name, value) in &mut entry.request.headers {
        if name == ":path" {
            *value = Bytes("/items/a".into());
        }
    }
    entry.request.headers.push(("host".into(), Bytes("other.example".into())));
    entry
}

fn refused_in_other_words(Both { here, there }: &Both) -> Result<()> {
    for (gateway, played) in [("the harness", here), ("Envoy", there)] {
        let said = (played.reason(), played.seen.response.status());
        ensure!(said == (Some("ambiguous_request"), 400), "two hosts: {gateway} says {said:?}");
        ensure!(played.seen.forwarded.is_none(), "two hosts: it came to the upstream of {gateway}");
    }
    let found = differences(&view(here), &view(there));
    println!("differential: two hosts: {found:?}");
    let only = found.iter().all(|one| one.starts_with("said: ") || one.starts_with("records: "));
    ensure!(!found.is_empty() && only, "two hosts: {found:?}");
    Ok(())
}

/// The page lists the rows, in their order, and the fields that are not compared.
pub(super) async fn page(_: &World) -> Result<()> {
    let page = std::fs::read_to_string(Workspace::find()?.root().join(PAGE))?;
    let lines = page.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let written: Vec<_> = lines.take_while(|line| line.starts_with('|')).collect();
    ensure!(written.len() == ROWS.len(), "{PAGE} has {} rows, not {}", written.len(), ROWS.len());
    for (line, row) in written.iter().zip(&ROWS) {
        ensure!(line.starts_with(&begin(row)), "{PAGE} says `{line}`, not `{}`", begin(row));
    }
    let (_, rest) = page.split_once("not held against each other at the upstream:").context("no list")?;
    let (list, _) = rest.split_once(".\n").context("the list has no end")?;
    let fields: Vec<_> = list.split('`').skip(1).step_by(2).collect();
    ensure!(fields == ADDED, "{PAGE} lists {fields:?}, not {ADDED:?}");
    Ok(())
}

/// How the line of a row begins in the page.
fn begin(row: &Row) -> String {
    let (details, status) = row.envoy;
    let harness = match row.harness {
        (Some("no_route"), _) | (None, _) => "as policy says".to_owned(),
        (Some(reason), status) => format!("{status} `{reason}`"),
    };
    format!("| {} | {status} `{details}` | {harness}", row.what)
}

/// What is not compared with the examples, because the service fails for as long as the run: it comes to the same but for
/// the evidence, which comes at the end in the harness.
pub(super) async fn late(world: &World) -> Result<()> {
    let workspace = Workspace::find()?;
    let folder = workspace.root().join("examples/guards");
    let mut entries = recorded(&folder.join("recording.jsonl"))?;
    entries.retain(|entry| entry.id == LATE);
    ensure!(entries.len() == 1, "there is no `{LATE}`");
    let (pair, entries) = (Pair::example(world, &workspace, &folder)?, shifted(&entries));
    let (setting, mine) = (pair.setting.clone(), entries.clone());
    let harness = tokio::task::spawn_blocking(move || in_harness(&setting, mine));
    let (there, _) = envoy::play(&pair.envoy, &pair.setting, &Pair::options(), entries).await?;
    let (here, ending) = harness.await??;
    let (here, there) = (here.first().context("nothing here")?, there.first().context("nothing there")?);
    let said = (here.reason(), here.seen.response.status(), here.records.len());
    ensure!(said == (Some("service_unavailable"), 503, 1), "the harness says {said:?}");
    // Nobody asked the other worker anything, and its first record never came.
    ensure!(ending.faults == ["2 workers, and evidence of 1 of them"], "{:?}", ending.faults);
    let found = differences(&view(here), &view(there));
    println!("differential: {LATE}: {found:?}");
    ensure!(found.iter().all(|one| one.starts_with("records: ")), "{LATE}: {found:?}");
    Ok(())
}

/// Evidence that differs in one of these members is a difference.
pub(super) async fn evidence(_: &World) -> Result<()> {
    let like = json!({
        "producer": "a".repeat(32), "lane": "held", "seq": 0, "ts": 0, "kind": "denied", "digest": "a".repeat(64),
        "reason": "a", "detail": "a", "policies": ["a"], "route": "a",
        "cedar": { "principal": "a", "action": "a", "resource": "a" },
    });
    let line = |value: &Value| Ok::<_, anyhow::Error>(record(&serde_json::from_value(value.clone())?));
    let same = line(&like)?;
    for (place, other) in [
        ("/kind", json!("allowed")),
        ("/digest", json!("b".repeat(64))),
        ("/reason", json!("b")),
        ("/detail", json!("b")),
        ("/policies", json!(["b"])),
        ("/route", json!("b")),
        ("/cedar/principal", json!("b")),
        ("/cedar/action", json!("b")),
        ("/cedar/resource", json!("b")),
    ] {
        let mut changed = like.clone();
        *changed.pointer_mut(place).context("no such member")? = other;
        ensure!(line(&changed)? != same, "another {place} is not noticed");
    }
    Ok(())
}

/// How often a refused grant is looked at is not compared; of all else in the evidence it is.
pub(super) async fn dedup(_: &World) -> Result<()> {
    let said = |kinds: &[&str]| once(kinds.iter().map(|kind| format!("{kind} ()")).collect()).len();
    ensure!(said(&["needs_approval", "grant_refused", "grant_refused", "pending"]) == 3);
    ensure!(said(&["grant_refused", "pending", "grant_refused"]) == 3, "other evidence lies between");
    ensure!(said(&["needs_approval", "needs_approval", "claim", "claim", "outcome", "outcome"]) == 6);
    let other = vec!["grant_refused (one)".to_owned(), "grant_refused (other)".to_owned()];
    ensure!(once(other).len() == 2, "refused for another reason");
    Ok(())
}
