//! Something stops: the filter's VM by a trap, the gateway, the approval service.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use countersign_protocol::evidence::Record;
use serde_json::{Value, json};
use tokio::process::Command;
use xtask::faults::Row;
use xtask::stack::approvals::{self, Approvals};
use xtask::stack::client::Answer;
use xtask::stack::gateway::Options;
use xtask::stack::until;

use super::Rows;
use crate::metrics::{self, Samples};
use crate::scene::{self, Played, Scene, Set};
use crate::trapping::{MOST_HEADERS, trapping};
use crate::world::{World, filters, write_bytes};

pub(super) fn add(rows: &mut Rows<'_>) -> Result<()> {
    rows.alone("vm-traps", "", vm_traps)?;
    rows.alone("gateway-killed", "", gateway_killed)?;
    rows.alone("gateway-quits", "by its console", async |world, row| {
        gateway_quits(world, row, "console", async |scene, _| {
            scene.set.gateway.command("/quitquitquit").await
        })
        .await
    })?;
    rows.alone("gateway-quits", "by SIGTERM", async |world, row| {
        gateway_quits(world, row, "sigterm", sigterm).await
    })?;
    rows.alone("gateway-drained", "", gateway_drained)?;
    rows.alone("service-killed", "", service_killed)
}

/// A service that says soon when a filter is not heard of any more.
async fn attentive(world: &World, name: &str) -> Result<Approvals> {
    let arguments = vec!["--silent-after".into(), "2s".into()];
    world.stack.approvals(name, approvals::Options { arguments, ..Default::default() }).await
}

/// One worker, so that all requests share a VM.
fn one() -> Options {
    Options { workers: 1, ..Options::default() }
}

async fn vm_traps(world: &World, row: &'static Row) -> Result<()> {
    let approvals = attentive(world, row.id).await?;
    let mut configuration = scene::configuration(&world.stack)?;
    let module = trapping(&std::fs::read(world.stack.filter())?)?;
    let module = write_bytes(world.stack.folder(), "trapping.wasm", &module)?;
    let mut configs = filters(&mut configuration)?.iter_mut();
    let code = configs.find_map(|filter| filter.pointer_mut("/typed_config/config/vm_config/code"));
    *code.context("the filter has no code")? = json!({ "local": { "filename": module } });
    let set = Set::of(&world.stack, &approvals, row.id, configuration, &one()).await?;
    let scene = Scene::on(world, &approvals, set).await?;
    let (left, played) = trapped(&scene).await.with_context(|| scene.set.gateway.tail())?;
    scene.check(row, &played).await?;
    ensure!(left.len() == 1, "{left:?} made evidence before the trap");
    named(&approvals, &left).await?;
    // What the VM held is not counted for ever.
    held(&scene, 0.0).await?;
    scene.set.stop().await?;
    approvals.kill().await
}

/// Waits until the metric says that so many requests are held.
async fn held(scene: &Scene<'_>, number: f64) -> Result<()> {
    let is = |samples: &Samples| samples.get("countersign_held") == Some(&number);
    metrics::settled(&scene.set.gateway, &format!("{number} requests to be held"), is).await.map(drop)
}

/// One request is held, another traps the VM, a third finds a new one. Gives the VM that trapped, too.
async fn trapped(scene: &Scene<'_>) -> Result<(BTreeSet<String>, Played)> {
    let request = scene.rotation("vm-traps")?;
    let (call, ticket) = scene.hold(&request).await?;
    held(scene, 1.0).await?;
    let left = scene.set.meddler.producers();
    let mut marked = scene.reading("trap")?;
    for number in 0..=MOST_HEADERS {
        marked = marked.with(&format!("x-part-{number}"), "1")?;
    }
    let trap = scene.answered(&marked).await?;
    let ended = call.await??;
    scene.world.stage().arrived_never(&marked).await?;
    scene.world.stage().arrived_never(&request).await?;
    scene.approve(&ticket, "ben").await?;
    until("a new VM", async || {
        let read = scene.answered(&scene.reading("after-the-trap")?).await?;
        Ok((read.status == 200).then_some(()))
    })
    .await?;
    let passed = scene.answered(&request).await?;
    Ok((left, Played { request, tries: vec![trap, ended, passed] }))
}

/// The service names these filters as ones whose evidence just ended, and finds nothing else amiss.
async fn named(approvals: &Approvals, ended: &BTreeSet<String>) -> Result<()> {
    until("the gap to be named", async || {
        let breaks = approvals.read("/v1/evidence/breaks").await?;
        let breaks = breaks.as_array().context("no list of breaks")?;
        let odd = breaks.iter().find(|one| one.get("why") != Some(&json!("silent")));
        ensure!(odd.is_none(), "the evidence is broken otherwise: {odd:?}");
        let named = |producer: &String| {
            breaks.iter().any(|one| one.get("producer").and_then(Value::as_str) == Some(producer))
        };
        Ok(ended.iter().all(named).then_some(()))
    })
    .await
}

/// Sends a request whose connection may just end.
async fn answer_or_end(call: tokio::task::JoinHandle<Result<Answer>>) -> Result<Answer> {
    Ok(call.await?.unwrap_or(Answer { status: 0, retry_after: None, body: Value::Null }))
}

