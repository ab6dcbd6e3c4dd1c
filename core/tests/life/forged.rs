//! Grants and receipts that must not count, each signed by the real key and wrong in one way.

use countersign_core::denial::Reason;
use countersign_core::life::Next;
use countersign_protocol::approval::{OutcomeEvent, Remedy};
use countersign_protocol::grant::{Grant, Receipt};
use countersign_protocol::person::Person;
use countersign_protocol::{Hash, Token};
use ed25519_dalek::SigningKey;

use crate::fixture::{World, answer, approved, reply, request, signed, won};

type Change = fn(&mut Grant);

/// What is wrong with a grant, and the code under which it is refused.
const GRANTS: [(&str, Change); 18] = [
    ("other_issuer", |g| g.iss = "elsewhere".into()),
    ("other_audience", |g| g.aud = "another gateway".into()),
    ("from_the_future", |g| g.iat += 31),
    ("not_yet_valid", |g| g.nbf += 31),
    ("lapsed", |g| g.exp = g.iat),
    ("valid_too_long", |g| g.exp = g.iat + 602),
    ("other_ticket", |g| g.ticket = Token([0; 16])),
    ("other_digest", |g| g.digest = Hash::of(b"another request")),
    ("other_uses", |g| g.uses = 0),
    ("other_uses", |g| g.uses = 2),
    ("quorum_missing", |g| g.answers.clear()),
    ("self_approval", |g| g.answers[0].person.subject = "ana".into()),
    ("identity_not_comparable", |g| g.answers[0].person.issuer = "elsewhere".into()),
    ("account_too_young", |g| g.answers[0].account_since = g.asked_at + 1),
    ("not_in_group", |g| g.answers[0].groups[0].since = g.asked_at + 1),
    ("not_in_group", |g| g.answers[0].groups.clear()),
    ("quorum_missing", |g| g.flaggers.push(Person { issuer: "local".into(), subject: "cy".into() })),
    ("same_person_twice", |g| g.flaggers.push(g.answers[0].person.clone())),
];

#[test]
fn a_grant_that_is_wrong_in_one_way_is_refused_reported_and_waited_on() {
    for (code, change) in GRANTS {
        let mut world = World::new();
        let (enquiry, held) = world.hold(request("POST", "/things/a/deploy"));
        let mut grant = world.grant(&enquiry, &["bo"]);
        change(&mut grant);
        let step = world.verdict(held, approved(&enquiry, &signed(&grant)));
        assert!(matches!(step.next, Next::Wait(_)), "{code}: {step:?}");
        if ["from_the_future", "not_yet_valid", "lapsed"].contains(&code) {
            assert!(step.tell.is_empty() && step.audit[0].line.contains(code), "{step:?}");
            continue;
        }
        let OutcomeEvent::GrantRefused { code: told, remedy, .. } = &step.tell[0].event else {
            panic!("{code}: {step:?}")
        };
        assert_eq!((told.as_str(), *remedy), (code, Remedy::Reopen));
    }
}

/// Grants of people who were asked about other gates.
const OTHER_GATES: [Change; 3] = [
    |g| g.gates.clear(),
    |g| g.gates[0].hash = Hash::of(b"another wording"),
    |g| g.gates[0].id = "another-gate".into(),
];

#[test]
fn a_grant_for_other_gates_answers_another_question_and_is_revoked() {
    for change in OTHER_GATES {
        let mut world = World::new();
        let (enquiry, held) = world.hold(request("POST", "/things/a/deploy"));
        let mut grant = world.grant(&enquiry, &["bo"]);
        change(&mut grant);
        let step = world.verdict(held, approved(&enquiry, &signed(&grant)));
        let OutcomeEvent::GrantRefused { code, remedy, .. } = &step.tell[0].event else { panic!("{step:?}") };
        assert_eq!((code.as_str(), *remedy), ("other_gate", Remedy::Revoke));
        assert_eq!(reply(step).reason, Reason::GatesChanged);
    }
}

