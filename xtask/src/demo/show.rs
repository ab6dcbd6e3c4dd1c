//! Sends the calls, says what happens to each and why, and leaves everything running for a person to answer.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use tokio::task::JoinSet;

use super::paint::Paint;
use crate::example::{Case, Example, Expected};
use crate::play::Stage;
use crate::stack::client::{Answer, HOST, Prepared};
use crate::stack::ticket::Ticket;
use crate::stack::{Stack, agents};
use crate::workspace::Workspace;

/// Who answers: neither is the agent's owner.
const APPROVERS: [&str; 2] = ["ben", "cleo"];
/// Whose agent it is: a yes of hers is refused.
const OWNER: &str = "ana";

pub(super) async fn run(workspace: &Workspace) -> Result<()> {
    let cases = Example::of(workspace).cases()?;
    let stack = Stack::start(workspace).await?;
    let gateway = stack.gateway("gateway", &stack.configuration()?).await?;
    let stage = Stage { stack: &stack, gateway: &gateway };

    println!("\nAn agent drives a deployment API. Every call of it goes through the gateway.");
    let held = |case: &&Case| matches!(case.expect, Expected::Held { .. });
    for case in cases.iter().filter(|case| !held(case)) {
        let known = stack.approvals.evidence().await?;
        let answer = stage.prepare(case)?.send(gateway.address()).await?;
        println!("\n{}\n  {}", title(case), outcome(&answer));
        if answer.code().is_empty() {
            println!("  allowed by {}", stage.allowed_by(&known, |_| true).await?.join(", "));
        }
    }
    let mut waiting = JoinSet::new();
    for case in cases.iter().filter(held) {
        let (request, address) = (stage.prepare(case)?, gateway.address());
        let name = case.name.clone();
        waiting.spawn(async move { (name, keep_asking(&request, address).await) });
        let ticket = stack.approvals.pending(&case.call.path).await?;
        println!("\n{}\n  {}", title(case), question(&ticket));
    }
    invite(&stack, gateway.address())?;
    while let Some(done) = waiting.join_next().await {
        let (name, answer) = done?;
        match answer {
            Ok(answer) => println!("{name}: {}", outcome(&answer)),
            Err(error) => println!("{name}: {error:#}"),
        }
    }
    println!("\nAll are answered. Ctrl-C stops everything.");
    std::future::pending().await
}

/// What any client does that is told to come back: it sends the same request again.
async fn keep_asking(request: &Prepared, gateway: SocketAddr) -> Result<Answer> {
    loop {
        let answer = request.send(gateway).await?;
        if answer.code() != "pending" {
            return Ok(answer);
        }
        tokio::time::sleep(Duration::from_secs(answer.retry_after.unwrap_or(1))).await;
    }
}

fn title(case: &Case) -> String {
    let who = case.agent.as_deref().unwrap_or("nobody");
    let name = Paint::Title.on(&format!("{who}: {}", case.name));
    format!("{name}  ({} {})", case.call.method, case.call.path)
}

fn outcome(answer: &Answer) -> String {
    match answer.code() {
        "" => Paint::Allowed.on(&format!("went on: the API answered {}", answer.status)),
        code => Paint::Denied.on(&format!("denied: {} {code}, {}", answer.status, answer.detail())),
    }
}

/// Who is asked and why, as the approval service shows it.
fn question(ticket: &Ticket) -> String {
    let gates = ticket.gates().iter().map(|gate| {
        let text = |name| gate.get(name).and_then(Value::as_str).unwrap_or_default();
        let quorum = gate.get("quorum").and_then(Value::as_u64).unwrap_or_default();
        let (gate, reason, group) = (text("id"), text("reason"), text("group_name"));
        Paint::Held.on(&format!("held by {gate}: {reason}; {quorum} of {group} must approve"))
    });
    let mut lines: Vec<_> = gates.collect();
    if let Some(why) = ticket.part("/question/justification").as_str() {
        lines.push(format!("the agent says: \u{201c}{why}\u{201d}"));
    }
    lines.join("\n  ")
}

fn invite(stack: &Stack, gateway: SocketAddr) -> Result<()> {
    println!("\n{}", "-".repeat(100));
    println!("Inbox    http://{}/", stack.approvals.address());
    for (person, note) in APPROVERS
        .map(|person| (person, ""))
        .into_iter()
        .chain([(OWNER, "   (owns the agent: her approval is refused)")])
    {
        let login = stack.approvals.login(person)?;
        println!(
            "Log in   {person:5} password {}  TOTP secret {}  code now {}{note}",
            login.password,
            login.totp,
            login.code(0)?,
        );
    }
    println!("Gateway  http://{gateway}/ for host {HOST}; try it as the agent:");
    println!(
        "         curl -i http://{gateway}/v1/builds -H 'host: {HOST}' -H 'authorization: Bearer {}'",
        stack.agents.token(agents::DEMO)?
    );
    println!("Logs     {}", stack.folder().display());
    println!(
        "The held calls wait for you; whoever is told to come back sends the same call again. Ctrl-C stops all."
    );
    println!("{}\n", "-".repeat(100));
    Ok(())
}