async fn gateway_killed(world: &World, row: &'static Row) -> Result<()> {
    let approvals = attentive(world, row.id).await?;
    let set = Set::of(&world.stack, &approvals, row.id, scene::configuration(&world.stack)?, &one()).await?;
    let mut scene = Scene::on(world, &approvals, set).await?;
    let request = scene.rotation(row.id)?;
    let (call, ticket) = scene.hold(&request).await?;
    scene.set.gateway.kill().await?;
    let ended = answer_or_end(call).await?;
    scene.approve(&ticket, "ben").await?;
    let left = scene.set.meddler.producers();
    scene.restart(row.id, scene::configuration(&world.stack)?, &one()).await?;
    let passed = scene.answered(&request).await?;
    let played = Played { request, tries: vec![ended, passed] };
    scene.check(row, &played).await.with_context(|| scene.set.gateway.tail())?;
    named(&approvals, &left).await?;
    scene.set.stop().await?;
    approvals.kill().await
}

/// Sends SIGTERM to the gateway of that name: to the process that was started with its configuration.
async fn sigterm(scene: &Scene<'_>, name: &str) -> Result<()> {
    let configuration = scene.world.stack.folder().join(format!("{name}.json"));
    let own = |process: &std::fs::DirEntry| {
        let words = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        words.split(|byte| *byte == 0).any(|word| word == configuration.as_os_str().as_encoded_bytes())
    };
    let process = std::fs::read_dir("/proc")?.filter_map(Result::ok).find(own).context("no such gateway")?;
    let sent = Command::new("kill").arg("-TERM").arg(process.file_name()).status().await?;
    ensure!(sent.success(), "no signal was sent: {sent}");
    Ok(())
}

async fn gateway_quits(
    world: &World,
    row: &'static Row,
    how: &str,
    quit: impl AsyncFnOnce(&Scene<'_>, &str) -> Result<()>,
) -> Result<()> {
    let name = format!("{}-{how}", row.id);
    let approvals = attentive(world, &name).await?;
    let set = Set::of(&world.stack, &approvals, &name, scene::configuration(&world.stack)?, &one()).await?;
    let mut scene = Scene::on(world, &approvals, set).await?;
    let request = scene.rotation(&name)?;
    let (call, _) = scene.hold(&request).await?;
    quit(&scene, &name).await?;
    let ended = answer_or_end(call).await?;
    let status = scene.set.gateway.end().await?;
    ensure!(status.success(), "it ended with {status}\n{}", scene.set.gateway.tail());
    ensure!(row.client == [scene::said(&ended)], "answered {}", scene::said(&ended));
    world.stage().arrived_never(&request).await?;
    // Whether the last words still get out is a matter of milliseconds: the gateway does not wait for them.
    let mut told = scene.told().await?;
    told.retain(|kind| kind != "client_left");
    ensure!(told == row.evidence, "the evidence says {told:?}, not {:?}", row.evidence);
    if !scene.kinds().await?.iter().any(|kind| kind == "stop") {
        named(&approvals, &scene.set.meddler.producers()).await?;
    }
    approvals.kill().await
}

/// The listener closes; who is held stays until it is decided.
async fn gateway_drained(world: &World, row: &'static Row) -> Result<()> {
    let approvals = &world.stack.approvals;
    let set = Set::of(&world.stack, approvals, row.id, scene::configuration(&world.stack)?, &one()).await?;
    let scene = Scene::on(world, approvals, set).await?;
    let request = scene.rotation(row.id)?;
    let (call, ticket) = scene.hold(&request).await?;
    scene.set.gateway.command("/drain_listeners?graceful").await?;
    scene.approve(&ticket, "ben").await?;
    let tries = vec![call.await??];
    scene.check(row, &Played { request, tries }).await.with_context(|| scene.set.gateway.tail())?;
    scene.set.stop().await
}

async fn service_killed(world: &World, row: &'static Row) -> Result<()> {
    let approvals = attentive(world, row.id).await?;
    let set = Set::of(&world.stack, &approvals, row.id, scene::configuration(&world.stack)?, &one()).await?;
    let scene = Scene::on(world, &approvals, set).await?;
    let (first, second) = (scene.rotation("service-killed-1")?, scene.rotation(row.id)?);
    let (before, ticket) = scene.hold(&first).await?;
    scene.approve(&ticket, "ben").await?;
    let before = before.await??;
    let kept = settled(&scene).await?;
    let (call, ticket) = scene.hold(&second).await?;
    approvals.kill().await?;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    approvals.restart().await?;
    scene.approve(&ticket, "ben").await?;
    let tries = vec![before, call.await??];
    lost_nothing(&scene, &kept).await?;
    scene.check(row, &Played { request: second, tries }).await.with_context(|| scene.set.gateway.tail())?;
    scene.set.stop().await?;
    approvals.kill().await
}

/// The evidence, when the outcome of the first request is in it.
async fn settled(scene: &Scene<'_>) -> Result<Vec<Record>> {
    until("the first outcome", async || {
        let records = scene.records().await?;
        Ok(records.iter().any(|record| record.envelope.kind == "outcome").then_some(records))
    })
    .await
}

async fn lost_nothing(scene: &Scene<'_>, kept: &[Record]) -> Result<()> {
    let records = scene.records().await?;
    let lost = kept.iter().find(|kept| !records.iter().any(|record| record.hash == kept.hash));
    ensure!(lost.is_none(), "the service lost {lost:?}");
    Ok(())
}
