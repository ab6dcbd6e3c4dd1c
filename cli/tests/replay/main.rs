//! The commands that run the released filter over the example's recording.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

mod changes;

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
#[ignore = "needs COUNTERSIGN_ENVOY"]
fn the_example_of_tools_comes_through_a_real_envoy_as_it_expects() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/mcp-tools");
    let (policies, recording) = (text(&folder.join("policies")), text(&folder.join("recording.jsonl")));
    let output =
        run(&["replay", &policies, &recording, "--gateway", "envoy"], &folder.join("configuration.json"));
    assert_eq!(code(&output), 0, "{}", printed(&output));
    assert!(printed(&output).contains("all 22 expectations hold"), "{}", printed(&output));
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn a_recording_may_be_piped_in() {
    let filter = std::env::var("COUNTERSIGN_WASM").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(["replay", &text(&example("policies")), "-", "--filter", &filter, "--configuration"]);
    command.arg(example("configuration.json"));
    let output = command.stdin(std::fs::File::open(example("recording.jsonl")).unwrap()).output().unwrap();
    assert!(printed(&output).contains("all 23 expectations hold"), "{}", printed(&output));
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn every_guard_is_replayed_as_its_entry_expects() {
    let filter = std::env::var("COUNTERSIGN_WASM").unwrap();
    let guards = |name: &str| text(&example("../guards").join(name));
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(["replay", &guards("policies"), &guards("recording.jsonl"), "--filter", &filter]);
    let output = command.args(["--configuration", &guards("configuration.json")]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", printed(&output));
    let entries = std::fs::read_to_string(guards("recording.jsonl")).unwrap().lines().count();
    assert!(printed(&output).contains(&format!("all {entries} expectations hold")), "{}", printed(&output));
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn every_form_of_report_names_what_differs_and_the_hashes() {
    let folder = tempfile::tempdir().unwrap();
    let policies = text(&example("policies"));
    let change = |text: String| {
        let text = text.replace("\"id\":\"read-builds\"", "\"id\":\"<b>\\n::error::x\"");
        text.replacen("\"status\":200", "\"status\":201", 1)
    };
    let path = recording(&folder, change);
    let hash = countersign_protocol::Hash::of(&std::fs::read(&path).unwrap()).to_string();
    let forms = [
        ("terminal", "`<b>\\n::error::x`"),
        ("json", r#""id": "<b>\n::error::x""#),
        ("junit", r#"testcase name="&lt;b&gt;\n::error::x""#),
        ("github", "title=<b>%0A%3A%3Aerror%3A%3Ax in "),
        ("markdown", "| &lt;b> ::error::x | status: expected 201, found 200 |"),
        ("html", r#"<td data-name="request">&#60;b&#62;\n::error::x<br>"#),
    ];
    for (form, place) in forms {
        let output = countersign(&["replay", &policies, &path, "--format", form]);
        let said = printed(&output);
        assert_eq!(code(&output), 1, "{form}: {said}");
        assert!(said.contains(place), "{form}: no `{place}` in {said}");
        assert!(said.contains(&hash), "{form}: {said}");
        let memory = [
            ("terminal", "memory     2"),
            ("markdown", "memory of workers: 2"),
            ("html", "Memory of workers: 2"),
        ];
        let memory = memory.iter().find(|(known, _)| *known == form).map(|(_, place)| *place);
        assert!(memory.is_none_or(|place| said.contains(place)), "{form}: {said}");
        let found = said.contains("expected 201, found 200") || (form == "json" && said.contains("\"201\""));
        assert!(found, "{form}: {said}");
        let commands = said.lines().filter(|line| line.trim_start().starts_with("::")).count();
        assert!(matches!((form, commands), ("github", 2) | (_, 0)), "{form}: {said}");
    }
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn people_do_what_the_command_line_says_where_the_recording_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let policies = text(&example("policies"));
    let only = |text: String| {
        let line = text.lines().find(|line| line.contains("\"rotate-a-signing-key\"")).unwrap();
        let mut entry: serde_json::Value = serde_json::from_str(line).unwrap();
        entry.as_object_mut().unwrap().retain(|name, _| name != "people" && name != "expect");
        // A service that fails says nothing of what people do.
        entry["service"] = serde_json::json!([{ "to": "1ms", "is": "error" }]);
        format!("{entry}\n")
    };
    let path = recording(&folder, only);
    let script = folder.path().join("script.json");
    std::fs::write(&script, r#"[{"after":"2s","do":"reject","by":"cleo","reason":"not today"}]"#).unwrap();
    let script = text(&script);
    let ways: [(&[&str], &str); 4] = [
        (&[], "pending"),
        (&["--approve-all"], "outcome"),
        (&["--reject-all"], "rejected"),
        (&["--script", &script], "not today"),
    ];
    for (words, came) in ways {
        let expected = [&["replay", &policies, &path, "--update"][..], words].concat();
        assert_eq!(code(&countersign(&expected)), 0, "{words:?}");
        // What came is shown when something else is expected.
        let wrong =
            std::fs::read_to_string(&path).unwrap().replace("\"decision\":\"ask\"", "\"decision\":\"deny\"");
        std::fs::write(&path, wrong).unwrap();
        let output = countersign(&[&["replay", &policies, &path][..], words].concat());
        assert_eq!(code(&output), 1);
        assert!(printed(&output).contains(came), "{words:?}: {}", printed(&output));
    }
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn the_command_line_and_the_environment_are_looked_at_first() {
    let (policies, recording) = (text(&example("policies")), text(&example("recording.jsonl")));
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        let output = command.args(["replay", &policies, &recording]).args(words).env("CI", "true").output();
        output.unwrap()
    };
    let cases: [(&[&str], i32, &str); 6] = [
        (&["--update"], 2, "`--update` is refused where `CI` is set"),
        (&["--jobs", "0"], 2, "write 1 to 1024"),
        (&["--script", "no-such-file"], 4, "cannot read `no-such-file`"),
        (&["--script", &recording], 4, "is no array of what people do"),
        (&["--filter", "no-such-file"], 4, "name it with `--filter` or `COUNTERSIGN_WASM`"),
        (&["--filter", &recording], 4, "is no WebAssembly module"),
    ];
    let both = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["replay", &policies, "-", "--chunking", "all"])
        .output();
    let both = both.unwrap();
    assert_eq!(code(&both), 2, "{}", printed(&both));
    for (words, expected, said) in cases {
        let output = run(words);
        assert_eq!(code(&output), expected, "{words:?}: {}", printed(&output));
        assert!(printed(&output).contains(said), "{words:?}: {}", printed(&output));
    }
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn a_reader_that_goes_away_is_no_panic() {
    let (policies, recording) = (text(&example("policies")), text(&example("recording.jsonl")));
    for command in [&["replay", &policies][..], &["diff", &policies, &policies], &["coverage", &policies]] {
        let filter = std::env::var("COUNTERSIGN_WASM").unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_countersign"));
        process.args(command).args([&recording, "--filter", &filter, "--configuration"]);
        process.arg(example("configuration.json")).stdout(std::process::Stdio::piped());
        let mut child = process.stderr(std::process::Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((code(&output), printed(&output)), (0, String::new()), "{command:?}");
    }
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
    let first = report();
    assert_eq!(first, report());
    // The evidence is in it by a hash over all of it, which another seed changes.
    let hash = |text: &str| -> String {
        let report: serde_json::Value = serde_json::from_str(text).unwrap();
        let sum = report["evidence"][0].clone();
        assert!(sum["records"].as_u64().unwrap() > 23, "{sum}");
        sum["sha256"].as_str().unwrap().to_owned()
    };
    let other = countersign(&["replay", &policies, &recording, "--format", "json", "--seed", "1"]);
    assert_ne!(hash(&first), hash(std::str::from_utf8(&other.stdout).unwrap()));
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn the_filter_gives_away_nothing_that_was_scrubbed() {
    let folder = tempfile::tempdir().unwrap();
    let [hidden, shown] = ["a", "b"].map(|digit| format!("scrubbed-{}", digit.repeat(32)));
    let fields = format!(r#""headers":[["authorization","Bearer {hidden}"],["x-note","{shown}"],"#);
    let path = recording(&folder, |text| text.replace("\"headers\":[", &fields));
    let output = countersign(&["replay", &text(&example("policies")), &path]);
    assert_eq!(code(&output), 0, "{}", printed(&output));
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
