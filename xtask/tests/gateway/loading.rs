//! Configurations with which the gateway must not serve: its log names file, line and reason.

use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use xtask::example::bundle;
use xtask::stack::until;
use xtask::workspace::{Workspace, output, run};

use crate::Trials;
use crate::identities::read_builds;
use crate::world::{World, edited, filters, settings, write};

pub(crate) fn add(trials: &mut Trials) {
    trials.add("loading: an unknown key", unknown_key);
    trials.add("loading: a missing key", missing_key);
    trials.add("loading: the template as `countersign render` fills it", rendered);
    trials.add("loading: the tap, filled in and before all filters, records what came", tapped);
    for (name, file, from, to, expected) in BAD_BUNDLES {
        trials.add(format!("loading: {name}"), async move |world| {
            let files = edited(world.stack.files()?, file, from, to)?;
            let line = 1 + files
                .get(file)
                .and_then(|text| text.split_once(to))
                .map_or(0, |(before, _)| before.matches('\n').count());
            let mut configuration = world.stack.configuration()?;
            settings(&mut configuration)?.insert("bundle".into(), bundle(&files));
            let log = world.stack.refused(&name.replace(' ', "-"), &configuration).await?;
            let place = format!("{file}:{line}");
            ensure!(log.contains(&place) && log.contains(expected), "no `{place}` or `{expected}` in\n{log}");
            Ok(())
        });
    }
}

/// Name, file, what of it is replaced by what, and what the log must say besides file and line.
const BAD_BUNDLES: [(&str, &str, &str, &str, &str); 4] = [
    ("a misspelt annotation", "gates.cedar", "@quorum(\"2\")", "@quorom(\"2\")", "quorom"),
    (
        "a policy that does not parse",
        "agents.cedar",
        "permit (principal is Deploy::Agent, action == Deploy::Action::\"export\"",
        "permitt (principal",
        "permitt",
    ),
    (
        "an unknown attribute",
        "limits.cedar",
        "context.destination like",
        "context.destinatoin like",
        "destinatoin",
    ),
    (
        "an unknown action in a route",
        "routes.yaml",
        "Deploy::Action::\"rotate-key\"",
        "Deploy::Action::\"rotate\"",
        "rotate",
    ),
];

async fn unknown_key(world: &World) -> Result<()> {
    let mut configuration = world.stack.configuration()?;
    settings(&mut configuration)?.insert("timezon".into(), json!("UTC"));
    let log = world.stack.refused("unknown-key", &configuration).await?;
    ensure!(log.contains("timezon"), "the key is not named:\n{log}");
    Ok(())
}

/// The command, as it stands.
fn countersign() -> Result<Command> {
    let workspace = Workspace::find()?;
    run(workspace.cargo().args(["build", "--quiet", "--workspace", "--bin", "countersign"]))?;
    let mut command = Command::new(workspace.target("debug/countersign"));
    command.current_dir(workspace.root());
    Ok(command)
}

/// The way of a user: Envoy itself reads the template that the command filled in.
async fn rendered(world: &World) -> Result<()> {
    let mut render = countersign()?;
    render.args(["render", "envoy/envoy.yaml", "--bundle", "examples/deploy-agent/policies"]);
    render.args(world.stack.values().iter().map(|(name, value)| format!("{name}={value}")));
    let file = write(world.stack.folder(), "rendered.yaml", &output(&mut render)?)?;
    let mut validate = Command::new(world.stack.envoy());
    run(validate.args(["--mode", "validate", "--log-level", "error", "--config-path", &file]))
}

/// The way of docs/recordings.md: what goes through an Envoy with `tap.yaml` becomes a recording.
async fn tapped(world: &World) -> Result<()> {
    let taps = world.stack.folder().join("taps");
    std::fs::create_dir(&taps)?;
    let mut render = countersign()?;
    render.args(["render", "envoy/tap.yaml", "--bundle", "examples/deploy-agent/policies"]);
    let example = std::fs::read_to_string(Workspace::find()?.root().join("envoy/values.example"))?;
    ensure!(example.lines().any(|line| line.starts_with("tap_prefix=")), "`values.example` names no place");
    render.arg(format!("tap_prefix={}", taps.join("tap").display()));
    let filter: Vec<Value> = serde_saphyr::from_str(&output(&mut render)?)?;
    let mut configuration = world.patient()?;
    filters(&mut configuration)?.splice(0..0, filter);
    let gateway = world.stack.gateway("tap", &configuration).await?;
    let request = world.request(&read_builds("tap"))?;
    let answer = request.send(gateway.address()).await?;
    ensure!(answer.status == 200, "{answer:?}");
    let file = until("the tap", async || Ok(std::fs::read_dir(&taps)?.next())).await??.path();
    gateway.stop().await?;
    let recording = world.stack.folder().join("tap.jsonl");
    run(countersign()?.arg("record").arg(file).arg("--output").arg(&recording))?;
    let entry: Value = serde_json::from_str(&std::fs::read_to_string(recording)?)?;
    let has = |field: Value| {
        let fields = entry.pointer("/request/headers").and_then(Value::as_array);
        fields.is_some_and(|fields| fields.contains(&field))
    };
    ensure!(has(json!([":path", request.path()])) && has(json!([":method", "GET"])), "{entry}");
    ensure!(entry.pointer("/peer/address") == Some(&json!("127.0.0.1")), "{entry}");
    ensure!(entry.to_string().contains("Bearer scrubbed-"), "{entry}");
    Ok(())
}

async fn missing_key(world: &World) -> Result<()> {
    let mut configuration = world.stack.configuration()?;
    settings(&mut configuration)?.remove("audience");
    let log = world.stack.refused("missing-key", &configuration).await?;
    ensure!(log.contains("audience"), "the key is not named:\n{log}");
    Ok(())
}
