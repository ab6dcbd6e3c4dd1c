//! The commands that run the released filter over the example's recording.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// `cargo xtask test` builds the filter and names it here.
fn countersign(words: &[&str]) -> Output {
    run(words, &example("configuration.json"))
}

fn run(words: &[&str], configuration: &Path) -> Output {
    let filter = std::env::var("COUNTERSIGN_WASM").expect("COUNTERSIGN_WASM names no filter");
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(words).args(["--filter", &filter, "--configuration"]);
    command.arg(configuration).env_remove("CI").output().unwrap()
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/deploy-agent").join(name)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// A copy of the example's recording in which `change` was made.
fn recording(folder: &tempfile::TempDir, change: impl Fn(String) -> String) -> String {
    let path = folder.path().join("recording.jsonl");
    std::fs::write(&path, change(std::fs::read_to_string(example("recording.jsonl")).unwrap())).unwrap();
    text(&path)
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn the_example_replays_as_it_expects_in_every_way_that_bodies_come() {
    let (policies, recording) = (text(&example("policies")), text(&example("recording.jsonl")));
    for words in [&["--chunking", "all"][..], &["--workers", "3", "--jobs", "2", "--seed", "7"]] {
        let output = countersign(&[&["replay", &policies, &recording][..], words].concat());
        assert_eq!(code(&output), 0, "{words:?}: {}", printed(&output));
        assert!(printed(&output).contains("all 23 expectations hold"), "{}", printed(&output));
    }
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn the_example_of_tools_replays_as_it_expects_in_every_way_that_bodies_come() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/mcp-tools");
    let (policies, recording) = (text(&folder.join("policies")), text(&folder.join("recording.jsonl")));
    let words = ["replay", &policies, &recording, "--chunking", "all"];
    let output = run(&words, &folder.join("configuration.json"));
    assert_eq!(code(&output), 0, "{}", printed(&output));
    assert!(printed(&output).contains("all 22 expectations hold"), "{}", printed(&output));
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn two_replays_give_the_same_bytes() {
    let (policies, recording) = (text(&example("policies")), text(&example("recording.jsonl")));
    let report = || {
        let output = countersign(&["replay", &policies, &recording, "--format", "json", "--approve-all"]);
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().filter(|line| !line.contains("\"seconds\"")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(report(), report());
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn what_differs_is_named_with_the_policy_that_decided_and_can_be_made_the_expectation() {
    let folder = tempfile::tempdir().unwrap();
    let policies = text(&example("policies"));
    let path = recording(&folder, |text| text.replace("\"status\":503", "\"status\":500"));
    let output = countersign(&["replay", &policies, &path]);
    let said = printed(&output);
    assert_eq!(code(&output), 1, "{said}");
    assert!(said.contains("status: expected 500, found 503"), "{said}");
    assert!(said.contains("decided by key-rotation") && said.contains("gates.cedar:"), "{said}");
    assert!(said.contains("2 of 23 requests are not as they must be"), "{said}");
    assert_eq!(code(&countersign(&["replay", &policies, &path, "--update"])), 0);
    let output = countersign(&["replay", &policies, &path]);
    assert_eq!(code(&output), 0, "{}", printed(&output));
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn what_cannot_be_read_has_its_own_exit_code_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let policies = text(&example("policies"));
    let path = recording(&folder, |text| text.replacen("\"ts\"", "\"time\"", 1));
    let before = std::fs::read(&path).unwrap();
    let output = countersign(&["replay", &policies, &path, "--update"]);
    assert_eq!(code(&output), 4, "{}", printed(&output));
    assert!(printed(&output).contains("recording.jsonl:1"), "{}", printed(&output));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let output = countersign(&["replay", &policies, "no-such-file"]);
    assert_eq!(code(&output), 4, "{}", printed(&output));
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn a_gate_that_is_gone_is_found_by_diff() {
    let folder = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(example("policies")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    let gates = folder.path().join("gates.cedar");
    let text_of = std::fs::read_to_string(&gates).unwrap();
    let (before, rest) = text_of.split_once("@id(\"key-rotation\")").unwrap();
    let (_, after) = rest.split_once("@id(\"role-change\")").unwrap();
    std::fs::write(&gates, format!("{before}@id(\"role-change\"){after}")).unwrap();
    let (old, new, recording) =
        (text(&example("policies")), text(folder.path()), text(&example("recording.jsonl")));
    let output = countersign(&["diff", &old, &new, &recording, "--fail-on", "gained,ungated"]);
    let said = printed(&output);
    assert_eq!(code(&output), 1, "{said}");
    for line in ["ask -> allow: 11, ungated", "security: 12.0 before, 1.0 after (-11.0)"] {
        assert!(said.contains(line), "{said}");
    }
    let output = countersign(&["diff", &old, &old, &recording, "--fail-on", "gained,ungated"]);
    assert_eq!(code(&output), 0, "{}", printed(&output));
    assert!(printed(&output).contains("nothing changes"), "{}", printed(&output));
}
