//! Many requests at once: on several workers, more than may be held, and a flood that is denied.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use countersign_protocol::evidence::Record;
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use xtask::example::Call;
use xtask::faults::Row;
use xtask::stack::client::Prepared;
use xtask::stack::gateway::Options;
use xtask::stack::{Stack, until};

use super::Rows;
use crate::meddler::{ASK, EVIDENCE, Fault};
use crate::metrics::{Samples, sample, settled};
use crate::raw::KeptAlive;
use crate::scene::{self, Played, Scene, Set, said};
use crate::world::{World, settings};

/// Requests that are held at once.
const MANY: usize = 200;
/// Connections of a flood, and requests on each.
const FLOOD: (usize, usize) = (20, 300);
/// Bytes of a name in a flood: so long that the records are more than the lane of what is reported later takes.
const LONG: usize = 8_000;
/// Most lines that the filter may log in a flood.
const FEW: usize = 12;

const DROPPED: &str = r#"countersign_evidence_dropped_total{lane="plain"}"#;
const BUFFERED: &str = r#"countersign_evidence_buffered_bytes{lane="plain"}"#;

pub(super) fn add(rows: &mut Rows<'_>) -> Result<()> {
    for workers in [2, 4] {
        rows.alone("twins-on-workers", &format!("{workers} workers"), async move |world, row| {
            twins(world, row, workers).await
        })?;
    }
    rows.alone("held-200", "", held_200)?;
    rows.alone("held-cap", "", async |world, row| capped(world, row, json!({ "held": 1 }), "ana").await)?;
    rows.alone("held-bytes-cap", "", async |world, row| {
        capped(world, row, json!({ "held_bytes": 100 }), "ana").await
    })?;
    rows.alone("principal-cap", "", async |world, row| {
        capped(world, row, json!({ "held_per_principal": 1 }), "ana").await
    })?;
    rows.alone("principal-bytes-cap", "", async |world, row| {
        capped(world, row, json!({ "held_bytes_per_principal": 100 }), "ana").await
    })?;
    rows.alone("flood-denied", "", flood)
}

/// The same request on each of several workers: connections are spread evenly over them.
async fn twins(world: &World, row: &'static Row, workers: u32) -> Result<()> {
    let mut configuration = scene::configuration(&world.stack)?;
    let listener = configuration.pointer_mut("/static_resources/listeners/0").and_then(Value::as_object_mut);
    let balance = json!({ "exact_balance": {} });
    listener.context("no listener")?.insert("connection_balance_config".into(), balance);
    let options = Options { workers, ..Options::default() };
    let (name, approvals) = (format!("{}-{workers}", row.id), &world.stack.approvals);
    let set = Set::of(&world.stack, approvals, &name, configuration, &options).await?;
    let scene = Scene::on(world, approvals, set).await?;
    let request = scene.rotation(&name)?;
    let calls: Vec<_> = (0..workers).map(|_| scene.send(&request)).collect();
    let all = usize::try_from(workers)?;
    asked(&scene, all).await?;
    ensure!(scene.set.meddler.producers().len() == all, "they share a worker");
    let ticket = scene.approvals.pending(request.path()).await?;
    scene.approve(&ticket, "ben").await?;
    // One is through, and the others share another ticket.
    asked(&scene, 2 * all - 1).await?;
    let again = scene.approvals.pending(request.path()).await?;
    ensure!(again.id() != ticket.id(), "one yes was asked for twice");
    world.answer(&again, "cleo", "reject", "once is enough").await?;
    let mut tries = Vec::new();
    for call in calls {
        tries.push(said(&call.await??));
    }
    tries.sort();
    let passed = tries.iter().filter(|said| *said == "201").count();
    let rejected = tries.iter().filter(|said| *said == "403 rejected").count();
    ensure!(
        passed == 1 && rejected + 1 == tries.len(),
        "answered {tries:?}\n{:?}\n{}",
        scene.told().await?,
        scene.set.gateway.tail()
    );
    world.stage().arrived_once(&request).await?;
    evidence_of_twins(&scene, row, usize::try_from(workers)?)
        .await
        .with_context(|| scene.set.gateway.tail())?;
    scene.set.stop().await
}

