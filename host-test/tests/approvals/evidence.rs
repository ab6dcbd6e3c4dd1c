//! Evidence: what is kept, acknowledged and found to be missing.

use countersign_host_test::approvals::Why;
use countersign_protocol::approval::EVIDENCE;
use countersign_protocol::{Hash, Token};
use serde_json::{Value, json};

use crate::bench::{Bench, Reply, line};

/// A lane of so many records that fit.
fn lane(lane: &str, count: u64) -> Vec<String> {
    let mut prev = Hash::ZERO;
    let next = |seq| {
        let line = line(lane, seq, prev, "allowed", json!({}));
        prev = Hash::of(line.as_bytes());
        line
    };
    (0..count).map(next).collect()
}

fn send(bench: &mut Bench, lines: &[String]) -> Reply {
    let token = bench.service.token().to_owned();
    let text = lines.join("\n") + "\n";
    let (id, _) = bench.send("/v1/evidence", EVIDENCE, &token, text.into_bytes());
    bench.reply(id)
}

fn ack(lane: &str, seq: u64) -> Value {
    json!({ "producer": Token([0xaa; 16]), "lane": lane, "seq": seq })
}

fn breaks(bench: &Bench) -> Vec<(u64, Why)> {
    bench.service.breaks().iter().map(|found| (found.seq, found.why)).collect()
}

#[test]
fn each_lane_is_acknowledged_as_far_as_it_has_no_gap() {
    let mut bench = Bench::new();
    let (held, plain) = (lane("held", 3), lane("plain", 4));
    let lines = [held.clone(), plain[..2].to_vec()].concat();
    assert_eq!(send(&mut bench, &lines).body["acked"], json!([ack("held", 2), ack("plain", 1)]));
    assert_eq!(send(&mut bench, &plain).body["acked"], json!([ack("plain", 3)]));
    let kept: Vec<_> = bench.service.records().iter().map(|record| record.line.clone()).collect();
    assert_eq!(kept, [held, plain].concat(), "each once, as they came");
    assert!(breaks(&bench).is_empty());
    assert_eq!(bench.service.take_records().len(), 7);
    assert!(bench.service.records().is_empty());
}

#[test]
fn evidence_comes_with_other_calls_too() {
    let mut bench = Bench::new();
    let lines = lane("held", 2);
    let batch = json!({ "evidence": lines, "items": [] });
    for path in ["/v1/requests", "/v1/claims", "/v1/outcomes"] {
        assert_eq!(bench.post(path, &batch).body["acked"], json!([ack("held", 1)]), "{path}");
    }
    assert_eq!(bench.service.records().len(), 2);
}

#[test]
fn what_does_not_fit_is_reported() {
    let mut bench = Bench::new();
    let lines = lane("plain", 4);
    send(&mut bench, &lines[..1]);
    let beyond = send(&mut bench, &lines[2..]).body;
    assert_eq!(
        beyond["acked"],
        json!([ack("plain", 3)]),
        "what is missing below was acknowledged to the filter"
    );
    assert_eq!(breaks(&bench), [(2, Why::Missing)]);
    send(&mut bench, &lines[1..2]);
    assert!(breaks(&bench).is_empty());
    send(&mut bench, &[line("plain", 4, Hash::ZERO, "denied", json!({}))]);
    send(&mut bench, &[line("held", 0, Hash::of(b"x"), "asked", json!({}))]);
    assert_eq!(breaks(&bench), [(0, Why::Broken), (4, Why::Broken)]);
}

#[test]
fn nothing_of_a_batch_is_kept_when_one_line_cannot_be() {
    let mut bench = Bench::new();
    let lines = lane("plain", 2);
    assert_eq!(send(&mut bench, &[lines[0].clone(), "{}".into()]).status, 422);
    assert!(bench.service.records().is_empty());
    send(&mut bench, &lines);
    let other = line("plain", 1, Hash::ZERO, "denied", json!({}));
    let next = line("plain", 2, Hash::of(lines[1].as_bytes()), "denied", json!({}));
    let conflict = send(&mut bench, &[next, other.clone()]);
    assert_eq!((conflict.status, &conflict.body["code"]), (409, &json!("evidence_conflict")));
    assert_eq!(bench.service.records().len(), 2);
    assert_eq!(breaks(&bench), [(1, Why::Conflict)]);
    let ask = json!({ "evidence": [other], "items": [] });
    assert_eq!(bench.post("/v1/requests", &ask).status, 409);
}

#[test]
fn a_lane_that_stops_short_of_its_count_was_cut_off() {
    let mut bench = Bench::new();
    let lines = lane("plain", 1);
    let prev = Hash::of(lines[0].as_bytes());
    let stop = line("plain", 1, prev, "stop", json!({ "held_records": 3, "plain_records": 2 }));
    send(&mut bench, &[lines[0].clone(), stop]);
    assert_eq!(breaks(&bench), [(0, Why::CutOff)]);
    send(&mut bench, &lane("held", 3));
    assert!(breaks(&bench).is_empty());
}
