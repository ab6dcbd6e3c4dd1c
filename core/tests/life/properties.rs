//! Properties: nothing goes on without a yes, whatever arrives in whatever order; the same input gives the
//! same bytes; no grant for one request opens another.

use countersign_core::facts::RequestFacts;
use countersign_core::life::{Next, NoAnswer, Step};
use countersign_protocol::approval::{AskAnswer, AskResult, ClaimAnswer, ClaimResult, State, Verdict};
use countersign_protocol::{Hash, Token};
use proptest::prelude::*;

use crate::fixture::{TICKET, World, approved, open, request, signed, with_header, won};

/// What may happen to a gated request; `Honest` alone is what a good service does at that point.
#[derive(Debug, Clone, Copy)]
enum Event {
    Honest,
    NoAnswer,
    Refused,
    ForgedGrant,
    GrantForAnother,
    Garbage,
    OtherState(State),
    ForgedReceipt,
    Lost(State),
    Time(i64),
}

fn event() -> impl Strategy<Value = Event> {
    let state = || {
        prop::sample::select(vec![
            State::Pending,
            State::Consumed,
            State::Rejected,
            State::Expired,
            State::Revoked,
            State::Cancelled,
            State::Unknown,
        ])
    };
    prop_oneof![
        3 => Just(Event::Honest),
        1 => Just(Event::NoAnswer),
        1 => Just(Event::Refused),
        1 => Just(Event::ForgedGrant),
        1 => Just(Event::GrantForAnother),
        1 => Just(Event::Garbage),
        2 => state().prop_map(Event::OtherState),
        1 => Just(Event::ForgedReceipt),
        2 => state().prop_map(Event::Lost),
        2 => (0..30_000_i64).prop_map(Event::Time),
    ]
}

/// Whether people said yes and the service counted the use, for the question that is open now.
#[derive(Debug, Default)]
struct Yes {
    granted: bool,
    receipted: bool,
}

/// Runs one request through `events` and gives back all evidence, and whether it went on.
fn run(facts: RequestFacts, events: &[Event]) -> (Vec<String>, bool) {
    let mut world = World::new();
    let mut yes = Yes::default();
    let mut lines = Vec::new();
    let mut step = world.decide(facts);
    let mut question = None;
    let mut grant = None;
    for event in events {
        lines.extend(step.audit.iter().map(|record| record.line.clone()));
        if let Event::Time(passed) = event {
            world.now += passed;
        }
        step = match step.next {
            Next::Continue(_) | Next::Reply(_) => return (lines, went_on(&step.next, &yes)),
            Next::NeedBody(_) => panic!("the body was there"),
            Next::Ask(enquiry, asking) => {
                yes = Yes::default();
                let result = match event {
                    Event::NoAnswer | Event::Garbage => Err(NoAnswer),
                    Event::Refused => Ok(AskResult::Refused { code: "no".into(), detail: "no".into() }),
                    _ => Ok(open(None)),
                };
                let answer = result.map(|result| AskAnswer { nonce: enquiry.nonce, result });
                question = Some(*enquiry);
                let at = world.at();
                asking.on_reply(&world.engine, &mut world.journal, answer, at)
            }
            Next::Wait(held) => {
                let enquiry = question.clone().unwrap();
                let mut good = world.grant(&enquiry, &["bo"]);
                let token = match event {
                    Event::Honest => signed(&good),
                    Event::GrantForAnother => {
                        good.digest = Hash::of(b"another");
                        signed(&good)
                    }
                    _ => "forged".into(),
                };
                yes.granted = matches!(event, Event::Honest);
                grant = Some(good);
                let verdict = match event {
                    Event::OtherState(state) => Verdict {
                        ticket: TICKET,
                        digest: enquiry.digest,
                        state: *state,
                        grant: None,
                        reason: None,
                    },
                    _ => approved(&enquiry, &token),
                };
                world.verdict(held, verdict)
            }
            Next::Claim(claim, _, claiming) => {
                let used = grant.clone().unwrap();
                let mut receipt = world.receipt(&used, &claim);
                let answer = match event {
                    Event::Honest => Ok(won(&claim, &receipt)),
                    Event::ForgedReceipt => {
                        receipt.nonce = Token([0; 16]);
                        Ok(won(&claim, &receipt))
                    }
                    Event::Lost(state) => {
                        Ok(ClaimAnswer { nonce: claim.nonce, result: ClaimResult::Lost { state: *state } })
                    }
                    _ => Err(NoAnswer),
                };
                yes.receipted = matches!(event, Event::Honest);
                let at = world.at();
                claiming.on_reply(&world.engine, &mut world.journal, answer, at)
            }
        };
    }
    lines.extend(step.audit.iter().map(|record| record.line.clone()));
    (lines, went_on(&step.next, &yes))
}

/// A request that goes on without a yes fails the test, here and nowhere else.
fn went_on(next: &Next, yes: &Yes) -> bool {
    let on = matches!(next, Next::Continue(_));
    assert!(!on || (yes.granted && yes.receipted), "went on without a yes: {yes:?}");
    on
}

proptest! {
    #[test]
    fn nothing_continues_without_a_yes(events in prop::collection::vec(event(), 0..12)) {
        run(request("POST", "/things/a/deploy"), &events);
    }

    #[test]
    fn three_honest_answers_let_it_go_on(noise in prop::collection::vec(Just(Event::OtherState(State::Pending)), 0..4)) {
        let events: Vec<_> = [Event::Honest].into_iter().chain(noise).chain([Event::Honest; 2]).collect();
        prop_assert!(run(request("POST", "/things/a/deploy"), &events).1);
    }

    #[test]
    fn the_same_input_gives_the_same_bytes(events in prop::collection::vec(event(), 0..12)) {
        let once = run(request("POST", "/things/a/deploy"), &events);
        prop_assert_eq!(once, run(request("POST", "/things/a/deploy"), &events));
    }

    #[test]
    fn no_grant_for_one_request_opens_another(
        (left, right) in (variant(), variant()).prop_filter("different", |(left, right)| left != right)
    ) {
        let mut world = World::new();
        let (enquiry, _) = world.hold(left);
        let (_, other) = world.hold(right);
        let grant = world.grant(&enquiry, &["bo"]);
        let step: Step = world.verdict(other, approved(&enquiry, &signed(&grant)));
        prop_assert!(matches!(step.next, Next::Wait(_)), "{:?}", step);
    }

    #[test]
    fn bytes_of_any_kind_are_ruled_on_without_a_panic(
        path in prop::collection::vec(any::<u8>(), 0..40),
        name in prop::collection::vec(any::<u8>(), 0..12),
        value in prop::collection::vec(any::<u8>(), 0..40),
        body in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let mut facts = request("POST", "/");
        facts.headers[3].1 = path;
        facts.headers.push((name, value));
        facts.body = Some(body);
        let step = World::new().decide(facts);
        prop_assert!(!matches!(step.next, Next::NeedBody(_)));
    }
}

/// Gated requests that differ in thing, query, header, body, caller or trailer.
fn variant() -> impl Strategy<Value = RequestFacts> {
    let small = || prop::sample::select(vec!["a", "b"]);
    (small(), small(), small(), small(), prop::option::of(small())).prop_map(
        |(thing, query, header, body, trailer)| {
            let facts = request("POST", &format!("/things/{thing}/deploy?q={query}"));
            let mut facts = with_header(facts, "x-extra", header);
            facts.body = Some(body.into());
            facts.trailers.extend(trailer.map(|value| (b"x-sum".to_vec(), value.into())));
            facts
        },
    )
}
