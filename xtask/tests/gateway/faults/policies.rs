//! Policies change while a request is held.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use xtask::faults::Row;
use xtask::stack::client::{Answer, Prepared};
use xtask::stack::gateway::Options;
use xtask::stack::until;

use super::Rows;
use crate::reloadable::{Reloadable, Taken, same_filter};
use crate::scene::{self, Played, Scene, Set};
use crate::world::{World, edited};

type Files = BTreeMap<String, String>;

/// The gateway that all of these tests share, one after the other.
pub(crate) type Shared = tokio::sync::Mutex<Option<(Reloadable, Set)>>;

/// A change, and what follows.
#[derive(Clone, Copy)]
struct Change {
    row: &'static str,
    make: fn(Files) -> Result<Files>,
    taken: Taken,
    then: Then,
}

/// What happens when the client has its answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Nothing,
    /// It tries again.
    Again,
    /// It tries again, and people are asked for both gates.
    Both,
    /// The policies before came back meanwhile, byte for byte.
    Back,
}

/// What [`does_not_load`] puts into the gates.
const MISSPELT: &str = "@aproval(\"security\")";

const CHANGES: [Change; 7] = [
    Change { row: "policy-gate-more", make: gate_more, taken: Taken::Yes, then: Then::Both },
    Change { row: "policy-forbid-more", make: forbid_more, taken: Taken::Yes, then: Then::Again },
    Change { row: "policy-gate-text", make: gate_text, taken: Taken::Yes, then: Then::Nothing },
    Change { row: "policy-permit-gone", make: permit_gone, taken: Taken::Yes, then: Then::Again },
    Change { row: "policy-does-not-load", make: does_not_load, taken: Taken::No, then: Then::Nothing },
    Change { row: "policy-back", make: forbid_all, taken: Taken::Yes, then: Then::Back },
    Change { row: "policy-elsewhere", make: elsewhere, taken: Taken::Yes, then: Then::Nothing },
];

pub(super) fn add(rows: &mut Rows<'_>) -> Result<()> {
    for change in CHANGES {
        rows.alone(change.row, "", async move |world, row| play(world, row, change).await)?;
    }
    rows.trials.add("fault: reload, the shipped file holds the shipped filter", same_filter);
    Ok(())
}

async fn play(world: &World, row: &'static Row, change: Change) -> Result<()> {
    let mut shared = world.reloadable.lock().await;
    let (reloadable, set) = match shared.take() {
        Some(ready) => ready,
        None => {
            let (stack, options) = (&world.stack, Options { workers: 1, ..Options::default() });
            Reloadable::start(stack, &stack.approvals, "reloadable", &options).await?
        }
    };
    let base = scene::files(&world.stack)?;
    let marked = elsewhere_by(base.clone(), change.row)?;
    ensure!(reloadable.policies(&set.gateway, &marked).await? == Taken::Yes, "its policies do not load");
    // What filters of earlier tests still have to say is said before this one begins.
    let earlier = Scene::on(world, &world.stack.approvals, set).await?;
    earlier.all_stopped().await?;
    let scene = Scene::on(world, &world.stack.approvals, earlier.set).await?;
    let played = changed(&scene, &reloadable, [base, marked], change).await;
    let checked = async {
        scene.check(row, &played?).await?;
        let replaced = change.taken == Taken::Yes && change.then != Then::Back;
        if replaced { stopped(&scene).await } else { Ok(()) }
    };
    checked.await.with_context(|| scene.set.gateway.tail())?;
    *shared = Some((reloadable, scene.set));
    Ok(())
}

/// `marked` are the policies in force, made of `base`.
async fn changed(
    scene: &Scene<'_>,
    reloadable: &Reloadable,
    [base, marked]: [Files; 2],
    change: Change,
) -> Result<Played> {
    let request = scene.rotation(change.row)?;
    let (call, ticket) = scene.hold(&request).await?;
    let new = (change.make)(base)?;
    let taken = reloadable.policies(&scene.set.gateway, &new).await?;
    ensure!(taken == change.taken, "the new policies: {taken:?}");
    if taken == Taken::No {
        explained(scene, &new)?;
        let read = scene.answered(&scene.reading("still-in-force")?).await?;
        ensure!(read.status == 200, "the policies before are not in force: {}", read.status);
    }
    if change.then == Then::Back {
        back(scene, reloadable, &marked).await?;
    }
    scene.approve(&ticket, "ben").await?;
    let mut tries = vec![call.await??];
    match change.then {
        Then::Nothing | Then::Back => {}
        Then::Again => tries.push(scene.answered(&request).await?),
        Then::Both => tries.push(asked_for_both(scene, &request).await?),
    }
    Ok(Played { request, tries })
}

