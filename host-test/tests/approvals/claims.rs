//! Claims, outcomes and what they do to a ticket.

use countersign_protocol::approval::State;
use countersign_protocol::recording::{Fault, Operation};
use countersign_protocol::{Hash, Token};
use serde_json::json;

use crate::bench::{Bench, question};

#[test]
fn the_first_claim_wins_and_the_same_again_gets_the_same_receipt() {
    let mut bench = Bench::scripted(json!([{ "after": "1s", "do": "approve" }]));
    let grant = bench.approved();
    let claim = bench.claim(&grant);
    let won = bench.post("/v1/claims", &claim).body;
    assert_eq!(won["acked"][0]["seq"], 0);
    let receipt = bench.receipt(&won["items"][0]);
    assert_eq!((receipt.ticket, receipt.jti, receipt.digest), (grant.ticket, grant.jti, grant.digest));
    assert_eq!(json!(receipt.nonce), claim["items"][0]["nonce"]);
    assert_eq!(json!(receipt.record), claim["items"][0]["record"]);
    assert_eq!((receipt.exp - receipt.iat, &receipt.iss), (60, &grant.iss));
    bench.until(bench.now + 5_000);
    assert_eq!(bench.post("/v1/claims", &claim).body, won);
    assert_eq!(bench.service.tickets()[0].used, 1);

    let second = bench.claim(&grant);
    let lost = bench.post("/v1/claims", &second).body;
    assert_eq!(lost["items"][0]["state"], "consumed");
    let mut other = claim.clone();
    other["items"][0]["digest"] = json!(Hash::of(b"another request"));
    assert_eq!(bench.post("/v1/claims", &other).body["items"][0]["result"], "lost");
}

#[test]
fn a_receipt_can_be_that_of_another_claim() {
    let mut bench = Bench::scripted(json!([{ "after": "1s", "do": "approve" }]));
    bench.fail(Fault::OtherReceipt, &[Operation::Claim], "0s", "30s");
    let grant = bench.approved();
    let claim = bench.claim(&grant);
    let won = bench.post("/v1/claims", &claim).body;
    assert_eq!(won["items"][0]["nonce"], claim["items"][0]["nonce"]);
    let receipt = bench.receipt(&won["items"][0]);
    assert_ne!(json!(receipt.nonce), claim["items"][0]["nonce"]);
    assert_eq!(json!(receipt.record), claim["items"][0]["record"]);
    bench.until(31_000);
    let again = bench.post("/v1/claims", &claim).body;
    assert_eq!(json!(bench.receipt(&again["items"][0]).nonce), claim["items"][0]["nonce"], "it was counted");
}

#[test]
fn a_claim_needs_a_record_of_its_own_and_the_right_names() {
    let mut bench = Bench::scripted(json!([{ "after": "1s", "do": "approve" }]));
    let mut twice = question();
    twice["terms"]["uses"] = json!(2);
    bench.ask_again(1, &twice);
    let verdict = bench.verdict();
    let grant = bench.grant(&verdict).unwrap();
    let good = bench.claim(&grant);
    let without = json!({ "evidence": [], "items": good["items"] });
    assert_eq!(bench.post("/v1/claims", &without).body["items"][0]["state"], "approved");
    for (member, value) in
        [("jti", json!(Token([9; 16]))), ("digest", json!(Hash::ZERO)), ("ticket", json!(Token([9; 16])))]
    {
        let mut wrong = bench.claim(&grant);
        wrong["items"][0][member] = value;
        assert_eq!(bench.post("/v1/claims", &wrong).body["items"][0]["result"], "lost", "{member}");
    }
    // The lane was sent without its first record until now.
    assert_eq!(bench.post("/v1/claims", &good).body["items"][0]["result"], "won");
    let mut same_record = good.clone();
    same_record["items"][0]["nonce"] = json!(Token([8; 16]));
    assert_eq!(bench.post("/v1/claims", &same_record).body["items"][0]["state"], "approved");
    let second = bench.claim(&grant);
    assert_eq!(bench.post("/v1/claims", &second).body["items"][0]["result"], "won");
    assert_eq!(bench.service.tickets()[0].state, State::Consumed);
}

