//! What a change of policies would do, and what pages and reports say of it.

use std::path::Path;
use std::process::Output;

use super::{code, countersign, example, printed, recording, text};

/// Puts the example's policies into a folder, but for the gate before rotations of keys; gives all gates as they are.
fn without_rotations(folder: &Path) -> String {
    for file in std::fs::read_dir(example("policies")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.join(file.file_name())).unwrap();
    }
    let gates = std::fs::read_to_string(example("policies/gates.cedar")).unwrap();
    let (before, rest) = gates.split_once("@id(\"key-rotation\")").unwrap();
    let (_, after) = rest.split_once("@id(\"role-change\")").unwrap();
    std::fs::write(folder.join("gates.cedar"), format!("{before}@id(\"role-change\"){after}")).unwrap();
    gates
}

/// Every line that the page shows below this one is printed, but for those with `…`, times and memory.
fn is_printed(page: &str, below: &str, output: &str) {
    let (_, rest) = page.split_once(below).unwrap();
    let block = rest.split("```\n").nth(1).unwrap();
    let exact = |line: &&str| !line.contains('…') && !line.contains(" s: ") && !line.starts_with("  memory");
    for line in block.lines().filter(exact) {
        assert!(output.lines().any(|printed| printed == line), "no `{line}` in\n{output}");
    }
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn a_gate_that_is_gone_is_found_by_diff() {
    let folder = tempfile::tempdir().unwrap();
    let gates = without_rotations(folder.path());
    let (old, new, recording) =
        (text(&example("policies")), text(folder.path()), text(&example("recording.jsonl")));
    let output = countersign(&["diff", &old, &new, &recording, "--fail-on", "gained,ungated"]);
    let said = printed(&output);
    assert_eq!(code(&output), 1, "{said}");
    let sample = format!("such as {recording}#rotate-a-signing-key: ");
    for line in ["ask -> allow: 11, ungated", "security: 12 before, 1 after", " resources)", &sample] {
        assert!(said.contains(line), "no `{line}` in {said}");
    }
    for form in ["junit", "github", "markdown", "html", "json"] {
        let output = countersign(&["diff", &old, &new, &recording, "--format", form, "--fail-on", "ungated"]);
        let said = printed(&output);
        let named = said.contains("recording.jsonl") && said.contains("rotate-a-signing-key");
        assert!(named && said.contains("/v1/keys/"), "{form}: {said}");
    }
    // A plot of each side: after the change fewer columns have anybody asked.
    let page = printed(&countersign(&["diff", &old, &new, &recording, "--format", "html"]));
    let plots: Vec<_> =
        page.split("<svg").skip(1).map(|plot| plot.matches("class=\"ask\"").count()).collect();
    assert!(plots.len() == 2 && plots[0] > plots[1] && plots[1] > 0, "{plots:?} in {page}");
    let agents = text(&folder.path().join("agents.cedar"));
    let output = countersign(&["diff", &old, &new, &recording, "--format", "github"]);
    let place = format!("::warning file={agents},line=17,title=ask to allow%3A 11 requests::");
    assert!(printed(&output).contains(&place), "no `{place}` in {}", printed(&output));
    // The gate is back, and asks for less.
    let weaker = gates
        .replace("@quorum(\"2\")", "@quorum(\"1\")")
        .replace("@severity(\"high\")", "@severity(\"low\")");
    std::fs::write(folder.path().join("gates.cedar"), weaker).unwrap();
    let output = countersign(&["diff", &old, &new, &recording, "--fail-on", "weakened"]);
    let said = printed(&output);
    assert_eq!(code(&output), 1, "{said}");
    for line in ["ask -> ask: ", ", weakened", "quorum of `dba`: 2 -> 1", "severity: high -> low"] {
        assert!(said.contains(line), "no `{line}` in {said}");
    }
    let output = countersign(&["diff", &old, &old, &recording, "--fail-on", "gained,ungated"]);
    assert_eq!(code(&output), 0, "{}", printed(&output));
    assert!(printed(&output).contains("nothing changes"), "{}", printed(&output));
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn how_often_people_are_asked_is_told_of_the_time_that_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let policies = text(&example("policies"));
    // The same traffic in three times the time, and again ten days later.
    let later = |days: i64| {
        let entries = std::fs::read_to_string(example("recording.jsonl")).unwrap();
        let mut entries: Vec<serde_json::Value> =
            entries.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let first = entries[0]["ts"].as_i64().unwrap();
        for entry in &mut entries {
            let ts = entry["ts"].as_i64().unwrap();
            entry["ts"] = (first + 3 * (ts - first) + days * 86_400_000).into();
        }
        let path = folder.path().join(format!("{days}.jsonl"));
        std::fs::write(&path, entries.iter().map(|entry| format!("{entry}\n")).collect::<String>()).unwrap();
        text(&path)
    };
    let (now, later) = (later(0), later(10));
    let report = |recordings: &[&str]| -> serde_json::Value {
        let words = [&["diff", &policies, &policies][..], recordings, &["--format", "json"]].concat();
        serde_json::from_slice(&countersign(&words).stdout).unwrap()
    };
    let (one, both) = (report(&[&now]), report(&[&now, &later]));
    let (seconds, daily) = (one["seconds"].as_u64().unwrap(), one["asked_daily"]["security"].clone());
    assert!(seconds >= 3_600 && daily[0].as_f64().unwrap() > 0.0, "{seconds} {daily}");
    assert_eq!((both["seconds"].as_u64().unwrap(), &both["asked_daily"]["security"]), (2 * seconds, &daily));
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn diff_and_coverage_have_the_same_forms() {
    let (policies, recording) = (text(&example("policies")), text(&example("recording.jsonl")));
    let hash = countersign_protocol::Hash::of(&std::fs::read(&recording).unwrap()).to_string();
    for (form, of_diff, of_coverage) in [
        ("terminal", "23 requests: nothing changes", "policies"),
        ("json", "\"fail_on\": []", "\"covered\": ["),
        ("junit", "<testcase name=\"weakened\">", "<testcase name=\"gates\">"),
        ("github", "::notice title=policy change::nothing changes%0A", "::notice title=coverage::"),
        ("markdown", "### Policy change: nothing changes", "### Coverage by 23 requests"),
        ("html", "<h1>Policy change: nothing changes</h1>", "<h1>Coverage by 23 requests</h1>"),
    ] {
        for (command, place) in
            [(&["diff", &policies, &policies][..], of_diff), (&["coverage", &policies], of_coverage)]
        {
            let output = countersign(&[command, &[&recording, "--format", form]].concat());
            let said = printed(&output);
            assert_eq!(code(&output), 0, "{form}: {said}");
            assert!(said.contains(place) && said.contains(&hash), "{command:?} {form}: {said}");
        }
    }
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn the_page_shows_what_is_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/replay.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = recording(&folder, |text| text.replacen("\"status\":200", "\"status\":201", 1));
    let named = |output: &Output| {
        let name = "examples/deploy-agent/recording.jsonl";
        let (path, example) = (path.as_str(), text(&example("")));
        printed(output).replace(path, name).replace(&example, "examples/deploy-agent/")
    };
    let output = countersign(&["replay", &text(&example("policies")), &path]);
    is_printed(&page, "201 was expected of the first request:", &named(&output));
    let changed = folder.path().join("policies");
    std::fs::create_dir(&changed).unwrap();
    without_rotations(&changed);
    let recording = text(&example("recording.jsonl"));
    let output = countersign(&["diff", &text(&example("policies")), &text(&changed), &recording]);
    is_printed(&page, "With the gate `key-rotation` taken out:", &named(&output));
}
