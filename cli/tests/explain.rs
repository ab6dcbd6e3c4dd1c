//! `countersign explain` and `countersign coverage` on the example, without a filter.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use countersign_protocol::recording::Entry;
use serde_json::{Value, json};

/// Runs the command in the example's folder, so that places in reports are short.
fn countersign(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(words).args(["--configuration", "configuration.json"]).current_dir(example());
    command.env_remove("CI").output().unwrap()
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/deploy-agent")
}

fn entries() -> Vec<Entry> {
    let text = std::fs::read_to_string(example().join("recording.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn explained(words: &[&str]) -> Value {
    let output = countersign(&[&["explain", "policies", "--format", "json"], words].concat());
    assert_eq!(code(&output), 0, "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

const AGENT: [&str; 4] = ["--claims", r#"{"agents":{"sub":"release-bot"}}"#, "--at", "2026-01-05T10:00:00Z"];

#[test]
fn every_recorded_request_is_explained_as_it_is_expected() {
    for entry in entries() {
        let name = format!("recording.jsonl#{}", entry.id);
        let report = explained(&["--entry", &name]);
        let expect = entry.expect.unwrap();
        assert_eq!(report["verdict"]["decision"], json!(expect.decision), "{name}");
        if report["verdict"]["decision"] == "deny" {
            assert_eq!(report["verdict"]["reason"], json!(expect.reason), "{name}");
            assert_eq!(report["verdict"]["status"], json!(expect.status), "{name}");
        }
        let mut policies = expect.policies.unwrap_or_default();
        policies.sort();
        assert_eq!(report["determining"].as_array().cloned().unwrap_or_default(), policies, "{name}");
    }
}

#[test]
fn what_a_recording_expects_otherwise_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    let mut entry = entries().remove(0);
    entry.expect.as_mut().unwrap().decision = Some(countersign_protocol::recording::Decision::Deny);
    std::fs::write(&path, serde_json::to_string(&entry).unwrap()).unwrap();
    let output = countersign(&["explain", "policies", "--entry", &format!("{}#read-builds", path.display())]);
    assert_eq!(code(&output), 1);
    assert!(out(&output).ends_with("The recording expects something else: deny\n"), "{}", out(&output));
}

#[test]
fn a_copied_command_line_is_explained() {
    let line = "curl https://deploy.example/v1/environments/production/deployments -H 'accept: */*' \
                --json '{\"service\":\"checkout\",\"version\":\"2.4.1\"}'";
    let report = explained(&[&["--curl", line][..], &AGENT].concat());
    assert_eq!(report["verdict"], json!({"decision": "ask"}));
    assert_eq!(report["asks"]["gates"][0]["policy"], "production-deploy");
    assert_eq!(report["query"]["context"]["service"], json!({"type": "String", "value": "checkout"}));
    let differ = &report["what_would_have_to_differ"];
    assert_eq!(differ["then"], "allow");
    assert_eq!(differ["obstacles"][0]["takes"]["be"]["text"], "resource in Deploy::Stage::\"production\"");
    assert_eq!(differ["obstacles"][0]["takes"]["be"]["must_be"], false);
}

#[test]
fn the_part_that_decides_is_named_with_its_place_and_values() {
    let report = explained(&["--entry", "recording.jsonl#export-to-somebody-else's-storage"]);
    let policies = report["policies"].as_array().unwrap();
    let policy = policies.iter().find(|policy| policy["account"]["policy"] == "export-destination").unwrap();
    assert_eq!(policy["role"], "forbid");
    let [decided] = policy["decided_by"].as_array().unwrap().as_slice() else { panic!("{policy:#}") };
    assert_eq!(decided["clause"], "unless");
    let expression = &decided["expression"];
    assert_eq!(expression["text"], r#"context.destination like "s3://exports.example/*""#);
    assert_eq!(expression["place"], json!({"file": "limits.cedar", "line": 21, "column": 10}));
    assert_eq!((&expression["came"], &expression["would"]), (&json!(false), &json!(false)));
    let reads = &expression["how"]["leaf"]["reads"];
    assert_eq!(reads, &json!([{"text": "context.destination", "value": "\"s3://elsewhere.example/\""}]));
}

#[test]
fn what_stands_behind_another_condition_is_not_evaluated() {
    let report = explained(&["--entry", "recording.jsonl#deploy-to-the-frozen-environment"]);
    let policies = report["policies"].as_array().unwrap();
    let policy = policies.iter().find(|policy| policy["account"]["policy"] == "production-window").unwrap();
    let came = policy["account"]["clauses"][1]["conjuncts"].as_array().unwrap().iter();
    let came: Vec<_> = came.map(|conjunct| (&conjunct["came"], &conjunct["would"])).collect();
    let (no, not, missing) = (json!(false), json!("not_evaluated"), json!("missing_attribute"));
    assert_eq!(came, [(&no, &no), (&not, &missing), (&not, &missing)]);
    let obstacles = report["what_would_have_to_differ"]["obstacles"].as_array().unwrap();
    assert_eq!(obstacles.len(), 1, "a permit holds: {obstacles:#?}");
    assert_eq!(report["what_would_have_to_differ"]["then"], "ask");
}

#[test]
fn without_a_permit_the_nearest_is_named() {
    let report = explained(&["--entry", "recording.jsonl#deploy-where-nothing-was-permitted"]);
    let obstacles = &report["what_would_have_to_differ"]["obstacles"];
    assert_eq!(
        (&obstacles[0]["policy"], &obstacles[0]["kind"]),
        (&json!("agents-deploy"), &json!("does_not_permit"))
    );
    assert_eq!(obstacles[0]["takes"]["one"].as_array().unwrap().len(), 2);
}

#[test]
fn json_is_read_from_a_file_in_few_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("request.json");
    let request = json!({
        "method": "DELETE",
        "host": "deploy.example",
        "path": "/v1/builds/1",
        "uri_san": "spiffe://example.org/ci/release"
    });
    std::fs::write(&path, request.to_string()).unwrap();
    let report = explained(&["--json", path.to_str().unwrap()]);
    assert_eq!(report["verdict"]["reason"], "no_route");
    assert_eq!(report["caller"]["principal"], r#"Deploy::Agent::"spiffe://example.org/ci/release""#);
    assert_eq!(report["missed_routes"][0]["misses"], "path");
}

#[test]
fn what_is_wrong_has_its_exit_code() {
    let cases: [(&[&str], i32, &str); 6] = [
        (&["--curl", "curl a -F x=1"], 2, "`--curl`: `-F` is not understood"),
        (&["--entry", "recording.jsonl"], 2, "names no entry"),
        (&["--entry", "recording.jsonl#none"], 4, "`recording.jsonl` has no entry `none`"),
        (&["--entry", "none.jsonl#a"], 4, "cannot read `none.jsonl`"),
        (&["--json", "none.json"], 4, "cannot read `none.json`"),
        (&[], 2, "required arguments"),
    ];
    for (words, expected, message) in cases {
        let output = countersign(&[&["explain", "policies"], words].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((code(&output), said.contains(message)), (expected, true), "{words:?}: {said}");
    }
}

#[test]
fn coverage_says_what_was_exercised_and_what_never() {
    let words = ["coverage", "policies", "recording.jsonl"];
    let output = countersign(&[&words[..], &["--format", "json", "--min", "50"]].concat());
    assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let covered = report["covered"].as_array().unwrap().iter();
    let covered: Vec<_> = covered.map(|part| (&part["kind"], &part["exercised"], &part["of"])).collect();
    let expected = [("policies", 8, 8), ("gates", 4, 4), ("clauses", 14, 16), ("routes", 6, 6)];
    let expected = expected.map(|(kind, exercised, of)| (json!(kind), json!(exercised), json!(of)));
    assert_eq!(
        covered,
        expected.iter().map(|(kind, exercised, of)| (kind, exercised, of)).collect::<Vec<_>>()
    );

    let output = countersign(&[&words[..], &["--format", "markdown", "--min", "90"]].concat());
    assert_eq!(code(&output), 1);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said, "87.5 % of clauses were exercised, less than 90 %\n");
    assert!(
        out(&output)
            .contains("| context.now >= resource.window.opens | never false | policies/limits.cedar:9:3 |")
    );
    let line = said.trim_end();
    for (form, place) in [
        ("markdown", "### Coverage by 23 requests: too little\n".into()),
        ("markdown", format!("**{line}**")),
        ("html", format!("<p class=\"bad\">{line}</p>")),
        ("html", "<h1 class=\"bad\">".into()),
        ("github", format!("::error::{}", line.replace('%', "%25"))),
    ] {
        let said = out(&countersign(&[&words[..], &["--format", form, "--min", "90"]].concat()));
        assert!(said.contains(&place), "{form}: no `{place}` in {said}");
    }
}

#[test]
fn what_was_never_exercised_is_annotated_where_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let first = std::fs::read_to_string(example().join("recording.jsonl")).unwrap();
    let recording = folder.path().join("one.jsonl");
    std::fs::write(&recording, first.lines().next().unwrap()).unwrap();
    let words = ["coverage", "policies", recording.to_str().unwrap(), "--format", "github"];
    let said = out(&countersign(&words));
    for place in
        ["file=policies/gates.cedar,line=20,", "file=policies/routes.yaml,line=7,title=never taken::"]
    {
        assert!(said.contains(&format!("::warning {place}")), "no `{place}` in {said}");
    }
}

#[test]
fn every_form_names_what_was_judged() {
    let hash = countersign_protocol::Hash::of(&std::fs::read(example().join("recording.jsonl")).unwrap());
    let hash = hash.to_string();
    let first = format!("recording.jsonl#{}", entries().first().unwrap().id);
    for form in ["terminal", "json", "markdown"] {
        let said = out(&countersign(&["explain", "policies", "--entry", &first, "--format", form]));
        assert!(said.contains(&hash) && said.contains("recording.jsonl"), "{form}: {said}");
        let without = if form == "json" { "\"filter\": null" } else { "judged without a filter" };
        assert!(said.contains(without), "{form}: {said}");
    }
    for form in ["terminal", "junit", "github", "markdown", "html"] {
        let said = out(&countersign(&["coverage", "policies", "recording.jsonl", "--format", form]));
        assert!(said.contains("judged without a filter"), "{form}: {said}");
    }
}

/// Every block of the guide that begins with `$ ` is what that command prints, in the example's folder.
#[test]
fn the_guide_shows_what_is_printed() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/explain.md");
    let text = std::fs::read_to_string(&guide).unwrap();
    let parts: Vec<String> = text.split("```").map(printed).collect();
    let now = parts.join("```");
    if std::env::var_os("UPDATE_GUIDE").is_some() {
        std::fs::write(&guide, &now).unwrap();
    }
    assert_eq!(text, now, "run this test with `UPDATE_GUIDE=1`");
}

/// A block with what its command prints now.
fn printed(part: &str) -> String {
    let Some(rest) = part.strip_prefix("console\n$ ") else { return part.to_owned() };
    let lines: Vec<_> = rest.split_inclusive('\n').collect();
    let words = lines.iter().position(|line| !line.ends_with("\\\n")).unwrap();
    let command: String = lines.iter().take(words + 1).copied().collect();
    let folder = Path::new(env!("CARGO_BIN_EXE_countersign")).parent().unwrap().to_owned();
    let path = std::env::join_paths(
        std::iter::once(folder).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &command]).env("PATH", path.unwrap()).current_dir(example());
    format!("console\n$ {command}{}", out(&shell.output().unwrap()))
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn the_filter_decides_as_core_does_here() {
    let filter = std::env::var("COUNTERSIGN_WASM").unwrap();
    let output = countersign(&["coverage", "policies", "recording.jsonl", "--filter", &filter]);
    assert_eq!(code(&output), 0, "{}", out(&output));
}
