//! People who race, disagree or flag: one final state, and at most one request that goes on.

use anyhow::{Result, ensure};
use xtask::example::Factor;
use xtask::stack::until;

use crate::Trials;
use crate::world::World;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("people: two approve at once", two_approve);
    trials.add("people: one approves while one rejects", approve_against_reject);
    trials.add("people: rejected", rejected);
    trials.add("people: a flag needs one more", flagged);
    trials.add("people: one approval of twins releases one", twins);
}

async fn two_approve(world: &World) -> Result<()> {
    let request = world.rotation("two-approve")?;
    let call = world.send(&request);
    let approvals = &world.stack.approvals;
    let ticket = approvals.pending(request.path()).await?;
    let yes = |person| approvals.answer(&ticket, person, Factor::Totp, "approve", None);
    let (ben, cleo) = tokio::try_join!(yes("ben"), yes("cleo"))?;
    ensure!(ben.0 == 200 || cleo.0 == 200, "neither counted: {} {}", ben.1, cleo.1);
    ensure!(call.await??.status == 201, "not released");
    world.stage().arrived_once(&request).await.map(drop)
}

async fn approve_against_reject(world: &World) -> Result<()> {
    for round in 0..5 {
        let request = world.rotation(&format!("disagree-{round}"))?;
        let call = world.send(&request);
        let approvals = &world.stack.approvals;
        let ticket = approvals.pending(request.path()).await?;
        let yes = approvals.answer(&ticket, "ben", Factor::Totp, "approve", None);
        let no = approvals.answer(&ticket, "cleo", Factor::Totp, "reject", Some("no"));
        let (yes, no) = tokio::try_join!(yes, no)?;
        ensure!((yes.0 == 200) != (no.0 == 200), "not exactly one counted: {} {}", yes.1, no.1);
        let answer = call.await??;
        if yes.0 == 200 {
            ensure!(answer.status == 201, "answered {}: {}", answer.status, answer.body);
            world.stage().arrived_once(&request).await?;
        } else {
            ensure!(answer.code() == "rejected", "answered {}: {}", answer.status, answer.body);
            world.stage().arrived_never(&request).await?;
        }
    }
    Ok(())
}

async fn rejected(world: &World) -> Result<()> {
    let request = world.rotation("rejected")?;
    let call = world.send(&request);
    let ticket = world.stack.approvals.pending(request.path()).await?;
    world.answer(&ticket, "cleo", "reject", "the key is younger than you think").await?;
    let answer = call.await??;
    ensure!(answer.status == 403 && answer.code() == "rejected", "{} {}", answer.status, answer.body);
    ensure!(answer.detail().contains("younger than you think"), "the reason is lost: {}", answer.body);
    world.stage().arrived_never(&request).await
}

async fn flagged(world: &World) -> Result<()> {
    let request = world.rotation("flagged")?;
    let call = world.send(&request);
    let approvals = &world.stack.approvals;
    let ticket = approvals.pending(request.path()).await?;
    world.answer(&ticket, "ben", "flag", "why now?").await?;
    approvals.approve(&ticket, "cleo").await?;
    let after = approvals.ticket(ticket.id()).await?;
    ensure!(after.state() == "pending" && after.part("/missing") == 1, "the flag does not count");
    ensure!(!call.is_finished(), "released without the added approver");
    world.stage().arrived_never(&request).await?;
    let flagger = approvals.answer(&after, "ben", Factor::Totp, "approve", None).await?;
    ensure!(flagger.0 != 200, "the flagger approved as well");
    approvals.approve(&after, "dora").await?;
    ensure!(call.await??.status == 201, "not released");
    world.stage().arrived_once(&request).await.map(drop)
}

async fn twins(world: &World) -> Result<()> {
    let request = world.rotation("twins")?;
    let approvals = &world.stack.approvals;
    let first = world.send(&request);
    let ticket = approvals.pending(request.path()).await?;
    let second = world.send(&request);
    until("the twin to join", async || {
        let mut asked = approvals.evidence().await?;
        asked.retain(|record| record.envelope.kind == "needs_approval");
        asked.retain(|record| record.line.contains(ticket.text("/digest")));
        Ok((asked.len() == 2).then_some(()))
    })
    .await?;
    approvals.approve(&ticket, "ben").await?;
    let again = approvals.pending(request.path()).await?;
    ensure!(again.id() != ticket.id(), "one yes was asked for twice");
    world.stage().arrived_once(&request).await?;
    world.answer(&again, "cleo", "reject", "once is enough").await?;
    let (first, second) = (first.await??, second.await??);
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    ensure!(statuses == [201, 403], "answered {statuses:?}: {} {}", first.body, second.body);
    world.stage().arrived_once(&request).await.map(drop)
}