#[test]
fn a_yes_lapses_at_its_very_moment() {
    let mut bench = Bench::scripted(json!([{ "after": "1s", "do": "approve" }]));
    let grant = bench.approved();
    bench.now = 601_000;
    let claim = bench.claim(&grant);
    assert_eq!(bench.post("/v1/claims", &claim).body["items"][0]["state"], "expired");
}

#[test]
fn a_forwarded_request_is_noted_once_and_one_nobody_reports_is_unknown() {
    let mut bench = Bench::scripted(json!([{ "after": "1s", "do": "approve" }]));
    let grant = bench.approved();
    let claim = bench.claim(&grant);
    bench.post("/v1/claims", &claim);
    let nonce = claim["items"][0]["nonce"].clone();
    let forwarded = json!({ "ticket": grant.ticket, "event": "forwarded", "nonce": nonce, "status": 201 });
    let batch = json!({ "evidence": [], "items": [forwarded] });
    bench.until(bench.now + 301_000);
    assert_eq!(bench.post("/v1/outcomes", &batch).body, json!({ "acked": [] }));
    bench.post("/v1/outcomes", &batch);
    let after = ["claimed", "outcome_unknown", "forwarded 201"];
    assert_eq!(bench.events()[3..], after.map(String::from));
}

#[test]
fn a_grant_that_is_not_believed_is_asked_again_or_closed() {
    for (remedy, state) in [("reopen", "pending"), ("revoke", "revoked")] {
        let mut bench = Bench::scripted(json!([
            { "after": "1s", "do": "approve", "by": "ada" },
            { "after": "30s", "do": "approve", "by": "ada" },
        ]));
        let grant = bench.approved();
        let refused = json!({
            "ticket": grant.ticket, "event": "grant_refused", "jti": grant.jti, "code": "same_person_twice",
            "answers": [grant.answers[0].id], "remedy": remedy,
        });
        let batch = json!({ "evidence": [], "items": [refused, refused] });
        bench.post("/v1/outcomes", &batch);
        let poll = bench.wait(1);
        let verdict = bench.reply(poll).body["verdicts"][0].clone();
        assert_eq!((&verdict["state"], &verdict["grant"]), (&json!(state), &json!(null)));
        bench.until(40_000);
        let again = bench.service.tickets()[0];
        match remedy {
            "reopen" => {
                assert_eq!(again.state, State::Approved, "ada's dropped yes does not stand in her way");
                assert_ne!(again.jti, Some(grant.jti));
            }
            _ => assert_eq!(again.state, State::Revoked),
        }
    }
}

#[test]
fn a_ticket_outlives_its_last_client_by_two_minutes() {
    let left = |ticket: &str, nonce: u8| {
        let left = json!({ "ticket": ticket, "event": "client_left", "nonce": Token([nonce; 16]) });
        json!({ "evidence": [], "items": [left] })
    };
    let mut bench = Bench::new();
    let ticket = bench.ask();
    bench.ask();
    bench.post("/v1/outcomes", &left(&ticket, 1));
    assert_eq!(bench.service.tickets()[0].cancel_at, None, "the other still waits");
    bench.until(1_000);
    bench.post("/v1/outcomes", &left(&ticket, 2));
    bench.until(120_999);
    assert_eq!(bench.service.tickets()[0].state, State::Pending);
    bench.ask();
    bench.until(200_000);
    assert_eq!(bench.service.tickets()[0].state, State::Pending, "it came again");
    bench.post("/v1/outcomes", &left(&ticket, 3));
    bench.until(320_000);
    assert_eq!(bench.service.tickets()[0].state, State::Cancelled);
    assert_eq!(bench.service.tickets().len(), 1);
    assert_ne!(bench.ask(), ticket);
}
