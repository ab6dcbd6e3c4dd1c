//! Which script is whose, and that the same calls get the same bytes.

use countersign_host_test::approvals::{Approvals, Key, Otherwise, Script};
use countersign_host_test::{Answer, CallId};
use countersign_protocol::approval::State;
use countersign_protocol::jws::KeySet;
use countersign_protocol::recording::Fault;
use serde_json::json;

use crate::bench::{Bench, digest_of, key, question};

#[test]
fn scripts_of_one_key_are_used_in_order_and_the_last_one_stays() {
    let mut bench = Bench::scripted(json!([{ "after": "1s", "do": "reject", "reason": "first" }]));
    bench.expect(json!([{ "after": "1s", "do": "reject", "reason": "second" }]), json!([]));
    for digest in 1..=3 {
        bench.ask_again(digest, &question());
    }
    bench.until(1_000);
    bench.expect(json!([{ "after": "1s", "do": "reject", "reason": "third" }]), json!([]));
    bench.ask_again(4, &question());
    bench.until(2_000);
    bench.service.advance(bench.time());
    let reasons: Vec<_> =
        bench.service.tickets().iter().map(|ticket| ticket.reason.clone().unwrap()).collect();
    assert_eq!(reasons, ["first", "second", "second", "third"]);
}

#[test]
fn a_key_is_one_request() {
    let others = [
        Key { method: "PUT".into(), ..key() },
        Key { authority: "other.test".into(), ..key() },
        Key { path: "/deployments".into(), ..key() },
        Key { body_sha256: digest_of(7), ..key() },
    ];
    let mut bench = Bench::with(Approvals::new(1).otherwise(Otherwise::RejectAll));
    for other in others {
        bench.service.expect(other, Script::default(), bench.time());
    }
    bench.ask();
    assert_eq!(bench.verdict()["state"], "rejected");
    bench.expect(json!([]), json!([]));
    bench.ask();
    bench.until(bench.now + 30_000);
    assert_eq!(
        bench.service.tickets()[1].state,
        State::Rejected,
        "a script without acts says nothing of people"
    );
}

/// A run in which a bit of everything happens.
fn run(seed: u64) -> (Vec<(CallId, Answer)>, String) {
    let mut bench = Bench::with(Approvals::new(seed));
    bench.expect(
        json!([{ "after": "2s", "do": "flag", "by": "ada" }, { "after": "3s", "do": "approve", "by": "ben" },
               { "after": "3s", "do": "approve", "by": "cyd" }]),
        json!([{ "from": "1s", "to": "2500ms", "is": Fault::Half, "on": ["wait"] }]),
    );
    bench.expect(json!([{ "after": "1s", "do": "replay" }]), json!([]));
    let grant = bench.approved();
    let claim = bench.claim(&grant);
    bench.post("/v1/claims", &claim);
    bench.ask_again(2, &question());
    let poll = bench.wait(1);
    bench.until(bench.now + 20_000);
    bench.reply(poll);
    (bench.said, serde_json::to_string(bench.service.happened()).unwrap())
}

#[test]
fn the_same_calls_at_the_same_times_get_the_same_bytes() {
    assert_eq!(run(7), run(7));
    assert_ne!(run(7).0, run(8).0);
}

#[test]
fn the_key_and_the_token_follow_the_seed() {
    let (one, two) = (Approvals::new(1), Approvals::new(2));
    assert_eq!(one.jwk(), Approvals::new(1).jwk());
    assert_ne!(one.jwk(), two.jwk());
    assert_ne!(one.token(), two.token());
    assert!(one.token().len() >= 32, "what the filter takes for a token");
    assert!(KeySet::new(&[one.jwk().clone(), two.jwk().clone()]).is_ok());
}

#[test]
fn what_is_closed_can_be_forgotten() {
    let mut bench = Bench::scripted(json!([{ "after": "1s", "do": "approve" }]));
    let grant = bench.approved();
    let claim = bench.claim(&grant);
    bench.post("/v1/claims", &claim);
    let open = bench.ask_again(2, &question())["ticket"].clone();
    bench.until(bench.now + 1);
    let closed = bench.service.take_closed(bench.time());
    assert_eq!(closed.iter().map(|ticket| ticket.id).collect::<Vec<_>>(), [grant.ticket]);
    assert_eq!(json!(bench.service.tickets()[0].id), open);
    assert_eq!(bench.post("/v1/claims", &claim).body["items"][0]["state"], "unknown");
    bench.service.take_happened();
    bench.until(bench.now + 400_000);
    bench.service.advance(bench.time());
    assert!(!bench.events().contains(&"outcome_unknown".to_owned()));
}