/// What is held has gone over to the new policies when those before come back.
async fn back(scene: &Scene<'_>, reloadable: &Reloadable, before: &Files) -> Result<()> {
    until("what is held to go by the new policies", async || {
        let kinds = scene.kinds().await?;
        Ok(kinds.iter().any(|kind| kind == "reloaded").then_some(()))
    })
    .await?;
    ensure!(reloadable.policies(&scene.set.gateway, before).await? == Taken::Yes, "they do not come back");
    let read = scene.answered(&scene.reading("in-force-again")?).await?;
    ensure!(read.status == 200, "the policies that came back are not in force: {}", read.status);
    Ok(())
}

/// People are asked about the gate from before and about the new one; one of them says no.
async fn asked_for_both(scene: &Scene<'_>, request: &Prepared) -> Result<Answer> {
    let (call, ticket) = scene.hold(request).await?;
    let mut gates: Vec<_> = ticket.gates().iter().filter_map(|gate| gate.get("id")?.as_str()).collect();
    gates.sort_unstable();
    ensure!(gates == ["key-rotation", "rotation-needs-sre"], "people are asked for {gates:?}");
    scene.world.answer(&ticket, "cleo", "reject", "seen enough").await?;
    call.await?
}

/// The gateway's log names file, line and reason of what does not load.
fn explained(scene: &Scene<'_>, files: &Files) -> Result<()> {
    let before = files.get("gates.cedar").and_then(|text| text.split_once(MISSPELT)).context("no mistake")?.0;
    let place = format!("gates.cedar:{}", 1 + before.matches('\n').count());
    let log = scene.set.gateway.log();
    let explained = log.lines().any(|line| line.contains(&place) && line.contains("aproval"));
    ensure!(explained, "the log does not say what is wrong at `{place}`");
    Ok(())
}

/// The filter of the policies before has said its last word.
async fn stopped(scene: &Scene<'_>) -> Result<()> {
    until("the record that the old filter stopped", async || {
        let kinds = scene.kinds().await?;
        Ok(kinds.iter().any(|kind| kind == "stop").then_some(()))
    })
    .await
}

fn appended(mut files: Files, file: &str, text: &str) -> Result<Files> {
    files.get_mut(file).with_context(|| format!("there is no {file}"))?.push_str(text);
    Ok(files)
}

fn gate_more(files: Files) -> Result<Files> {
    let gate = "@id(\"rotation-needs-sre\") @approval(\"sre\") @reason(\"SRE must know of it\")\n\
        forbid (principal is Deploy::Agent, action == Deploy::Action::\"rotate-key\", resource);\n";
    appended(files, "gates.cedar", gate)
}

fn forbid_more(files: Files) -> Result<Files> {
    let forbid =
        "@id(\"no-rotation\") forbid (principal, action == Deploy::Action::\"rotate-key\", resource);\n";
    appended(files, "limits.cedar", forbid)
}

fn forbid_all(files: Files) -> Result<Files> {
    appended(files, "limits.cedar", "@id(\"nothing\") forbid (principal, action, resource);\n")
}

fn gate_text(files: Files) -> Result<Files> {
    edited(files, "gates.cedar", "A new signing key is a matter for security", "Keys are security's")
}

fn permit_gone(files: Files) -> Result<Files> {
    let permit = "permit (principal is Deploy::Agent, action == Deploy::Action::\"rotate-key\", resource);";
    let instead = "permit (principal is Deploy::Agent, action == Deploy::Action::\"rotate-key\", resource)\n\
        when { resource == Deploy::Key::\"no-such-key\" };";
    edited(files, "agents.cedar", permit, instead)
}

fn does_not_load(files: Files) -> Result<Files> {
    edited(files, "gates.cedar", "@approval(\"security\")", MISSPELT)
}

fn elsewhere(files: Files) -> Result<Files> {
    elsewhere_by(files, "another")
}

/// A change that does not matter for the request, and makes the bundle another.
fn elsewhere_by(files: Files, who: &str) -> Result<Files> {
    appended(files, "agents.cedar", &format!("// {who}\n"))
}
