//! The ways that a held request goes right.

use countersign_core::denial::Reason;
use countersign_core::facts::RequestFacts;
use countersign_core::life::Next;
use countersign_protocol::approval::{ClaimAnswer, ClaimResult, OutcomeEvent, State};
use countersign_protocol::evidence::Lane;

use serde_json::json;

use crate::fixture::{
    IDENTITIES, World, approved, configuration, load, reply, request, signed, verdict, with_header, won,
};

#[test]
fn an_approved_request_goes_on_after_the_service_counted_it() {
    let mut world = World::new();
    let (grant, claim, claiming) = world.claim(request("POST", "/things/a/deploy"));
    let receipt = world.receipt(&grant, &claim);
    let step = world.claimed(claiming, won(&claim, &receipt));
    let Next::Continue(permit) = step.next else { panic!("{step:?}") };
    let summary = step.decision.unwrap().summary(step.audit.last());
    assert!(summary.contains(r#""decision":"countersigned""#), "{summary}");
    let last = &step.audit.last().unwrap().envelope;
    assert!(summary.contains(&format!(r#""lane":"held","seq":{}}}"#, last.seq)), "{summary}");
    let (record, outcome) = permit.outcome(&mut world.journal, Some(201), world.now).unwrap();
    assert_eq!((record.envelope.lane, record.envelope.kind.as_str()), (Lane::Held, "outcome"));
    assert_eq!(outcome.event, OutcomeEvent::Forwarded { nonce: claim.nonce, status: Some(201) });
}

#[test]
fn the_claim_carries_the_hash_of_its_own_record() {
    let mut world = World::new();
    let (enquiry, held) = world.hold(request("POST", "/things/a/deploy"));
    let grant = world.grant(&enquiry, &["bo"]);
    let step = world.verdict(held, approved(&enquiry, &signed(&grant)));
    let Next::Claim(claim, ..) = &step.next else { panic!("{step:?}") };
    let [record] = step.audit.as_slice() else { panic!("{step:?}") };
    assert_eq!((claim.record, record.envelope.kind.as_str()), (record.hash, "claim"));
}

#[test]
fn a_hold_that_ends_tells_the_client_to_come_back() {
    let mut world = World::new();
    let (_, held) = world.hold(request("POST", "/things/a/deploy"));
    assert_eq!(held.until(), world.now + 20_000);
    let step = held.on_deadline(&world.engine, &mut world.journal, world.now + 20_000);
    let reply = crate::fixture::reply(step);
    assert_eq!(reply.status, 403);
    assert!(reply.headers.iter().any(|(name, _)| *name == "retry-after"));
    assert!(reply.body.contains("/.well-known/countersign/tickets/08080808"), "{}", reply.body);
}

#[test]
fn without_room_to_hold_it_people_are_asked_and_the_client_is_told_at_once() {
    let mut world = World::new();
    let Next::Ask(mut enquiry, asking) = world.decide(request("POST", "/things/a/deploy")).next else {
        panic!("nothing was asked")
    };
    let asking = asking.without_hold(&mut enquiry, world.now);
    assert_eq!(enquiry.question.terms.hold_ms, 0, "the service must not say that somebody waits");
    let answer = countersign_protocol::approval::AskAnswer {
        nonce: enquiry.nonce,
        result: crate::fixture::open(None),
    };
    let at = world.at();
    let step = asking.on_reply(&world.engine, &mut world.journal, Ok(answer), at);
    let reply = crate::fixture::reply(step);
    assert_eq!((reply.reason, reply.status), (Reason::Pending, 403));
    assert!(reply.headers.contains(&("retry-after", "4".into())), "{:?}", reply.headers);
}

#[test]
fn without_room_to_hold_it_an_answer_that_is_there_already_counts() {
    let mut world = World::new();
    let Next::Ask(mut enquiry, asking) = world.decide(request("POST", "/things/a/deploy")).next else {
        panic!("nothing was asked")
    };
    let asking = asking.without_hold(&mut enquiry, world.now);
    let verdict = approved(&enquiry, &signed(&world.grant(&enquiry, &["bo"])));
    let answer = countersign_protocol::approval::AskAnswer {
        nonce: enquiry.nonce,
        result: crate::fixture::open(Some(verdict)),
    };
    let at = world.at();
    let step = asking.on_reply(&world.engine, &mut world.journal, Ok(answer), at);
    assert!(matches!(step.next, Next::Claim(..)), "{step:?}");
}

#[test]
fn a_fast_clock_does_not_waste_a_use_that_was_counted() {
    let mut world = World::new();
    let (grant, claim, claiming) = world.claim(request("POST", "/things/a/deploy"));
    let receipt = world.receipt(&grant, &claim);
    world.now += 300_000;
    let step = world.claimed(claiming, won(&claim, &receipt));
    assert!(matches!(step.next, Next::Continue(_)), "{step:?}");
}

#[test]
fn a_twin_that_loses_the_claim_asks_anew_within_the_same_hold() {
    let mut world = World::new();
    let (_, claim, claiming) = world.claim(request("POST", "/things/a/deploy"));
    world.now += 5_000;
    let lost = ClaimAnswer { nonce: claim.nonce, result: ClaimResult::Lost { state: State::Consumed } };
    let Next::Ask(enquiry, asking) = world.claimed(claiming, lost).next else { panic!("not asked anew") };
    assert_ne!(enquiry.nonce, claim.nonce);
    let answer = countersign_protocol::approval::AskAnswer {
        nonce: enquiry.nonce,
        result: crate::fixture::open(None),
    };
    let at = world.at();
    let step = asking.on_reply(&world.engine, &mut world.journal, Ok(answer), at);
    let Next::Wait(held) = step.next else { panic!("{step:?}") };
    assert_eq!(held.until(), world.now + 15_000);
}

#[test]
fn an_unanswered_claim_is_sent_again_with_the_same_nonce_until_its_time_is_over() {
    let mut world = World::new();
    let (_, first, mut claiming) = world.claim(request("POST", "/things/a/deploy"));
    let until = world.now + 20_000;
    loop {
        let at = world.at();
        let step =
            claiming.on_reply(&world.engine, &mut world.journal, Err(countersign_core::life::NoAnswer), at);
        match step.next {
            Next::Claim(again, not_before, state) => {
                assert_eq!(again, first);
                assert!(not_before > world.now && world.now < until);
                (claiming, world.now) = (*state, not_before);
            }
            Next::Reply(reply) => {
                assert_eq!((reply.status, world.now >= until), (503, true));
                return;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn verdicts_that_are_no_yes_keep_it_waiting_or_end_it() {
    for (state, ends) in [(State::Pending, false), (State::Unknown, false), (State::Rejected, true)] {
        let mut world = World::new();
        let (enquiry, held) = world.hold(request("POST", "/things/a/deploy"));
        let step = world.verdict(held, verdict(&enquiry, state));
        assert_eq!(matches!(step.next, Next::Reply(_)), ends, "{state:?}");
        assert_eq!(matches!(step.next, Next::Wait(_)), !ends, "{state:?}");
    }
}

#[test]
fn a_gate_that_other_people_open_now_was_not_part_of_the_question() {
    let mut world = World::new();
    let (enquiry, held) = world.hold(request("POST", "/things/a/deploy"));
    let grant = world.grant(&enquiry, &["bo"]);
    let mut remapped = configuration(json!({}));
    let identities = IDENTITIES.replace("id: sre }", "id: others }");
    remapped["bundle"]["files"]["identities.yaml"] = json!(identities);
    world.engine = load(&remapped);
    let reply = reply(world.verdict(held, approved(&enquiry, &signed(&grant))));
    assert_eq!(reply.reason, Reason::GatesChanged);
}

#[test]
fn a_body_is_not_judged_with_less_than_its_sources_read() {
    let mut world = World::new();
    let headers = RequestFacts { body: None, ..request("POST", "/things/a/deploy") };
    let Next::NeedBody(state) = world.decide(headers).next else { panic!("no body is wanted") };
    world.engine = load(&configuration(json!({ "identity": [
        { "kind": "jwt", "metadata": "people", "principal": { "type": "User" } },
        { "kind": "header", "name": "x-agent", "peers": ["127.0.0.0/8"], "type": "Agent" },
    ] })));
    let at = world.at();
    let step = state.on_body(&world.engine, &mut world.journal, b"{}".to_vec(), Vec::new(), at);
    assert_eq!(reply(step).reason, Reason::ServiceUnavailable);
}

#[test]
fn a_client_that_leaves_is_reported_with_its_ticket() {
    let mut world = World::new();
    let (enquiry, held) = world.hold(request("POST", "/things/a/deploy"));
    let left = held.on_client_left(&mut world.journal, world.now);
    assert_eq!(left.record.envelope.kind, "client_left");
    assert_eq!(left.tell.unwrap().event, OutcomeEvent::ClientLeft { nonce: enquiry.nonce });
}

#[test]
fn observing_lets_everything_go_on_and_says_so() {
    let mut world = World::with(json!({"mode": "observe"}));
    for (method, path) in [("POST", "/things/a/deploy"), ("PUT", "/things/a"), ("GET", "/nowhere")] {
        let step = world.decide(request(method, path));
        assert!(matches!(step.next, Next::Continue(_)), "{path}: {step:?}");
        assert!(step.audit[0].line.contains(r#""enforced":false"#), "{}", step.audit[0].line);
    }
}

#[test]
fn an_allow_that_must_be_on_record_waits_until_it_is() {
    let mut world = World::new();
    let step = world.decide(request("GET", "/things/ledger"));
    let [record] = step.audit.as_slice() else { panic!("{step:?}") };
    assert_eq!((record.envelope.lane, record.envelope.kind.as_str()), (Lane::Held, "allowed"));
    let Next::Keep(keeping) = step.next else { panic!("{:?}", step.next) };
    assert_eq!((keeping.seq(), keeping.until()), (0, world.now + 5_000));
    let seq = keeping.seq();
    let step = keeping.on_kept();
    assert!(matches!(step.next, Next::Continue(_)));
    assert_eq!(step.kept.map(|record| record.envelope.seq), Some(seq), "the access log names the record");
    let Next::Keep(keeping) = world.decide(request("GET", "/things/ledger")).next else { panic!("not kept") };
    let step = keeping.on_deadline(&mut world.journal, world.now + 5_000);
    assert_eq!(crate::fixture::reply(step).status, 503);
}

#[test]
fn what_follows_an_upgrade_is_no_body_to_be_waited_for() {
    let upgrade = |more: &[(&str, &str)]| {
        let fields = [("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")];
        let facts = RequestFacts { body: None, ..request("POST", "/things/a/deploy") };
        fields.iter().chain(more).fold(facts, |facts, (name, value)| with_header(facts, name, value))
    };
    let relaxed = || World::with(json!({"relax": ["upgrades"]}));
    assert_eq!(reply(World::new().decide(upgrade(&[]))).reason, Reason::Ambiguous);
    let (enquiry, _) = relaxed().hold(upgrade(&[]));
    let whole = RequestFacts { body: Some(Vec::new()), ..upgrade(&[]) };
    assert_eq!(enquiry.digest, relaxed().hold(whole).0.digest);
    for framing in [("content-length", "9"), ("transfer-encoding", "chunked")] {
        let next = relaxed().decide(upgrade(&[framing])).next;
        assert!(matches!(next, Next::NeedBody(_)), "{framing:?}: {next:?}");
    }
    let plain = with_header(
        RequestFacts { body: None, ..request("POST", "/things/a/deploy") },
        "upgrade",
        "websocket",
    );
    assert!(matches!(relaxed().decide(plain).next, Next::NeedBody(_)));
}