/// Waits until so many questions are on record.
async fn asked(scene: &Scene<'_>, times: usize) -> Result<()> {
    until("all of them to be asked", async || {
        let asked = scene.told().await?.iter().filter(|kind| *kind == "needs_approval").count();
        Ok((asked == times).then_some(()))
    })
    .await
}

/// What the row says for two, for any number. Whoever hears of the yes in time claims: one, or more, or all.
async fn evidence_of_twins(scene: &Scene<'_>, row: &Row, twins: usize) -> Result<()> {
    let each =
        |kind: &str| if row.evidence.iter().filter(|known| **known == kind).count() == 1 { 1 } else { twins };
    let expected = BTreeMap::from([
        ("forwarded".to_owned(), each("forwarded")),
        ("outcome 201".to_owned(), each("outcome 201")),
        ("denied rejected".to_owned(), twins - 1),
        ("needs_approval".to_owned(), 2 * twins - 1),
    ]);
    let (mut counted, mut claims) = (BTreeMap::new(), 0);
    let right = until("the evidence", async || {
        counted = BTreeMap::new();
        for kind in scene.told().await? {
            *counted.entry(kind).or_insert(0_usize) += 1;
        }
        claims = counted.remove("claim").unwrap_or_default();
        Ok((counted == expected).then_some(()))
    });
    let right = right.await;
    right.with_context(|| format!("the evidence says {counted:?}, not {expected:?}"))?;
    ensure!((1..=twins).contains(&claims), "{twins} workers made {claims} claims");
    Ok(())
}

/// All are asked before anybody answers.
async fn held_200(world: &World, row: &'static Row) -> Result<()> {
    let name = row.id;
    let approvals = world.stack.approvals(name, Default::default()).await?;
    let mut configuration = scene::configuration(&world.stack)?;
    let bundle = xtask::example::bundle(&crate::world::edited(
        scene::files(&world.stack)?,
        "gates.cedar",
        "@hold(\"60s\")",
        "@hold(\"110s\")",
    )?);
    settings(&mut configuration)?.insert("bundle".into(), bundle);
    let set = Set::of(&world.stack, &approvals, name, configuration, &Options::default()).await?;
    let scene = Scene::on(world, &approvals, set).await?;
    let requests: Vec<_> =
        (0..MANY).map(|n| scene.rotation(&format!("{name}-{n}"))).collect::<Result<_>>()?;
    let calls: Vec<_> = requests.iter().map(|request| scene.send(request)).collect();
    let tickets = until("all of them to be held", async || {
        let tickets = approvals.all_pending().await?;
        Ok((tickets.len() == MANY).then_some(tickets))
    });
    let tickets = tickets.await?;
    // While a call is on its way, the next questions gather for one after it.
    let asked = scene.set.meddler.seen(ASK);
    ensure!(asked <= MANY / 2, "{MANY} questions were asked in {asked} calls");
    for chunk in tickets.chunks(8) {
        try_join_all(chunk.iter().map(async |id| {
            let ticket = approvals.ticket(id).await?;
            approvals.approve(&ticket, "ben").await
        }))
        .await?;
    }
    for (request, call) in requests.iter().zip(calls) {
        let answer = call.await??;
        ensure!(row.client == [said(&answer)], "answered {}", said(&answer));
        world.stage().arrived_once(request).await?;
    }
    let mut expected: Vec<_> = (0..MANY).flat_map(|_| row.evidence).copied().collect();
    expected.sort_unstable();
    until("the evidence of all", async || {
        let mut told = scene.told().await?;
        told.sort_unstable();
        Ok((told == expected).then_some(()))
    })
    .await?;
    scene.set.stop().await?;
    approvals.kill().await
}

