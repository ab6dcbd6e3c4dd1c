//! Filters that lie: what they say of themselves is not believed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use countersign_host_test::approvals::Approvals;
use serde_json::{Value, json};

/// What a filter does with each request, besides letting it go on.
#[derive(Default)]
struct Lies<'a> {
    /// What it leaves for the access log.
    summary: Option<Value>,
    /// What it sends to the approval service as evidence, of the first request alone.
    evidence: &'a [Value],
    /// Trailers behind it.
    trailers: &'a [(&'a str, &'a str)],
    /// What it logs.
    log: &'a str,
    /// Instructions before all that.
    first: &'a str,
}

/// Puts bytes into the memory of a module; gives where.
#[derive(Default)]
struct Data {
    text: String,
    end: usize,
}

impl Data {
    fn put(&mut self, bytes: &[u8]) -> String {
        let at = self.end + 64;
        self.end = at + bytes.len();
        let escaped: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        writeln!(self.text, "(data (i32.const {at}) \"{escaped}\")").unwrap();
        format!("(i32.const {at}) (i32.const {})", bytes.len())
    }
}

/// Header fields as proxy-wasm writes them.
fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let size = |text: &str| u32::try_from(text.len()).unwrap().to_le_bytes();
    let mut bytes = u32::try_from(fields.len()).unwrap().to_le_bytes().to_vec();
    fields.iter().for_each(|(name, value)| bytes.extend([size(name), size(value)].concat()));
    fields.iter().for_each(|(name, value)| bytes.extend(format!("{name}\0{value}\0").bytes()));
    bytes
}

