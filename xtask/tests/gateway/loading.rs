//! Configurations with which the gateway must not serve: its log names file, line and reason.

use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::json;
use xtask::example::bundle;
use xtask::workspace::{Workspace, output, run};

use crate::Trials;
use crate::world::{World, edited, settings, write};

pub(crate) fn add(trials: &mut Trials) {
    trials.add("loading: an unknown key", unknown_key);
    trials.add("loading: a missing key", missing_key);
    trials.add("loading: the template as `countersign render` fills it", rendered);
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

/// The way of a user: Envoy itself reads the template that the command filled in.
async fn rendered(world: &World) -> Result<()> {
    let workspace = Workspace::find()?;
    run(workspace.cargo().args(["build", "--quiet", "--workspace", "--bin", "countersign"]))?;
    let mut render = Command::new(workspace.target("debug/countersign"));
    render.current_dir(workspace.root());
    render.args(["render", "envoy/envoy.yaml", "--bundle", "examples/deploy-agent/policies"]);
    render.args(world.stack.values().iter().map(|(name, value)| format!("{name}={value}")));
    let file = write(world.stack.folder(), "rendered.yaml", &output(&mut render)?)?;
    let mut validate = Command::new(world.stack.envoy());
    run(validate.args(["--mode", "validate", "--log-level", "error", "--config-path", &file]))
}

async fn missing_key(world: &World) -> Result<()> {
    let mut configuration = world.stack.configuration()?;
    settings(&mut configuration)?.remove("audience");
    let log = world.stack.refused("missing-key", &configuration).await?;
    ensure!(log.contains("audience"), "the key is not named:\n{log}");
    Ok(())
}
