//! What the approval service does besides asking: its signing key changes, and one person opens a gate alone.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use xtask::stack::approvals::Options;
use xtask::stack::gateway::Gateway;

use crate::Trials;
use crate::world::{World, edited, settings};

pub(crate) fn add(trials: &mut Trials) {
    trials.add("service: its signing key changes while requests are held", rotated);
    trials.add("service: one opens a gate alone, and that is on record", broken);
}

/// The filter knows the first key alone; it gets to know the second by what the first signed.
async fn rotated(world: &World) -> Result<()> {
    let approvals = world.stack.approvals("rotated", Options::default()).await?;
    let files = edited(world.stack.files()?, "gates.cedar", "@hold(\"25s\")", "@hold(\"90s\")")?;
    let mut configuration = world.stack.configuration_at(&approvals, approvals.token(), &files)?;
    let approval = settings(&mut configuration)?.get_mut("approval").context("the filter asks nobody")?;
    approval.as_object_mut().context("no object")?.insert("refresh".into(), json!({ "every": "10s" }));
    let gateway = world.stack.gateway("rotated", &configuration).await?;
    let passes = async |gateway: &Gateway, key: &str| {
        let (request, address) = (world.rotation(key)?, gateway.address());
        let call = tokio::spawn({
            let request = request.clone();
            async move { request.send(address).await }
        });
        let ticket = approvals.pending(request.path()).await?;
        approvals.approve(&ticket, "ben").await?;
        let answer = call.await??;
        ensure!(answer.status == 201, "{key} is answered {}: {}", answer.status, answer.body);
        world.stage().arrived_once(&request).await.map(drop)
    };
    passes(&gateway, "by-the-pinned-key").await?;
    let new = approvals.manage(&["key", "rotate", "--after", "1s"]).await?;
    ensure!(new.get("kid") != approvals.key().get("kid"), "no new key: {new}");
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    passes(&gateway, "by-the-endorsed-key").await?;
    gateway.stop().await?;
    approvals.kill().await
}

async fn broken(world: &World) -> Result<()> {
    let approvals = &world.stack.approvals;
    let gates = ("@id(\"key-rotation\")", "@id(\"key-rotation\")\n@quorum(\"3\")\n@break_glass(\"sre\")");
    let files = edited(world.stack.files()?, "gates.cedar", gates.0, gates.1)?;
    let gateway = world.stack.gateway("broken", &world.stack.configuration_of(&files)?).await?;
    let (request, address) = (world.rotation("broken-glass")?, gateway.address());
    let call = tokio::spawn({
        let request = request.clone();
        async move { request.send(address).await }
    });
    let ticket = approvals.pending(request.path()).await?;
    approvals.break_glass(&ticket, "ben", "the key has leaked").await?;
    let answer = call.await??;
    ensure!(answer.status == 201, "answered {}: {}", answer.status, answer.body);
    world.stage().arrived_once(&request).await?;
    let claims = approvals.evidence_of_kind("claim").await?;
    let told =
        claims.iter().find(|record| record.line.contains(ticket.id())).context("no record of the claim")?;
    let line: Value = serde_json::from_str(&told.line)?;
    let glass = |member: &str| line.pointer(&format!("/break_glass/0/{member}")).and_then(Value::as_str);
    let (reason, gate) = (glass("reason"), glass("gate"));
    ensure!((reason, gate) == (Some("the key has leaked"), Some("key-rotation")), "the record says {line}");
    gateway.stop().await
}
