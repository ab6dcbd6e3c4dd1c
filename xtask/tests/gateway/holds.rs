//! How long a request is held, and what becomes of it when nobody answers in time.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::{Instant, sleep_until};
use xtask::stack::until;

use crate::Trials;
use crate::raw::Connection;
use crate::world::{World, member};

pub(crate) fn add(trials: &mut Trials) {
    trials.add("hold: longer than every timeout that is not about it", longer_than_other_timeouts);
    trials.add("hold: over, approved, passes once, asks again", over_then_approved);
    trials.add("hold: the status link tells the state only", status_link);
    trials.add("hold: the client leaves", client_leaves);
    trials.add("hold: evidence of a release", evidence_of_a_release);
}

/// The route's is 15 s, and a whole request has 60 s in many configurations: that one runs while it is held.
async fn longer_than_other_timeouts(world: &World) -> Result<()> {
    let request = world.rotation("held-65s")?;
    let begun = Instant::now();
    let call = world.send(&request);
    let ticket = world.stack.approvals.pending(request.path()).await?;
    sleep_until(begun + Duration::from_secs(65)).await;
    ensure!(!call.is_finished(), "answered too early");
    world.stage().arrived_never(&request).await?;
    world.stack.approvals.approve(&ticket, "ben").await?;
    let answer = call.await??;
    ensure!(answer.status == 201, "answered {}: {}", answer.status, answer.body);
    world.stage().arrived_once(&request).await.map(drop)
}

async fn over_then_approved(world: &World) -> Result<()> {
    let (request, gateway) = (world.rotation("come-back")?, world.impatient.address());
    let first = request.send(gateway).await?;
    ensure!(first.status == 403 && first.code() == "pending", "answered {}: {}", first.status, first.body);
    ensure!(first.retry_after.is_some_and(|seconds| seconds > 0), "no word on when to come back");
    world.stage().arrived_never(&request).await?;

    let ticket = world.stack.approvals.pending(request.path()).await?;
    ensure!(ticket.id() == member(&first, "ticket")?, "another ticket was asked for");
    world.stack.approvals.approve(&ticket, "ben").await?;
    let second = request.send(gateway).await?;
    ensure!(second.status == 201, "answered {}: {}", second.status, second.body);
    world.stage().arrived_once(&request).await?;

    let third = request.send(gateway).await?;
    ensure!(third.code() == "pending", "the approval was used twice: {} {}", third.status, third.body);
    ensure!(member(&third, "ticket")? != ticket.id(), "it was not asked anew");
    world.stage().arrived_once(&request).await.map(drop)
}

async fn status_link(world: &World) -> Result<()> {
    let request = world.rotation("status-link")?;
    let answer = request.send(world.impatient.address()).await?;
    let url = format!("http://{}{}", world.impatient.address(), member(&answer, "status_url")?);
    let status = async || anyhow::Ok(reqwest::get(&url).await?.json::<serde_json::Value>().await?);
    let pending = status().await?.to_string();
    ensure!(pending.contains("pending") && !pending.contains("status-link"), "says too much: {pending}");
    let ticket = world.stack.approvals.pending(request.path()).await?;
    world.answer(&ticket, "cleo", "reject", "not today").await?;
    let denied = status().await?.to_string();
    ensure!(denied.contains("denied") && !denied.contains("not today"), "says something else: {denied}");
    let guess =
        format!("{}{}", url.trim_end_matches(|digit: char| digit.is_ascii_hexdigit()), "0".repeat(32));
    ensure!(reqwest::get(guess).await?.status() == 404, "a guessed link leads somewhere");
    Ok(())
}

async fn client_leaves(world: &World) -> Result<()> {
    let request = world.rotation("left")?;
    let connect = async || {
        let mut connection = Connection::open(world.gateway.address()).await?;
        connection.write(request.head("content-length: 0\r\n")?.as_bytes()).await?;
        anyhow::Ok(connection)
    };
    let connection = connect().await?;
    let ticket = world.stack.approvals.pending(request.path()).await?;
    drop(connection);
    until("the service to know that the client left", async || {
        let ticket = world.stack.approvals.ticket(ticket.id()).await?;
        Ok((ticket.part("/waiting") == 0).then_some(()))
    })
    .await?;
    world.stack.approvals.approve(&ticket, "ben").await?;
    world.stage().arrived_never(&request).await?;

    // Whoever comes again with the same request finds the answer, once.
    let (status, text) = connect().await?.answer().await?;
    ensure!(status == 201, "{text}");
    world.stage().arrived_once(&request).await.map(drop)
}

async fn evidence_of_a_release(world: &World) -> Result<()> {
    let request = world.rotation("evidence")?;
    let call = world.send(&request);
    let ticket = world.stack.approvals.pending(request.path()).await?;
    world.stack.approvals.approve(&ticket, "ben").await?;
    ensure!(call.await??.status == 201, "not released");
    let kinds = until("the outcome in the evidence", async || {
        let mut records = world.stack.approvals.evidence().await?;
        // What the service says of it is not in the lane of the filter.
        records.retain(|record| {
            record.line.contains(ticket.id()) && !record.envelope.kind.starts_with("ticket_")
        });
        records.sort_by_key(|record| record.envelope.seq);
        let kinds: Vec<_> = records.into_iter().map(|record| record.envelope.kind).collect();
        Ok(kinds.iter().any(|kind| kind == "outcome").then_some(kinds))
    });
    let kinds = kinds.await?;
    ensure!(kinds.ends_with(&["claim".into(), "forwarded".into(), "outcome".into()]), "{kinds:?}");
    let logged = until("the access log", async || {
        let log = world.gateway.access_log();
        Ok(log.into_iter().find(|line| line.get("path").is_some_and(|path| path == request.path())))
    });
    let logged = logged.await?.to_string();
    ensure!(logged.contains("countersigned") && logged.contains(ticket.id()), "{logged}");
    Ok(())
}
