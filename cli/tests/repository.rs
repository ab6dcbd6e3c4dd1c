//! The Action and the hooks for pre-commit, run as they are written in a repository of policies.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde::Deserialize;
use tempfile::TempDir;

#[derive(Deserialize)]
struct Action {
    runs: Runs,
}

#[derive(Deserialize)]
struct Runs {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    name: String,
    run: String,
    #[serde(default)]
    env: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Hook {
    id: String,
    entry: String,
}

/// A repository with the policies of the example, at its first commit.
struct Repository(TempDir);

impl Repository {
    fn new() -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        let example = root().join("examples/deploy-agent");
        std::fs::create_dir(repository.path("policies")).unwrap();
        for file in std::fs::read_dir(example.join("policies")).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), repository.path("policies").join(file.file_name())).unwrap();
        }
        for name in ["recording.jsonl", "configuration.json"] {
            std::fs::copy(example.join(name), repository.path(name)).unwrap();
        }
        repository.git(&["init", "--quiet"]);
        repository.commit();
        repository
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn git(&self, words: &[&str]) {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=test", "-c", "user.email=test@example.com"]);
        assert!(git.args(words).current_dir(self.0.path()).status().unwrap().success(), "git {words:?}");
    }

    fn commit(&self) {
        self.git(&["add", "."]);
        self.git(&["commit", "--quiet", "--no-verify", "--message", "change"]);
    }

    /// One person is enough now where it took two.
    fn weaken(&self) {
        let gates = self.path("policies/gates.cedar");
        let text = std::fs::read_to_string(&gates).unwrap();
        assert!(text.contains("@quorum(\"2\")"));
        std::fs::write(gates, text.replace("@quorum(\"2\")", "@quorum(\"1\")")).unwrap();
    }

    /// Runs a step of the Action; gives back what it said and what the summary of the job says since.
    fn step(&self, name: &str, inputs: &[(&str, &str)]) -> (Output, String) {
        let text = std::fs::read_to_string(root().join("action.yml")).unwrap();
        let action: Action = serde_saphyr::from_str(&text).unwrap();
        let step = action.runs.steps.into_iter().find(|step| step.name == name).expect("no such step");
        let summary = self.path(".git/summary");
        std::fs::write(&summary, "").unwrap();
        let mut bash = Command::new("bash");
        bash.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &step.run]);
        for (name, value) in step.env {
            let value = match name.as_str() {
                "COUNTERSIGN" => env!("CARGO_BIN_EXE_countersign").to_owned(),
                "COUNTERSIGN_WASM" => filter(),
                _ => filled(value, inputs),
            };
            bash.env(name, value);
        }
        let output = bash.current_dir(self.0.path()).env("GITHUB_STEP_SUMMARY", &summary).output().unwrap();
        (output, std::fs::read_to_string(summary).unwrap())
    }

    /// Runs a hook with the arguments of a policy repository.
    fn hook(&self, id: &str, arguments: &[&str]) -> Output {
        let text = std::fs::read_to_string(root().join(".pre-commit-hooks.yaml")).unwrap();
        let hooks: Vec<Hook> = serde_saphyr::from_str(&text).unwrap();
        let hook = hooks.into_iter().find(|hook| hook.id == id).expect("no such hook");
        let words = hook.entry.strip_prefix("countersign ").expect("another command").split(' ');
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(words).args(arguments).env("COUNTERSIGN_WASM", filter()).env_remove("CI");
        command.current_dir(self.0.path()).output().unwrap()
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// `cargo xtask test` builds the filter and names it here.
fn filter() -> String {
    std::env::var("COUNTERSIGN_WASM").expect("COUNTERSIGN_WASM names no filter")
}

/// A value with its inputs, as GitHub fills them in.
fn filled(value: String, inputs: &[(&str, &str)]) -> String {
    let fill = |value: String, (name, text): &(&str, &str)| {
        value.replace(&format!("${{{{ inputs.{name} }}}}"), text)
    };
    let value = inputs.iter().fold(value, fill);
    assert!(!value.contains("${{"), "`{value}` has an input that the test does not name");
    value
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

const INPUTS: [(&str, &str); 3] =
    [("policies", "policies"), ("recordings", "record*.jsonl"), ("configuration", "configuration.json")];

fn inputs<'a>(base: &'a str, fail_on: &'a str) -> Vec<(&'a str, &'a str)> {
    INPUTS.into_iter().chain([("base", base), ("fail-on", fail_on)]).collect()
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn the_action_replays_and_shows_the_job_what_held() {
    let repository = Repository::new();
    let (output, summary) = repository.step("Replay", &INPUTS);
    assert!(output.status.success(), "{}", printed(&output));
    assert!(summary.contains("all 23 expectations hold"), "{summary}");
    let gates = repository.path("policies/gates.cedar");
    std::fs::write(gates, "").unwrap();
    let (output, summary) = repository.step("Replay", &INPUTS);
    assert!(!output.status.success(), "{}", printed(&output));
    assert!(printed(&output).contains("::error"), "{}", printed(&output));
    assert!(summary.contains("decision"), "{summary}");
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn the_action_compares_with_the_base_and_fails_as_it_is_told() {
    let repository = Repository::new();
    repository.weaken();
    repository.commit();
    for (fail_on, fails) in [("", false), ("gained,ungated", false), ("gained,weakened", true)] {
        let (output, summary) = repository.step("Diff", &inputs("HEAD~1", fail_on));
        assert_eq!(output.status.success(), !fails, "{fail_on}: {}", printed(&output));
        assert!(summary.contains("### Policy change: 1 weakened"), "{summary}");
        assert_eq!(printed(&output).contains("1 weakened"), fails, "{fail_on}: {}", printed(&output));
    }
    let (output, _) = repository.step("Diff", &inputs("0123456789", ""));
    assert!(!output.status.success() && printed(&output).contains("fetch-depth"), "{}", printed(&output));
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn the_hooks_check_replay_and_compare_with_the_last_commit() {
    let repository = Repository::new();
    let replay = ["policies", "recording.jsonl", "--configuration", "configuration.json"];
    let diff = [&["policies"], &replay[..], &["--fail-on", "gained,ungated,weakened"]].concat();
    let run = || {
        let hooks = [
            ("countersign-check", &["policies"][..]),
            ("countersign-replay", &replay),
            ("countersign-diff", &diff),
        ];
        hooks.map(|(id, arguments)| repository.hook(id, arguments))
    };
    run().iter().for_each(|output| assert!(output.status.success(), "{}", printed(output)));
    repository.weaken();
    let [check, _, diff] = run();
    assert!(check.status.success(), "{}", printed(&check));
    assert!(!diff.status.success() && printed(&diff).contains("1 weakened"), "{}", printed(&diff));
}
