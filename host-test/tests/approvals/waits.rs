//! Asking, joining and polling.

use countersign_host_test::Cluster as _;
use countersign_host_test::approvals::{Approvals, Otherwise};
use countersign_protocol::Token;
use countersign_protocol::approval::State;
use serde_json::json;

use crate::bench::{AT, Bench, digest_of, gate, question};

#[test]
fn the_same_nonce_is_the_same_question() {
    let mut bench = Bench::new();
    let item = json!({ "nonce": Token([1; 16]), "waiter": bench.waiter, "digest": digest_of(1), "question": question() });
    let batch = json!({ "evidence": [], "items": [item] });
    let first = bench.post("/v1/requests", &batch).body;
    assert_eq!(first["items"][0]["answer_by"], json!(AT + 3_600_000));
    assert_eq!(bench.post("/v1/requests", &batch).body, first);
    let mut other = batch.clone();
    other["items"][0]["digest"] = json!(digest_of(2));
    assert_eq!(bench.post("/v1/requests", &other).body["items"][0]["code"], "nonce_reused");
}

#[test]
fn the_same_request_joins_until_the_yes_is_used() {
    let mut bench = Bench::scripted(json!([{ "after": "1s", "do": "approve" }]));
    let ticket = bench.ask();
    assert_eq!(bench.ask(), ticket);
    assert_ne!(bench.ask_again(2, &question())["ticket"], json!(ticket));
    let mut other = question();
    other["cedar"]["principal"] = json!("Agent::\"other\"");
    assert_ne!(bench.ask_again(1, &other)["ticket"], json!(ticket));
    bench.until(2_000);
    let joined = bench.ask_again(1, &question());
    assert_eq!((&joined["ticket"], &joined["verdict"]["state"]), (&json!(ticket), &json!("approved")));
    let grant = bench.grant(&joined["verdict"]).unwrap();
    let claim = bench.claim(&grant);
    bench.post("/v1/claims", &claim);
    let anew = bench.ask_again(1, &question());
    assert_ne!(anew["ticket"], json!(ticket));
    assert_eq!(anew["verdict"], json!(null));
}

#[test]
fn a_group_that_means_others_now_is_asked_anew() {
    let mut bench = Bench::new();
    let ticket = bench.ask();
    let mut corrected = question();
    corrected["gates"][0]["group"]["id"] = json!("g-new");
    assert_ne!(bench.ask_again(1, &corrected)["ticket"], json!(ticket));
    assert_eq!(bench.service.tickets()[0].state, State::Cancelled);
    assert_eq!(bench.events(), ["asked", "cancelled group_changed", "asked"]);
}

#[test]
fn what_no_policy_can_have_asked_is_refused_by_itself() {
    let mut bench = Bench::new();
    let mut none = question();
    none["gates"] = json!([]);
    assert_eq!(bench.ask_again(1, &none)["code"], "terms_out_of_range");
    let mut many = question();
    many["gates"] = json!([gate("sre", 17)]);
    assert_eq!(bench.ask_again(1, &many)["code"], "terms_out_of_range");
    assert_eq!(bench.ask_again(1, &json!({}))["code"], "malformed_question");
    assert!(bench.service.tickets().is_empty());
}

#[test]
fn nobody_answers_in_time() {
    let mut bench = Bench::scripted(json!([{ "after": "1h", "do": "approve" }]));
    bench.ask();
    bench.until(3_590_000);
    let poll = bench.wait(0);
    bench.until(3_599_999);
    assert!(bench.heard(poll).is_none());
    bench.until(3_600_000);
    assert_eq!(bench.reply(poll).body["verdicts"][0]["state"], "expired");
    assert_eq!(
        bench.events(),
        ["asked", "expired", "refused already_expired"],
        "the last moment is too late"
    );
}

#[test]
fn a_poll_ends_empty_after_its_time() {
    let mut bench = Bench::new();
    bench.ask();
    let poll = bench.wait(0);
    assert_eq!(bench.service.due(), Some(std::time::Duration::from_millis(AT + 20_000)));
    bench.until(20_000);
    assert_eq!(bench.reply(poll).body, json!({ "cursor": 0, "verdicts": [] }));
    assert_eq!(bench.service.due(), None, "what nobody listens to needs no turn");
}

#[test]
fn every_waiter_hears_each_verdict_until_it_has_seen_it() {
    let mut bench = Bench::scripted(json!([{ "after": "1s", "do": "approve" }]));
    bench.ask();
    let first = bench.wait(0);
    let other = Token([0xdd; 16]);
    let waiter = std::mem::replace(&mut bench.waiter, other);
    bench.ask();
    let second = bench.wait(0);
    bench.until(1_000);
    let heard = [bench.reply(first).body, bench.reply(second).body];
    assert_eq!(heard[0]["verdicts"], heard[1]["verdicts"]);
    assert_ne!(heard[0]["cursor"], heard[1]["cursor"]);
    let lost = bench.wait(0);
    assert_eq!(bench.reply(lost).body, heard[1], "its answer may have been lost");
    let cursor = heard[1]["cursor"].as_u64().unwrap();
    let seen = bench.wait(cursor);
    assert!(bench.heard(seen).is_none());
    let invented = bench.wait(cursor + 1);
    assert!(bench.heard(invented).is_none(), "what was seen is forgotten");
    bench.waiter = waiter;
    let invented = bench.wait(99);
    assert_eq!(bench.reply(invented).body, heard[0], "a cursor that was never given is the beginning");
}

#[test]
fn a_poll_that_is_forgotten_is_not_answered() {
    let mut bench = Bench::scripted(json!([{ "after": "1s", "do": "approve" }]));
    bench.ask();
    let poll = bench.wait(0);
    bench.service.forget(poll);
    bench.until(30_000);
    assert!(bench.heard(poll).is_none());
}

#[test]
fn only_the_gateway_is_heard() {
    let mut bench = Bench::new();
    let body = json!({ "evidence": [], "items": [] }).to_string();
    let mut status = |path: &str, kind: &str, token: &str, body: &str| {
        let (id, _) = bench.send(path, kind, token, body.as_bytes().to_vec());
        bench.reply(id).status
    };
    let token = Approvals::new(1).token().to_owned();
    assert_eq!(status("/v1/requests", "application/json", "guess", &body), 401);
    assert_eq!(status("/v1/nothing", "application/json", &token, &body), 404);
    assert_eq!(status("/v1/requests", "text/plain", &token, &body), 415);
    assert_eq!(status("/v1/requests", "application/json", &token, "{"), 400);
    assert_eq!(status("/v1/requests", "application/json", &token, "{}"), 422);
    assert_eq!(status("/v1/evidence", "application/json", &token, ""), 415);
    assert_eq!(status("/v1/requests", "application/json", &token, &body), 200);
}

#[test]
fn what_nobody_expected_goes_as_it_is_told() {
    for (otherwise, state) in [
        (Otherwise::Silence, json!(null)),
        (Otherwise::ApproveAll, json!("approved")),
        (Otherwise::RejectAll, json!("rejected")),
    ] {
        let mut bench = Bench::with(Approvals::new(1).otherwise(otherwise));
        let mut severe = question();
        severe["gates"] = json!([gate("sre", 2), gate("dba", 1)]);
        severe["terms"]["severity"] = json!("high");
        severe["terms"]["hold_ms"] = json!(500);
        bench.ask_again(1, &severe);
        bench.until(250);
        assert_eq!(bench.verdict()["state"], state);
    }
}
