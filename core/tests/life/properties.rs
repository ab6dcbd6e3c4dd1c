//! Properties: nothing goes on without a yes, whatever arrives in whatever order; the same input gives the
//! same bytes; no grant for one request opens another.

use countersign_core::facts::RequestFacts;
use countersign_core::life::{Next, Step};
use countersign_protocol::approval::State;
use proptest::prelude::*;

use crate::fixture::{World, approved, request, request_of, signed, with_header};
use crate::run::{Event, Ran, run_late};

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

/// Runs one request through `events`; it goes on only when people and service said yes.
fn run(facts: RequestFacts, events: &[Event]) -> Ran {
    let ran = crate::run::run(World::new(), facts, events);
    assert!(!ran.on || ran.yes.is_whole(), "went on without a yes: {ran:?}");
    ran
}

proptest! {
    #[test]
    fn nothing_continues_without_a_yes(events in prop::collection::vec(event(), 0..12)) {
        run(request("POST", "/things/a/deploy"), &events);
    }

    #[test]
    fn three_honest_answers_let_it_go_on(noise in prop::collection::vec(Just(Event::OtherState(State::Pending)), 0..4)) {
        let events: Vec<_> = [Event::Honest].into_iter().chain(noise).chain([Event::Honest; 2]).collect();
        prop_assert!(run(request("POST", "/things/a/deploy"), &events).on);
    }

    #[test]
    fn the_same_input_gives_the_same_bytes(events in prop::collection::vec(event(), 0..12)) {
        let once = run(request("POST", "/things/a/deploy"), &events);
        prop_assert_eq!(once, run(request("POST", "/things/a/deploy"), &events));
    }

    #[test]
    fn a_body_that_comes_late_changes_nothing(events in prop::collection::vec(event(), 0..12)) {
        let late = run_late(World::new(), request("POST", "/things/a/deploy"), &events);
        let whole = run(request("POST", "/things/a/deploy"), &events);
        prop_assert_eq!((late.on, late.yes), (whole.on, whole.yes));
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
    fn only_what_policy_permits_goes_on_at_once(
        method in prop::sample::select(vec!["GET", "PUT", "POST", "DELETE"]),
        path in prop::sample::select(vec!["/things/a", "/things/secret", "/things/a/deploy", "/things/a/wipe", "/elsewhere"]),
        who in prop::sample::select(vec![("x-agent", "robot"), ("x-agent", "stray"), ("x-user", "ana"), ("x-nobody", "-")]),
    ) {
        let step = World::new().decide(request_of(who, method, path));
        let permitted = (method, path) == ("GET", "/things/a") && who.0 != "x-nobody";
        prop_assert_eq!(matches!(step.next, Next::Continue(_)), permitted, "{:?}", step);
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
    let caller = prop::sample::select(vec![("x-agent", "robot"), ("x-user", "cy"), ("x-user", "dee")]);
    (caller, small(), small(), small(), small(), prop::option::of(small())).prop_map(
        |(caller, thing, query, header, body, trailer)| {
            let facts = request_of(caller, "POST", &format!("/things/{thing}/deploy?q={query}"));
            let mut facts = with_header(facts, "x-extra", header);
            facts.body = Some(body.into());
            facts.trailers.extend(trailer.map(|value| (b"x-sum".to_vec(), value.into())));
            facts
        },
    )
}