#[test]
fn two_slots_need_two_people_and_two_names_of_one_are_one() {
    for (people, code) in [(&["bo"][..], "quorum_missing"), (&["bo", "bo"][..], "same_person_twice")] {
        let mut world = World::new();
        let (enquiry, held) = world.hold(request("POST", "/things/a/wipe"));
        let grant = world.grant(&enquiry, people);
        let step = world.verdict(held, approved(&enquiry, &signed(&grant)));
        assert!(matches!(&step.tell[0].event, OutcomeEvent::GrantRefused { code: told, .. } if told == code));
    }
    let mut world = World::new();
    let (enquiry, held) = world.hold(request("POST", "/things/a/wipe"));
    let grant = world.grant(&enquiry, &["bo", "cy"]);
    let step = world.verdict(held, approved(&enquiry, &signed(&grant)));
    assert!(matches!(step.next, Next::Claim(..)), "{step:?}");
}

#[test]
fn high_severity_needs_the_second_factor_of_each() {
    let mut world = World::new();
    let (enquiry, held) = world.hold(request("POST", "/things/a/wipe"));
    let mut grant = world.grant(&enquiry, &["bo"]);
    let mut weak = answer("cy", 2, world.now);
    weak.amr = vec!["pwd".into()];
    grant.answers.push(weak);
    let step = world.verdict(held, approved(&enquiry, &signed(&grant)));
    let OutcomeEvent::GrantRefused { code, answers, .. } = &step.tell[0].event else { panic!("{step:?}") };
    assert_eq!((code.as_str(), answers.as_slice()), ("second_factor_missing", &[Token([2; 16])][..]));
}

#[test]
fn what_the_service_did_not_sign_is_no_grant_at_all() {
    let other = SigningKey::from_bytes(&[4; 32]);
    let mut world = World::new();
    let (enquiry, _) = world.hold(request("POST", "/things/a/deploy"));
    let grant = world.grant(&enquiry, &["bo"]);
    let by_another = countersign_protocol::jws::sign("countersign-grant+jws", "k", &other, &grant).unwrap();
    let as_receipt =
        countersign_protocol::jws::sign("countersign-receipt+jws", "k", &crate::fixture::key(), &grant)
            .unwrap();
    for token in ["", "a.b.c", &by_another, &as_receipt] {
        let (enquiry, held) = world.hold(request("POST", "/things/a/deploy"));
        let step = world.verdict(held, approved(&enquiry, token));
        assert!(matches!(step.next, Next::Wait(_)), "{step:?}");
        assert!(step.tell.is_empty() && step.audit[0].envelope.kind == "grant_refused");
    }
}

type Spoil = fn(&mut Receipt);

/// What is wrong with a receipt.
const RECEIPTS: [(&str, Spoil); 8] = [
    ("issuer", |r| r.iss = "elsewhere".into()),
    ("audience", |r| r.aud = "another gateway".into()),
    ("lapsed", |r| r.exp = r.iat),
    ("jti", |r| r.jti = Token([0; 16])),
    ("ticket", |r| r.ticket = Token([0; 16])),
    ("digest", |r| r.digest = Hash::of(b"another request")),
    ("nonce", |r| r.nonce = Token([0; 16])),
    ("record", |r| r.record = Hash::of(b"another record")),
];

#[test]
fn a_receipt_that_is_wrong_in_one_way_is_no_answer() {
    for (what, change) in RECEIPTS {
        let mut world = World::new();
        let (grant, claim, claiming) = world.claim(request("POST", "/things/a/deploy"));
        let mut receipt = world.receipt(&grant, &claim);
        change(&mut receipt);
        let step = world.claimed(claiming, won(&claim, &receipt));
        assert!(matches!(step.next, Next::Claim(..)), "{what}: {step:?}");
        assert_eq!(step.audit[0].envelope.kind, "receipt_refused", "{what}");
    }
}