/// One is held; the next is above a cap, is told to come back at once, and does when people have answered.
async fn capped(world: &World, row: &'static Row, limits: Value, person: &str) -> Result<()> {
    let mut configuration = scene::configuration(&world.stack)?;
    settings(&mut configuration)?.insert("limits".into(), limits);
    let (stack, options) = (&world.stack, Options { workers: 1, ..Options::default() });
    let set = Set::of(stack, &stack.approvals, row.id, configuration, &options).await?;
    let scene = Scene::on(world, &stack.approvals, set).await?;
    let first = scene.rotation_for(person, &format!("{}-first", row.id))?;
    let (held, ticket) = scene.hold(&first).await?;
    let request = scene.rotation_for(person, row.id)?;
    let begun = Instant::now();
    let pending = scene.answered(&request).await?;
    ensure!(begun.elapsed() < Duration::from_secs(20), "it was held");
    ensure!(pending.retry_after.is_some(), "it is not told when to come back");
    if row.id.starts_with("principal") {
        others_are_held(&scene).await?;
    }
    let second = scene.approvals.pending(request.path()).await?;
    ensure!(
        second.part("/waiting") == 0,
        "the service says that somebody waits: {}",
        second.part("/waiting")
    );
    scene.approve(&second, "ben").await?;
    let passed = scene.answered(&request).await?;
    scene.approve(&ticket, "cleo").await?;
    let tries = vec![pending, passed, held.await??];
    scene.check(row, &Played { request, tries }).await.with_context(|| scene.set.gateway.tail())?;
    world.stage().arrived_once(&first).await.context("the request that stayed held")?;
    scene.set.stop().await
}

/// The cap of one principal is not another's.
async fn others_are_held(scene: &Scene<'_>) -> Result<()> {
    let call = Call {
        method: "POST".into(),
        path: "/v1/keys/of-another/rotations".into(),
        justification: None,
        body: None,
    };
    let token = scene.world.stack.agents.delegated("ben", &["report-bot"])?;
    let other = Prepared::new(&call, Some(&token))?;
    let path = format!("{}?{}", other.path(), scene.set.gateway.address().port());
    let other = Prepared::new(&Call { path, ..call }, Some(&token))?;
    let (call, ticket) = scene.hold(&other).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    ensure!(!call.is_finished(), "another principal's request was not held");
    scene.world.answer(&ticket, "dora", "reject", "seen enough").await?;
    ensure!(said(&call.await??) == "403 rejected");
    Ok(())
}

/// While the service takes no evidence, the lane of what is reported later runs over. What is denied is denied fast
/// all the same, what is allowed goes on, and in the end each request is on record or counted as dropped.
async fn flood(world: &World, row: &'static Row) -> Result<()> {
    let begun = Instant::now();
    let approvals = world.stack.approvals(row.id, Default::default()).await?;
    let options = Options { workers: 1, ..Options::default() };
    let set = Set::of(&world.stack, &approvals, row.id, without_logs(&world.stack)?, &options).await?;
    let scene = Scene::on(world, &approvals, set).await?;
    scene.set.meddler.always(EVIDENCE, Fault::Status(503));
    let path = format!("/v1/builds/{}/logs", "x".repeat(LONG));
    let call = Call { method: "GET".into(), path, justification: None, body: None };
    let denied = scene.call_for("ana", &call)?;
    let denials = try_join_all((0..FLOOD.0).map(|_| denials(&scene, &denied)));
    let (_, mut allowed) = tokio::try_join!(denials, pass(&scene, row, 0..20))?;
    dropped(&scene).await?;
    allowed.extend(pass(&scene, row, 20..40).await?);
    scene.set.meddler.rest();
    let empty = |samples: &Samples| samples.get(BUFFERED) == Some(&0.0);
    settled(&scene.set.gateway, "the lane to be delivered", empty).await?;
    allowed.extend(pass(&scene, row, 40..41).await?);
    arrived(&scene, row, &allowed, &denied).await?;
    let records = accounted(&scene, FLOOD.0 * FLOOD.1 + allowed.len(), begun).await;
    on_record(&scene, row, &records.with_context(|| scene.set.gateway.tail())?).await?;
    says_little(&scene.set.gateway.log())?;
    scene.set.stop().await?;
    approvals.kill().await
}

/// However much goes wrong, the log says it once in a while, and nothing of what was sent.
fn says_little(log: &str) -> Result<()> {
    let lines: Vec<_> = log.lines().filter(|line| line.contains("wasm log")).collect();
    ensure!((1..=FEW).contains(&lines.len()), "{} lines of the filter: {:?}", lines.len(), lines.first());
    let shows = lines.iter().find(|line| line.contains("xxx") || line.contains("/v1/builds"));
    ensure!(shows.is_none(), "the log shows a request: {shows:?}");
    Ok(())
}

/// Nobody may read logs: the record of such a denial names the build, however long that is.
fn without_logs(stack: &Stack) -> Result<Value> {
    let mut configuration = scene::configuration(stack)?;
    let mut files = scene::files(stack)?;
    let forbid = "@id(\"no-logs\") forbid (principal, action == Deploy::Action::\"read-logs\", resource);\n";
    files.get_mut("limits.cedar").context("there are no limits")?.push_str(forbid);
    settings(&mut configuration)?.insert("bundle".into(), xtask::example::bundle(&files));
    Ok(configuration)
}

