//! Properties: nothing goes on without a yes, whatever arrives in whatever order; the same input gives the
//! same bytes; no grant for one request opens another.

use countersign_core::facts::RequestFacts;
use countersign_core::life::{Asking, Claiming, Enquiry, Held, Next, NoAnswer, Step};
use countersign_protocol::approval::{AskAnswer, AskResult, Claim, ClaimAnswer, ClaimResult, State};
use countersign_protocol::grant::Grant;
use countersign_protocol::{Hash, Token};
use proptest::prelude::*;

use crate::fixture::{World, approved, open, request, request_of, signed, verdict, with_header, won};

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

/// One run: the world, the question that is open and the grant that was last given, forged or not.
struct Run {
    world: World,
    yes: Yes,
    question: Option<Enquiry>,
    grant: Option<Grant>,
}

/// Runs one request through `events` and gives back all evidence, and whether it went on.
fn run(facts: RequestFacts, events: &[Event]) -> (Vec<String>, bool) {
    let mut run = Run { world: World::new(), yes: Yes::default(), question: None, grant: None };
    let mut lines = Vec::new();
    let mut step = run.world.decide(facts);
    for event in events {
        lines.extend(step.audit.iter().map(|record| record.line.clone()));
        if let Event::Time(passed) = event {
            run.world.now += passed;
        }
        step = match step.next {
            Next::Continue(_) | Next::Reply(_) => return (lines, went_on(&step.next, &run.yes)),
            Next::NeedBody(_) | Next::Keep(_) => panic!("the body was there, and no record is waited for"),
            Next::Ask(enquiry, asking) => run.asked(*enquiry, asking, event),
            Next::Wait(held) => run.waited(held, event),
            Next::Claim(claim, _, claiming) => run.claimed(&claim, *claiming, event),
        };
    }
    lines.extend(step.audit.iter().map(|record| record.line.clone()));
    (lines, went_on(&step.next, &run.yes))
}

impl Run {
    fn asked(&mut self, enquiry: Enquiry, asking: Asking, event: &Event) -> Step {
        self.yes = Yes::default();
        let result = match event {
            Event::NoAnswer | Event::Garbage => Err(NoAnswer),
            Event::Refused => Ok(AskResult::Refused { code: "no".into(), detail: "no".into() }),
            _ => Ok(open(None)),
        };
        let answer = result.map(|result| AskAnswer { nonce: enquiry.nonce, result });
        self.question = Some(enquiry);
        let at = self.world.at();
        asking.on_reply(&self.world.engine, &mut self.world.journal, answer, at)
    }

    fn waited(&mut self, held: Held, event: &Event) -> Step {
        let enquiry = self.question.clone().unwrap();
        let mut good = self.world.grant(&enquiry, &["bo"]);
        if matches!(event, Event::GrantForAnother) {
            good.digest = Hash::of(b"another");
        }
        let honest = matches!(event, Event::Honest | Event::GrantForAnother);
        let token = if honest { signed(&good) } else { "forged".into() };
        self.yes.granted = matches!(event, Event::Honest);
        self.grant = Some(good);
        match event {
            Event::OtherState(state) => self.world.verdict(held, verdict(&enquiry, *state)),
            _ => self.world.verdict(held, approved(&enquiry, &token)),
        }
    }

    fn claimed(&mut self, claim: &Claim, claiming: Claiming, event: &Event) -> Step {
        let mut receipt = self.world.receipt(&self.grant.clone().unwrap(), claim);
        let answer = match event {
            Event::Honest => Ok(won(claim, &receipt)),
            Event::ForgedReceipt => {
                receipt.nonce = Token([0; 16]);
                Ok(won(claim, &receipt))
            }
            Event::Lost(state) => {
                Ok(ClaimAnswer { nonce: claim.nonce, result: ClaimResult::Lost { state: *state } })
            }
            _ => Err(NoAnswer),
        };
        self.yes.receipted = matches!(event, Event::Honest);
        let at = self.world.at();
        claiming.on_reply(&self.world.engine, &mut self.world.journal, answer, at)
    }
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
