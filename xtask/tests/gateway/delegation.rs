//! Tokens of somebody who acts for somebody else (RFC 8693): nobody in the chain approves.

use anyhow::{Result, ensure};
use serde_json::json;
use xtask::example::{Call, Factor};
use xtask::stack::agents;
use xtask::stack::client::Prepared;
use xtask::stack::gateway::Gateway;

use crate::Trials;
use crate::world::{World, settings};

/// A token, and what follows for the people of `sre`: Ana owns `release-bot`, Ben owns `report-bot`.
struct Delegation {
    /// Names the gateway and the call.
    name: &'static str,
    /// For whom all of them act.
    subject: &'static str,
    /// Who acts, the one that sends the request first.
    actors: &'static [&'static str],
    /// Entities shown as taking part, in order.
    involved: &'static [&'static str],
    /// Whose yes is refused.
    refused: &'static [&'static str],
    /// Whose yes opens the gate.
    approver: &'static str,
}

/// Ben's, although the agent is Ana's.
const FOR_ANOTHER: Delegation = Delegation {
    name: "for-another",
    subject: "ben",
    actors: &[agents::DEMO],
    involved: &[r#"Deploy::Agent::"release-bot""#, r#"Deploy::User::"ben""#, r#"Deploy::User::"ana""#],
    refused: &["ben", "ana"],
    approver: "cleo",
};

/// Ana's, through an agent of Ben's, which is neither first nor last.
const IN_BETWEEN: Delegation = Delegation {
    name: "in-between",
    subject: "ana",
    actors: &[agents::DEMO, "report-bot"],
    involved: &[
        r#"Deploy::Agent::"release-bot""#,
        r#"Deploy::Agent::"report-bot""#,
        r#"Deploy::User::"ana""#,
        r#"Deploy::User::"ana""#,
        r#"Deploy::User::"ben""#,
    ],
    refused: &["ana", "ben"],
    approver: "cleo",
};

pub(crate) fn add(trials: &mut Trials) {
    trials.add("delegation: whom the agent acts for does not approve", async |world| {
        nobody_in_the_chain_approves(world, &FOR_ANOTHER).await
    });
    trials.add("delegation: the owner of an agent in between does not approve", async |world| {
        nobody_in_the_chain_approves(world, &IN_BETWEEN).await
    });
    trials.add("delegation: refused where no actor is configured", refused_without_actor);
}

impl Delegation {
    /// A deploy to production: one of `sre` must approve it.
    fn deploy(&self, world: &World, run: &str) -> Result<Prepared> {
        let call = Call {
            method: "POST".into(),
            path: format!("/v1/environments/production/deployments?run={run}-{}", self.name),
            justification: None,
            body: Some(json!({ "service": "checkout", "version": "2.4.1" })),
        };
        Prepared::new(&call, Some(&world.stack.agents.delegated(self.subject, self.actors)?))
    }
}

/// A gateway whose tokens are a person's, and name the agents that act for the person.
async fn delegating_gateway(world: &World, name: &str) -> Result<Gateway> {
    let mut configuration = world.patient()?;
    let source = json!({
        "kind": "jwt", "metadata": "agents",
        "principal": { "type": "Deploy::User" }, "actor": { "type": "Deploy::Agent" },
    });
    settings(&mut configuration)?.insert("identity".into(), json!([source]));
    world.stack.gateway(name, &configuration).await
}

async fn nobody_in_the_chain_approves(world: &World, delegation: &Delegation) -> Result<()> {
    let gateway = delegating_gateway(world, delegation.name).await?;
    let request = delegation.deploy(world, "chain")?;
    let countersigned = countersign(world, delegation, &request);
    let (answer, ()) = tokio::try_join!(request.send(gateway.address()), countersigned)?;
    ensure!(answer.status == 201, "answered {}: {}", answer.status, answer.body);
    world.stage().arrived_once(&request).await?;
    gateway.stop().await
}

/// Everybody in the chain tries, in vain and on record; then somebody else approves.
async fn countersign(world: &World, delegation: &Delegation, request: &Prepared) -> Result<()> {
    let approvals = &world.stack.approvals;
    let ticket = approvals.pending(request.path()).await?;
    let involved = ticket.part("/question/involved").as_array().into_iter().flatten();
    let involved: Vec<_> = involved.filter_map(|one| one.get("entity")?.as_str()).collect();
    ensure!(involved == delegation.involved, "these take part: {involved:?}");
    for person in delegation.refused {
        let (status, said) = approvals.answer(&ticket, person, Factor::Totp, "approve", None).await?;
        let right = status == 403 && said.get("code").is_some_and(|code| code == "self_approval");
        ensure!(right, "the yes of {person} was answered {status}: {said}");
        let after = approvals.ticket(ticket.id()).await?;
        ensure!(after.recorded_refusal(person, "self_approval"), "{person}'s attempt was not recorded");
        ensure!(after.state() == "pending", "it is `{}` after {person}'s yes", after.state());
        world.stage().arrived_never(request).await?;
    }
    approvals.approve(&ticket, delegation.approver).await
}

async fn refused_without_actor(world: &World) -> Result<()> {
    let request = FOR_ANOTHER.deploy(world, "no-actor")?;
    let answer = request.send(world.gateway.address()).await?;
    ensure!(answer.status == 401 && answer.code() == "bad_identity", "{} {}", answer.status, answer.body);
    world.stage().arrived_never(&request).await
}
