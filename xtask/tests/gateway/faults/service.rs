//! The approval service is gone, slow, or answers what nobody can read.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use xtask::stack::until;

use super::Rows;
use crate::meddler::{ASK, CLAIM, EVIDENCE, Fault, OUTCOME, WAIT};
use crate::scene::{self, Played, Scene, Set};
use crate::world::World;

/// Longer than the gateway waits for an answer.
const TOO_LATE: Duration = Duration::from_secs(7);

/// Ways in which a call gets no answer. Their rows say the same of each.
fn broken() -> [(&'static str, Fault); 6] {
    [
        ("a 5xx", Fault::Status(503)),
        ("a connection that is reset", Fault::Reset),
        ("garbage", Fault::Garbage),
        ("half an answer", Fault::Half),
        ("a huge answer", Fault::Huge(24 << 20)),
        ("an answer that Envoy does not buffer", Fault::Huge(80 << 20)),
    ]
}

pub(super) fn add(rows: &mut Rows<'_>) -> Result<()> {
    rows.alone("service-down-at-start", "", async |world, row| {
        let (scene, played) = down_at_start(world).await?;
        scene.check(row, &played).await?;
        scene.set.stop().await
    })?;
    rows.add("service-down-at-ask", "", down_at_ask)?;
    rows.add("service-down-in-hold", "", down_in_hold)?;
    rows.add("service-down-to-the-end", "", down_to_the_end)?;
    rows.add("ask-late", "", late_ask)?;
    rows.add("claim-late", "", late_claim)?;
    for (variant, fault) in broken() {
        let (at_ask, in_hold, at_claim) = (fault.clone(), fault.clone(), fault);
        rows.add("ask-broken", variant, async move |scene| broken_ask(scene, &at_ask, variant).await)?;
        rows.add("wait-broken", variant, async move |scene| broken_wait(scene, &in_hold, variant).await)?;
        rows.add("claim-broken", variant, async move |scene| broken_claim(scene, &at_claim, variant).await)?;
    }
    for (variant, fault) in broken().into_iter().chain([("a late answer", Fault::Late(TOO_LATE))]) {
        let (told, reported) = (fault.clone(), fault);
        rows.add("outcome-broken", variant, async move |scene| broken_outcome(scene, &told, variant).await)?;
        rows.add("evidence-broken", variant, async move |scene| {
            broken_evidence(scene, &reported, variant).await
        })?;
    }
    Ok(())
}

async fn down_at_start(world: &World) -> Result<(Scene<'_>, Played)> {
    let approvals = &world.stack.approvals;
    let mut configuration = scene::configuration(&world.stack)?;
    let meddler = crate::meddler::Meddler::start(approvals.address()).await?;
    meddler.down();
    scene::redirect(&mut configuration, meddler.address())?;
    let gateway = world.stack.gateway("down-at-start", &configuration).await?;
    let scene = Scene::on(world, approvals, Set { gateway, meddler }).await?;
    let request = scene.rotation("down-at-start")?;
    let read = scene.answered(&scene.reading("down-at-start")?).await?;
    let refused = scene.answered(&request).await?;
    scene.set.meddler.up().await?;
    Ok((scene, Played { request, tries: vec![read, refused] }))
}

async fn down_at_ask(scene: &Scene<'_>) -> Result<Played> {
    let request = scene.rotation("down-at-ask")?;
    scene.set.meddler.down();
    // Envoy gives its own 503 where it cannot connect.
    let counted = r#"countersign_callouts_total{call="ask",result="status_5xx"}"#;
    let played = scene.counting(counted, 1.0, async || {
        let tries = vec![scene.answered(&request).await?];
        Ok(Played { request, tries })
    });
    let played = played.await?;
    scene.set.meddler.up().await?;
    Ok(played)
}

async fn down_in_hold(scene: &Scene<'_>) -> Result<Played> {
    let request = scene.rotation("down-in-hold")?;
    let (call, ticket) = scene.hold(&request).await?;
    scene.set.meddler.down();
    scene.approve(&ticket, "ben").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    ensure!(!call.is_finished(), "it was answered while nobody could be asked");
    scene.set.meddler.up().await?;
    Ok(Played { request, tries: vec![call.await??] })
}

async fn down_to_the_end(scene: &Scene<'_>) -> Result<Played> {
    let request = scene.role("down-to-the-end")?;
    let (call, ticket) = scene.hold(&request).await?;
    scene.set.meddler.down();
    let pending = call.await??;
    scene.set.meddler.up().await?;
    scene.approve(&ticket, "ben").await?;
    let passed = scene.answered(&request).await?;
    Ok(Played { request, tries: vec![pending, passed] })
}

async fn late_ask(scene: &Scene<'_>) -> Result<Played> {
    let request = scene.rotation("ask-late")?;
    scene.set.meddler.next(ASK, 1, Fault::Late(TOO_LATE));
    let refused = scene.answered(&request).await?;
    let ticket = scene.approvals.pending(request.path()).await?;
    scene.approve(&ticket, "ben").await?;
    let passed = scene.answered(&request).await?;
    Ok(Played { request, tries: vec![refused, passed] })
}

async fn late_claim(scene: &Scene<'_>) -> Result<Played> {
    let request = scene.rotation("claim-late")?;
    let (call, ticket) = scene.hold(&request).await?;
    scene.set.meddler.next(CLAIM, 1, Fault::Late(TOO_LATE));
    let before = scene.set.meddler.seen(CLAIM);
    scene.approve(&ticket, "ben").await?;
    let tries = vec![call.await??];
    let calls = scene.set.meddler.seen(CLAIM) - before;
    ensure!(calls == 2, "it was claimed in {calls} calls");
    Ok(Played { request, tries })
}

async fn broken_ask(scene: &Scene<'_>, fault: &Fault, variant: &str) -> Result<Played> {
    let request = scene.rotation(&key("ask", variant))?;
    scene.set.meddler.next(ASK, 1, fault.clone());
    let refused = scene.answered(&request).await?;
    let call = scene.answered(&request);
    let people = async {
        let ticket = scene.approvals.pending(request.path()).await?;
        scene.approve(&ticket, "ben").await
    };
    let (passed, ()) = tokio::try_join!(call, people)?;
    Ok(Played { request, tries: vec![refused, passed] })
}

async fn broken_wait(scene: &Scene<'_>, fault: &Fault, variant: &str) -> Result<Played> {
    let request = scene.rotation(&key("wait", variant))?;
    scene.set.meddler.next(WAIT, 2, fault.clone());
    let before = scene.set.meddler.seen(WAIT);
    let (call, ticket) = scene.hold(&request).await?;
    scene.called(WAIT, before + 1).await?;
    scene.approve(&ticket, "ben").await?;
    Ok(Played { request, tries: vec![call.await??] })
}

async fn broken_claim(scene: &Scene<'_>, fault: &Fault, variant: &str) -> Result<Played> {
    let request = scene.rotation(&key("claim", variant))?;
    let (call, ticket) = scene.hold(&request).await?;
    scene.set.meddler.next(CLAIM, 2, fault.clone());
    scene.approve(&ticket, "ben").await?;
    Ok(Played { request, tries: vec![call.await??] })
}

/// That the request went on is told until the service takes it, and counts once.
async fn broken_outcome(scene: &Scene<'_>, fault: &Fault, variant: &str) -> Result<Played> {
    let request = scene.rotation(&key("outcome", variant))?;
    let (call, ticket) = scene.hold(&request).await?;
    scene.set.meddler.next(OUTCOME, 2, fault.clone());
    let before = scene.set.meddler.seen(OUTCOME);
    scene.approve(&ticket, "ben").await?;
    let tries = vec![call.await??];
    scene.called(OUTCOME, before + 2).await?;
    until("the ticket to say that it went on", async || {
        let ticket = scene.approvals.ticket(ticket.id()).await?;
        let history = ticket.part("/history").as_array().context("no history")?;
        let forwarded =
            history.iter().filter(|entry| entry.get("event") == Some(&json!("forwarded"))).count();
        ensure!(forwarded <= 1, "it went on {forwarded} times");
        Ok((forwarded == 1).then_some(()))
    })
    .await?;
    Ok(Played { request, tries })
}

/// What is reported later arrives after all, and leaves no hole and nothing twice.
async fn broken_evidence(scene: &Scene<'_>, fault: &Fault, variant: &str) -> Result<Played> {
    let key = key("evidence", variant);
    let request = scene.rotation(&key)?;
    scene.set.meddler.next(EVIDENCE, 2, fault.clone());
    let before = scene.set.meddler.seen(EVIDENCE);
    let read = scene.answered(&scene.reading(&key)?).await?;
    let (call, ticket) = scene.hold(&request).await?;
    scene.approve(&ticket, "ben").await?;
    let tries = vec![read, call.await??];
    scene.called(EVIDENCE, before + 2).await?;
    until("what was allowed to be on record", async || {
        Ok(scene.told().await?.iter().any(|told| told == "allowed").then_some(()))
    })
    .await?;
    whole(scene).await?;
    Ok(Played { request, tries })
}

/// The service finds nothing amiss in the lanes of the scene's filters, but that one of them may be silent.
async fn whole(scene: &Scene<'_>) -> Result<()> {
    let producers = scene.set.meddler.producers();
    let breaks = scene.approvals.read("/v1/evidence/breaks").await?;
    let own = |one: &&Value| {
        one.get("producer").and_then(Value::as_str).is_some_and(|producer| producers.contains(producer))
    };
    let mut odd = breaks.as_array().context("no list of breaks")?.iter().filter(own);
    let odd = odd.find(|one| one.get("why") != Some(&json!("silent")));
    ensure!(odd.is_none(), "the evidence is broken: {odd:?}");
    Ok(())
}

/// A key's name: each test has its own.
fn key(call: &str, variant: &str) -> String {
    format!("{call}-{}", variant.replace(' ', "-"))
}
