//! A service that fails, in each way and at each moment.

use countersign_host_test::{Answer, Sent};
use countersign_protocol::approval::State;
use countersign_protocol::recording::{Fault, Operation};
use serde_json::{Value, json};

use crate::bench::{Bench, digest_of, question};

fn batch(bench: &mut Bench) -> Value {
    let (nonce, waiter) = (bench.fresh(), bench.waiter);
    let ask = json!({ "nonce": nonce, "waiter": waiter, "digest": digest_of(1), "question": question() });
    json!({ "evidence": [], "items": [ask] })
}

#[test]
fn each_fault_is_what_the_gateway_makes_of_it() {
    // The answer, and how many tickets there are.
    let cases = [
        (Fault::Down, Some((503, "upstream connect error")), 0),
        (Fault::Error, Some((500, "the service failed")), 0),
        (Fault::Silent, None, 0),
        (Fault::Reset, None, 0),
        (Fault::NotSent, None, 0),
        (Fault::Garbage, Some((200, "<!doctype html>")), 0),
        (Fault::Half, Some((200, r#"{"acked":[],"items":[{"nonce""#)), 1),
        (Fault::AnswerLost, None, 1),
    ];
    for (fault, answer, tickets) in cases {
        let mut bench = Bench::new();
        bench.fail(fault, &[], "0s", "10s");
        let batch = batch(&mut bench);
        let token = bench.service.token().to_owned();
        let body = batch.to_string().into_bytes();
        let (id, sent) = bench.send("/v1/requests", "application/json", &token, body);
        assert_eq!(sent == Sent::Refused, fault == Fault::NotSent);
        match answer {
            Some((status, text)) => {
                let reply = bench.reply(id);
                assert_eq!(reply.status, status, "{fault:?}");
                assert!(reply.body.as_str().unwrap().starts_with(text), "{reply:?}");
            }
            None if fault == Fault::Reset => assert_eq!(bench.heard(id), Some(&Answer::Reset)),
            None => assert_eq!(bench.heard(id), None, "{fault:?}"),
        }
        assert_eq!(bench.service.tickets().len(), tickets, "{fault:?}");
        bench.until(10_000);
        assert_eq!(bench.post("/v1/requests", &batch).body["items"][0]["result"], "open", "{fault:?}");
        assert_eq!(bench.service.tickets().len(), 1);
        assert!(bench.events()[0].starts_with("fault ") || bench.events()[1].starts_with("fault "));
    }
}

#[test]
fn only_the_calls_that_are_named_fail() {
    let mut bench = Bench::scripted(json!([{ "after": "1s", "do": "approve" }]));
    bench.fail(Fault::AnswerLost, &[Operation::Claim], "0s", "1m");
    let grant = bench.approved();
    let claim = bench.claim(&grant);
    let lost = bench.begin("/v1/claims", &claim);
    assert!(bench.heard(lost).is_none());
    assert_eq!(bench.service.tickets()[0].state, State::Consumed);
    bench.until(60_000);
    assert_eq!(bench.post("/v1/claims", &claim).body["items"][0]["result"], "won");
}

#[test]
fn a_poll_that_is_under_way_breaks_when_the_service_goes() {
    for (fault, answer) in [(Fault::Down, Some(503)), (Fault::Reset, None)] {
        let mut bench = Bench::scripted(json!([{ "after": "3s", "do": "approve" }]));
        bench.fail(fault, &[], "2s", "10s");
        bench.ask();
        let poll = bench.wait(0);
        bench.until(1_999);
        assert!(bench.heard(poll).is_none());
        bench.until(2_000);
        match answer {
            Some(status) => assert_eq!(bench.reply(poll).status, status),
            None => assert_eq!(bench.heard(poll), Some(&Answer::Reset)),
        }
        bench.until(10_000);
        assert_eq!(bench.verdict()["state"], "approved", "people answered meanwhile");
    }
}

#[test]
fn an_answer_to_a_poll_fails_like_any_other() {
    for (fault, status) in [
        (Fault::Error, Some(500)),
        (Fault::Garbage, Some(200)),
        (Fault::Half, Some(200)),
        (Fault::Silent, None),
        (Fault::AnswerLost, None),
    ] {
        let mut bench = Bench::scripted(json!([{ "after": "3s", "do": "approve" }]));
        bench.fail(fault, &[Operation::Wait], "2s", "10s");
        bench.ask();
        let poll = bench.wait(0);
        bench.until(3_000);
        match status {
            Some(status) => {
                assert_eq!(bench.reply(poll).status, status);
                assert!(bench.reply(poll).body.is_string() || status == 500, "nothing that can be read");
            }
            None => assert!(bench.heard(poll).is_none()),
        }
        bench.until(10_000);
        assert_eq!(bench.verdict()["state"], "approved");
    }
}

#[test]
fn a_poll_whose_answer_will_be_lost_waits_for_it() {
    let mut bench = Bench::scripted(json!([{ "after": "3s", "do": "approve" }]));
    bench.fail(Fault::Half, &[Operation::Wait], "0s", "1s");
    bench.ask();
    let poll = bench.wait(0);
    bench.until(2_999);
    assert!(bench.heard(poll).is_none());
    bench.until(3_000);
    assert!(bench.reply(poll).body.as_str().unwrap().starts_with("{\"cursor\":1,\"verdicts\":["));
}
