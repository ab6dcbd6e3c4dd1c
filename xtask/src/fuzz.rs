//! `cargo xtask fuzz`: looks for inputs for which something that must hold does not (`fuzz/targets`).

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::workspace::{Workspace, output, run as run_command, shown};

/// What libFuzzer is told besides the time. Long inputs find little that short ones do not, and cost more; what a long
/// one may cost is a test of its own (`host-test/tests/host/cost.rs`).
const BOUNDS: [&str; 5] =
    ["-max_len=4096", "-timeout=5", "-rss_limit_mb=2048", "-print_final_stats=1", "-dict=fuzz/words.dict"];

/// Its targets, and how long for each.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// One of `fuzz/fuzz_targets`; otherwise all, one after the other.
    target: Option<String>,
    /// For each target.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
}

/// What came of one target.
#[derive(Debug, Default, PartialEq, Eq)]
struct Came {
    executions: u64,
    seconds: u64,
    /// Edges that were reached.
    coverage: u64,
    /// What did not hold, and the input for which it did not.
    finding: Option<String>,
}

/// Installs what is missing, builds the fuzzers, runs them, and says what came of it.
///
/// # Errors
/// When there is no nightly toolchain, no such target, or something that must hold does not.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    require(workspace)?;
    let all = output(nightly(workspace).arg("list"))?;
    let targets: Vec<_> =
        all.lines().filter(|name| options.target.as_deref().is_none_or(|one| one == *name)).collect();
    if targets.is_empty() {
        let (one, all) = (options.target.as_deref().unwrap_or_default(), all.trim().replace('\n', "`, `"));
        bail!("there is no target `{one}`: there are `{all}`");
    }
    run_command(nightly(workspace).arg("build").args(settings(workspace)))?;
    let results = targets.iter().map(|name| {
        println!("==> {name} for {} s", options.seconds);
        Ok((*name, fuzz(workspace, name, options.seconds)?))
    });
    let results = results.collect::<Result<Vec<_>>>()?;
    println!("\n{:10} {:>12} {:>8} {:>9}  finding", "target", "executions", "seconds", "coverage");
    for (name, Came { executions, seconds, coverage, finding }) in &results {
        println!(
            "{name:10} {executions:>12} {seconds:>8} {coverage:>9}  {}",
            finding.as_deref().unwrap_or("none")
        );
    }
    let found = results.iter().filter(|(_, result)| result.finding.is_some()).count();
    if found > 0 {
        bail!(
            "{found} findings: mend each, and keep its input in `fuzz/corpus/<target>/`, which the tests run"
        );
    }
    Ok(())
}

/// Makes sure that there is a nightly toolchain, and `cargo-fuzz`.
fn require(workspace: &Workspace) -> Result<()> {
    let toolchains = output(Command::new("rustup").args(["toolchain", "list"]))?;
    if !toolchains.lines().any(|name| name.starts_with("nightly-") || name == "nightly") {
        bail!("libFuzzer needs Rust's nightly toolchain: rustup toolchain install nightly --profile minimal");
    }
    if output(workspace.cargo().args(["install", "--list"]))?
        .lines()
        .any(|line| line.starts_with("cargo-fuzz "))
    {
        return Ok(());
    }
    run_command(workspace.cargo().args(["install", "cargo-fuzz@^0.13", "--locked"]))
}

/// `cargo fuzz` by the nightly toolchain.
fn nightly(workspace: &Workspace) -> Command {
    let mut cargo = Command::new("rustup");
    cargo.args(["run", "nightly", "cargo", "fuzz"]).current_dir(workspace.root());
    cargo
}

/// Address sanitizer would halve the speed, and find what safe Rust cannot have.
fn settings(workspace: &Workspace) -> [String; 4] {
    let target = workspace.target("fuzz").display().to_string();
    ["--sanitizer".into(), "none".into(), "--target-dir".into(), target]
}

/// Runs one target. What it finds interesting is kept under `target/`, and added to the next time.
fn fuzz(workspace: &Workspace, name: &str, seconds: u64) -> Result<Came> {
    let kept = workspace.target(&format!("fuzz/corpus/{name}"));
    std::fs::create_dir_all(&kept).with_context(|| kept.display().to_string())?;
    let log = workspace.target(&format!("fuzz/{name}.log"));
    let file = File::create(&log).with_context(|| log.display().to_string())?;
    let mut fuzzer = nightly(workspace);
    fuzzer.arg("run").args(settings(workspace)).arg(name).arg(kept).arg(format!("fuzz/corpus/{name}"));
    fuzzer.arg("--").args(BOUNDS).arg(format!("-max_total_time={seconds}"));
    let status = fuzzer.stderr(file).status().with_context(|| format!("cannot start {}", shown(&fuzzer)))?;
    // A panic quotes its input, whatever that is.
    let text = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
    let mut result = read(&text);
    if !status.success() && result.finding.is_none() {
        bail!("{} failed: see `{}`", shown(&fuzzer), shorter(workspace, &log));
    }
    if let Some(finding) = &mut result.finding {
        finding.push_str(&format!(" (`{}`)", shorter(workspace, &log)));
    }
    Ok(result)
}

fn shorter(workspace: &Workspace, path: &Path) -> String {
    path.strip_prefix(workspace.root()).unwrap_or(path).display().to_string()
}

/// What libFuzzer says of a run.
fn read(log: &str) -> Came {
    let after = |line: &str, name: &str| {
        let (_, rest) = line.split_once(name)?;
        rest.split_whitespace().next()?.parse::<u64>().ok()
    };
    let last = |name: &str| log.lines().rev().find_map(|line| after(line, name)).unwrap_or_default();
    let finding = log.lines().find_map(|line| line.split_once("Test unit written to ")).map(|(_, path)| {
        let why = log.lines().skip_while(|line| !line.contains("panicked at")).nth(1);
        let why = why.or_else(|| log.lines().find_map(|line| Some(line.split_once("ERROR: libFuzzer: ")?.1)));
        format!("{}: {}", path.trim(), why.unwrap_or("it ended").trim())
    });
    let done = log.lines().rev().find(|line| line.starts_with("Done "));
    Came {
        executions: last("stat::number_of_executed_units:"),
        seconds: done.and_then(|line| after(line, " runs in ")).unwrap_or_default(),
        coverage: last(" cov: "),
        finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libfuzzer_says_is_read() {
        let good = "#9\tREDUCE cov: 1203 ft: 4 corp: 3/9b\n#99\tDONE   cov: 1204 ft: 5 corp: 3/9b\nDone 99 runs in 7 \
                    second(s)\nstat::number_of_executed_units: 99\nstat::peak_rss_mb: 60\n";
        let expected = Came { executions: 99, seconds: 7, coverage: 1204, finding: None };
        assert_eq!(read(good), expected);
        let bad = "#9\tNEW    cov: 12 ft: 4\nthread '<unnamed>' panicked at a.rs:1:2:\nother names\nnote: x\n==1== ERROR: \
                   libFuzzer: deadly signal\nstat::number_of_executed_units: 9\nartifact_prefix='a/'; Test unit written \
                   to a/crash-1\n";
        let finding = Some("a/crash-1: other names".to_owned());
        assert_eq!(read(bad), Came { executions: 9, seconds: 0, coverage: 12, finding });
        let slow = "==1== ERROR: libFuzzer: timeout after 5 seconds\nTest unit written to a/timeout-1\n";
        assert_eq!(read(slow).finding.unwrap(), "a/timeout-1: timeout after 5 seconds");
    }
}
