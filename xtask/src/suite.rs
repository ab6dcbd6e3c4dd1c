//! `cargo xtask test`: everything that must hold before a change is taken, from formatting to the demo.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::workspace::{Workspace, run};
use crate::{demo, envoy, interface, mutants, packages, plugin, postgres, rules};

/// One step: its name, and what it does.
type Step = (&'static str, fn(&Workspace) -> Result<()>);

/// In this order: what is quick comes first. Steps name the same packages wherever they can, because other
/// packages mean other features, and everything would be compiled again.
const STEPS: [Step; 15] = [
    ("formatting", |workspace| cargo(workspace, &["fmt", "--all", "--check"])),
    ("dependency rules", rules::check),
    ("alerts", alerts),
    ("lints", |workspace| cargo(workspace, &["clippy", "--all-targets", "--", "-D", "warnings"])),
    // Not among all targets, because no plain `cargo test` runs them.
    ("lints of gateway tests", |workspace| {
        cargo(workspace, &["clippy", "--test", "gateway", "--", "-D", "warnings"])
    }),
    ("lints of filters", |workspace| {
        let packages = ["--package", "countersign-plugin", "--package", "countersign-floor"];
        let lint = [&["clippy", "--target", plugin::TARGET], &packages[..], &["--", "-D", "warnings"]];
        cargo(workspace, &lint.concat())
    }),
    ("unit tests", |workspace| cargo(workspace, &["test", "--quiet", "--workspace"])),
    // The only ignored tests of that name: they need a browser.
    ("browser tests", |workspace| {
        let ignored = ["--", "--ignored", "--skip", "speed"];
        cargo(workspace, &[&["test", "--quiet", "--workspace", "--test", "browser"], &ignored[..]].concat())
    }),
    ("tests on PostgreSQL", postgres::test),
    ("the interface of the approval service", interface::test),
    ("the filter", |workspace| plugin::build(workspace).map(drop)),
    ("the filter in the harness", start),
    ("mutants", mutants::run),
    ("demo --check", |workspace| demo::run(workspace, true)),
    ("gateway tests", |workspace| cargo(workspace, &["test", "--workspace", "--test", "gateway"])),
];

/// Runs every step, also after one that failed, and says at the end which did.
///
/// # Errors
/// When a step failed.
pub fn test(workspace: &Workspace) -> Result<()> {
    packages::require_for_tests()?;
    let begun = Instant::now();
    let results = STEPS.map(|(name, step)| {
        println!("\n==> {name}");
        let begun = Instant::now();
        let result = step(workspace);
        result.iter().for_each(|()| println!("    {name} passed"));
        (name, result.inspect_err(|error| eprintln!("error: {error:#}")).is_ok(), begun.elapsed())
    });
    println!();
    for (name, passed, took) in &results {
        println!("{name:22} {:6} {:>6}", if *passed { "ok" } else { "FAILED" }, seconds(*took));
    }
    let failed = results.iter().filter(|(_, passed, _)| !passed).count();
    let (word, passed) = (if failed == 0 { "ok" } else { "FAILED" }, results.len() - failed);
    println!(
        "\ntest result: {word}. {passed} steps passed; {failed} failed; finished in {}",
        seconds(begun.elapsed())
    );
    if failed > 0 {
        bail!("{failed} of {} steps failed", results.len());
    }
    Ok(())
}

/// Fires the alerts of `envoy/alerts.yaml` as their tests say.
fn alerts(workspace: &Workspace) -> Result<()> {
    for words in [["check", "rules", "envoy/alerts.yaml"], ["test", "rules", "envoy/alerts.test.yaml"]] {
        run(Command::new("promtool").args(words).current_dir(workspace.root()))?;
    }
    Ok(())
}

/// Runs the released filter in the harness: its start, the recordings of the examples, and what documents the library;
/// and one that traps in a real Envoy.
fn start(workspace: &Workspace) -> Result<()> {
    let mut cargo = workspace.cargo();
    let tests = ["host", "replay", "explain", "repository", "trust"].map(|name| ["--test", name]).concat();
    cargo.args(["test", "--workspace"]).args(tests).args(["--", "--ignored"]);
    cargo.env("COUNTERSIGN_ENVOY", envoy::install(workspace)?);
    run(cargo.env("COUNTERSIGN_WASM", workspace.target("countersign.wasm")))?;
    let mut examples = workspace.cargo();
    examples.args(["test", "--quiet", "--workspace", "--doc"]);
    run(examples.env("COUNTERSIGN_WASM", workspace.target("countersign.wasm")))
}

fn cargo(workspace: &Workspace, words: &[&str]) -> Result<()> {
    let mut cargo: Command = workspace.cargo();
    run(cargo.args(words))
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs())
}