impl Lies<'_> {
    /// Every service of the same seed gives the same token.
    fn filter(&self) -> Vec<u8> {
        let mut data = Data::default();
        let bearer = format!("Bearer {}", Approvals::new(0).token());
        let cluster = data.put(b"approvals");
        let head = [
            (":method", "POST"),
            (":path", "/v1/evidence"),
            (":authority", "a"),
            ("authorization", bearer.as_str()),
            ("content-type", "application/x-ndjson"),
        ];
        let (head, trailers) = (data.put(&fields(&head)), data.put(&fields(self.trailers)));
        let lines: String = self.evidence.iter().map(|record| format!("{record}\n")).collect();
        let (lines, log) = (data.put(lines.as_bytes()), data.put(self.log.as_bytes()));
        let name = data.put(b"countersign");
        let summary = data.put(self.summary.as_ref().map(Value::to_string).unwrap_or_default().as_bytes());
        let summary = match &self.summary {
            Some(_) => format!("(drop (call $set {name} {summary}))"),
            None => String::new(),
        };
        let [name_path, root_path] = ["plugin_name", "plugin_root_id"].map(|path| data.put(path.as_bytes()));
        let (first, data) = (self.first, data.text);
        let text = format!(
            r#"(module
            (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (import "env" "proxy_set_property" (func $set (param i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_http_call"
                (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_get_property" (func $get (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 2)
            {data}
            (global $requests (mut i32) (i32.const 0))
            (func $size (param i32 i32) (result i32)
                (drop (call $get (local.get 0) (local.get 1) (i32.const 0) (i32.const 4)))
                (i32.load (i32.const 4)))
            (func $name (result i32) (call $size {name_path}))
            (func $root (result i32) (call $size {root_path}))
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 100000))
            (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                {first}
                (drop (call $log (i32.const 2) {log}))
                (if (i32.eqz (global.get $requests)) (then
                    (drop (call $call {cluster} {head} {lines} {trailers} (i32.const 5000) (i32.const 0)))))
                (global.set $requests (i32.add (global.get $requests) (i32.const 1)))
                {summary}
                (i32.const 0)))"#
        );
        wat::parse_str(text).unwrap()
    }

    /// Replays two requests, two seconds apart, that are alike and that nothing permits.
    fn replayed(&self, command: &[&str]) -> (i32, String) {
        let folder = tempfile::tempdir().unwrap();
        let (filter, recording) = (folder.path().join("f.wasm"), folder.path().join("r.jsonl"));
        std::fs::write(&filter, self.filter()).unwrap();
        let entry = |number: i64| {
            json!({
                "v": 1, "id": number.to_string(), "ts": 1_767_607_620_000 + 2_000 * number, "fidelity": "client",
                "request": { "headers": [
                    [":method", "PUT"], [":scheme", "http"], [":authority", "deploy.example"], [":path", "/v1/agents"],
                    ["authorization", SECRET],
                ] },
            })
        };
        std::fs::write(&recording, format!("{}\n{}\n", entry(1), entry(2))).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(command)
            .arg(&recording)
            .arg("--filter")
            .arg(&filter)
            .arg("--configuration")
            .arg(example("configuration.json"))
            .env_remove("CI")
            .output()
            .unwrap();
        (output.status.code().unwrap(), printed(&output))
    }
}

/// A value that `record` scrubbed.
const SECRET: &str = "scrubbed-0123456789abcdef0123456789abcdef";

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/deploy-agent").join(name)
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn replay(policies: &str) -> Vec<&str> {
    vec!["replay", policies]
}

fn policies() -> String {
    example("policies").display().to_string()
}

/// The first records of a lane, each of a producer of its own so that no chain is broken.
fn record(number: u8, lane: &str, kind: &str, members: Value) -> Value {
    let mut record = json!({
        "v": 1, "producer": format!("{number:032x}"), "lane": lane, "seq": 0, "prev": "0".repeat(64),
        "ts": 1_767_607_620_001_i64, "kind": kind,
    });
    record.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    record
}

fn summary(decision: &str, ticket: Option<&str>, (number, lane): (u8, &str)) -> Value {
    json!({
        "decision": decision, "reason": null, "ticket": ticket, "enforced": true,
        "record": { "producer": format!("{number:032x}"), "lane": lane, "seq": 0 },
    })
}

fn says(said: &str, lines: &[&str]) {
    lines.iter().for_each(|line| assert!(said.contains(line), "no `{line}` in\n{said}"));
}

#[test]
fn a_filter_that_records_what_it_does_not_do_is_found() {
    let evidence = [record(1, "plain", "denied", json!({ "policies": ["x"] }))];
    let lies = Lies {
        summary: Some(summary("allowed", None, (1, "plain"))),
        evidence: &evidence,
        ..Lies::default()
    };
    let (code, said) = lies.replayed(&replay(&policies()));
    assert_eq!(code, 1);
    says(
        &said,
        &[
            "what became of it: `allowed` in the access log, `denied` in its evidence",
            "by its policies it is deny (",
            "the evidence that its line in the access log names is not there, or another's",
            "has no end: its `stop` did not come",
        ],
    );
}

#[test]
fn one_approval_for_two_requests_is_found_and_so_is_one_that_nobody_gave() {
    let (digest, ticket) = ("a".repeat(64), "a".repeat(32));
    let about = json!({ "digest": digest, "ticket": ticket });
    let kinds = ["needs_approval", "claim", "forwarded"];
    let evidence: Vec<_> =
        (1..).zip(kinds).map(|(number, kind)| record(number, "held", kind, about.clone())).collect();
    let summary = Some(summary("countersigned", Some(&ticket), (3, "held")));
    let (code, said) =
        Lies { summary, evidence: &evidence, ..Lies::default() }.replayed(&replay(&policies()));
    assert_eq!(code, 1);
    says(
        &said,
        &[
            "it went on by no claim of its own that the approval service granted",
            "there is no question of its own in its evidence",
            "the evidence that its line in the access log names is not there, or another's",
        ],
    );
}

#[test]
fn evidence_of_a_request_that_nobody_sent_is_found() {
    let evidence = [record(1, "plain", "allowed", json!({})), record(2, "plain", "allowed", json!({}))];
    let lies = Lies {
        summary: Some(summary("allowed", None, (1, "plain"))),
        evidence: &evidence,
        ..Lies::default()
    };
    let (_, said) = lies.replayed(&replay(&policies()));
    says(&said, &["`allowed`, is about no request"]);
}

#[test]
fn what_was_scrubbed_is_not_given_away() {
    let (code, said) = Lies { log: SECRET, ..Lies::default() }.replayed(&replay(&policies()));
    assert_eq!(code, 1);
    says(&said, &[&format!("a log line gives away `{SECRET}`")]);
    let evidence = [record(1, "plain", "allowed", json!({ "detail": SECRET }))];
    let trailers = [("x-trailer", SECRET)];
    for lies in
        [Lies { evidence: &evidence, ..Lies::default() }, Lies { trailers: &trailers, ..Lies::default() }]
    {
        let (_, said) = lies.replayed(&replay(&policies()));
        says(&said, &[&format!("a call of `/v1/evidence` gives away `{SECRET}`")]);
    }
    let summary = Some(json!({ "decision": "allowed", "reason": SECRET, "enforced": true }));
    let (_, said) = Lies { summary, ..Lies::default() }.replayed(&replay(&policies()));
    says(&said, &[&format!("what the access log has of it gives away `{SECRET}`")]);
}

#[test]
#[ignore = "needs COUNTERSIGN_ENVOY"]
fn what_was_scrubbed_is_not_given_away_in_a_real_envoy() {
    let evidence = [record(1, "plain", "allowed", json!({ "detail": SECRET }))];
    let summary = Some(json!({ "decision": "allowed", "reason": SECRET, "enforced": true }));
    let lies = Lies { summary, evidence: &evidence, log: SECRET, ..Lies::default() };
    let policies = policies();
    let (code, said) = lies.replayed(&["replay", &policies, "--gateway", "envoy"]);
    assert_eq!(code, 1, "{said}");
    let places = ["a log line", "a call of `/v1/evidence`", "what the access log has of it"];
    places.iter().for_each(|place| says(&said, &[&format!("{place} gives away `{SECRET}`")]));
}

#[test]
fn a_trap_has_its_own_exit_code_wherever_it_is_found() {
    let (lies, policies) = (Lies { first: "unreachable", ..Lies::default() }, policies());
    for command in [&["replay", &policies][..], &["diff", &policies, &policies], &["coverage", &policies]] {
        let (code, said) = lies.replayed(command);
        assert_eq!(code, 3, "{command:?}: {said}");
        says(&said, &["the filter traps in `proxy_on_request_headers`"]);
    }
    let (code, said) = Lies::default().replayed(&["diff", &policies, &policies]);
    assert_eq!(code, 1, "{said}");
    says(&said, &["old: `1`: the upstream got something of it without a ruling that allows it"]);
}

/// What `envoy/envoy.yaml` says of the plugin.
fn shipped(member: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy/envoy.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, plugin) = text.split_once("extensions.filters.http.wasm.v3.Wasm").unwrap();
    let lines = plugin.lines().filter_map(|line| line.trim().strip_prefix(&format!("{member}: ")));
    lines.map(str::to_owned).next().unwrap()
}