/// One connection's part of the flood.
async fn denials(scene: &Scene<'_>, denied: &Prepared) -> Result<()> {
    let mut connection = KeptAlive::open(scene.set.gateway.address()).await?;
    for _ in 0..FLOOD.1 {
        let answer = connection.send(denied).await?;
        ensure!(said(&answer) == "403 forbidden", "answered {}", said(&answer));
    }
    Ok(())
}

/// Requests that are allowed, one after the other, each answered soon.
async fn pass(scene: &Scene<'_>, row: &Row, numbers: Range<usize>) -> Result<Vec<Prepared>> {
    let mut sent = Vec::new();
    for number in numbers {
        let request = scene.reading(&format!("flood-{number}"))?;
        let begun = Instant::now();
        let answer = scene.answered(&request).await?;
        let time = begun.elapsed();
        ensure!(time < Duration::from_secs(2), "an allowed request took {time:?}");
        ensure!(row.client == [said(&answer)], "answered {}", said(&answer));
        sent.push(request);
    }
    Ok(sent)
}

/// Waits until records are dropped.
async fn dropped(scene: &Scene<'_>) -> Result<()> {
    let is = |samples: &Samples| samples.get(DROPPED).is_some_and(|dropped| *dropped > 0.0);
    settled(&scene.set.gateway, "what is dropped to be counted", is).await.map(drop)
}

async fn arrived(scene: &Scene<'_>, row: &Row, allowed: &[Prepared], denied: &Prepared) -> Result<()> {
    let calls = scene.world.stack.upstream.calls().await?;
    let times = |request: &Prepared| calls.iter().filter(|call| call.path == request.path()).count();
    ensure!(times(denied) == 0, "what is denied reached the upstream");
    let lost = allowed.iter().find(|request| times(request) != row.upstream);
    ensure!(lost.is_none(), "it reached the upstream {} times: {lost:?}", lost.map_or(0, times));
    Ok(())
}

/// All records, when with those that the gaps count they are as many as the requests. A heartbeat may be dropped, too.
async fn accounted(scene: &Scene<'_>, requests: usize, begun: Instant) -> Result<Vec<Record>> {
    until("all requests to be accounted for", async || {
        let records = scene.records().await?;
        let kept = records.iter().filter(|record| ["allowed", "denied"].contains(&&*record.envelope.kind));
        let found = kept.count() + in_gaps(&records)?;
        let heartbeats = usize::try_from(begun.elapsed().as_secs() / 60)?;
        ensure!(found <= requests + heartbeats, "{found} records of {requests} requests");
        Ok((found >= requests).then_some(records))
    })
    .await
}

/// How many records the gaps say are missing.
fn in_gaps(records: &[Record]) -> Result<usize> {
    let gaps = records.iter().filter(|record| record.envelope.kind == "gap");
    let dropped = gaps.map(|record| {
        let line: Value = serde_json::from_str(&record.line)?;
        anyhow::Ok(usize::try_from(line.get("dropped").and_then(Value::as_u64).context("a gap of nothing")?)?)
    });
    dropped.sum()
}

/// The evidence says what the row does, as often as it may, and counts as the metric does.
async fn on_record(scene: &Scene<'_>, row: &Row, records: &[Record]) -> Result<()> {
    let gaps = in_gaps(records)?;
    ensure!(gaps > 0, "nothing was dropped");
    let counted = sample(&scene.set.gateway, DROPPED).await?;
    ensure!(counted == gaps as f64, "the gaps count {gaps}, the metric {counted}");
    let told: BTreeSet<String> = scene.told().await?.into_iter().collect();
    let expected: BTreeSet<String> = row.evidence.iter().map(|&word| word.to_owned()).collect();
    ensure!(told == expected, "the evidence says {told:?}, not {expected:?}");
    let gap = records.iter().find(|record| record.envelope.kind == "gap").context("no gap")?;
    let next = records.iter().find(|record| record.envelope.prev == gap.hash);
    ensure!(next.is_some_and(|next| next.envelope.kind == "allowed"), "after the gap comes {next:?}");
    Ok(())
}