#[test]
fn the_plugin_has_the_names_that_ship() {
    let [name, root] = ["name", "root_id"].map(|member| shipped(member).len());
    let first = format!(
        "(if (i32.or (i32.ne (call $name) (i32.const {name})) (i32.ne (call $root) (i32.const {root})))
            (then unreachable))"
    );
    let (code, said) = Lies { first: &first, ..Lies::default() }.replayed(&replay(&policies()));
    assert!(code == 1 && !said.contains("traps"), "{code}: {said}");
}

#[test]
fn a_filter_that_traps_is_started_anew_as_it_ships() {
    assert_eq!(shipped("failure_policy"), "FAIL_RELOAD");
    let (code, said) = Lies { first: "unreachable", ..Lies::default() }.replayed(&replay(&policies()));
    assert_eq!(code, 3, "{said}");
    says(&said, &["the filter traps in `proxy_on_request_headers`: ", " (2 times)"]);
}

#[test]
#[ignore = "needs COUNTERSIGN_ENVOY"]
fn a_trap_in_a_real_envoy_has_that_exit_code_too() {
    let (lies, policies) = (Lies { first: "unreachable", ..Lies::default() }, policies());
    let (code, said) = lies.replayed(&["replay", &policies, "--gateway", "envoy"]);
    assert_eq!(code, 3, "{said}");
    says(&said, &["the filter traps in `proxy_on_request_headers`: ", "unreachable"]);
    // One that does not trap is broken otherwise: what it says of itself is not true.
    let (code, said) = Lies::default().replayed(&["replay", &policies, "--gateway", "envoy"]);
    assert_eq!(code, 1, "{said}");
}

#[test]
fn what_is_broken_is_no_expectation() {
    let (code, said) = Lies::default().replayed(&["replay", &policies(), "--update"]);
    assert_eq!(code, 1, "{said}");
    says(&said, &["nothing was updated: what is broken is no expectation"]);
}
