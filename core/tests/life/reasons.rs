//! Every reason for which a request does not go on, each reached the way a client would reach it.

use std::collections::BTreeSet;

use countersign_core::denial::Reason;
use countersign_core::facts::RequestFacts;
use countersign_core::life::{Next, NoAnswer, Reply};
use countersign_protocol::approval::{AskAnswer, AskResult, ClaimAnswer, ClaimResult, State, Verdict};
use serde_json::json;

use crate::fixture::{
    POLICIES, World, approved, configuration, load, reply, request, request_of, signed, verdict, with_header,
};

const DEPLOY: (&str, &str) = ("POST", "/things/a/deploy");

fn deploy() -> RequestFacts {
    request(DEPLOY.0, DEPLOY.1)
}

fn decided(facts: RequestFacts) -> Reply {
    reply(World::new().decide(facts))
}

fn ended(state: State) -> Reply {
    let mut world = World::new();
    let (enquiry, held) = world.hold(deploy());
    reply(world.verdict(held, Verdict { reason: Some("not today".into()), ..verdict(&enquiry, state) }))
}

fn asked(answer: Result<AskResult, NoAnswer>) -> Reply {
    let mut world = World::new();
    let Next::Ask(enquiry, asking) = world.decide(deploy()).next else { panic!("nothing was asked") };
    let answer = answer.map(|result| AskAnswer { nonce: enquiry.nonce, result });
    let at = world.at();
    reply(asking.on_reply(&world.engine, &mut world.journal, answer, at))
}

fn lost(state: State) -> Reply {
    let mut world = World::new();
    let (_, claim, claiming) = world.claim(deploy());
    reply(world.claimed(claiming, ClaimAnswer { nonce: claim.nonce, result: ClaimResult::Lost { state } }))
}

fn unanswered() -> Reply {
    let mut world = World::new();
    let (.., claiming) = world.claim(deploy());
    world.now += 60_000;
    let at = world.at();
    reply(claiming.on_reply(&world.engine, &mut world.journal, Err(NoAnswer), at))
}

fn body(
    end: impl FnOnce(countersign_core::life::AwaitingBody, &mut World) -> countersign_core::life::Step,
) -> Reply {
    let mut world = World::new();
    let facts = RequestFacts { body: None, ..deploy() };
    let Next::NeedBody(state) = world.decide(facts).next else { panic!("no body was awaited") };
    reply(end(state, &mut world))
}

/// The policies gain a gate while people answer the question about the old ones.
fn changed() -> Reply {
    let mut world = World::new();
    let (enquiry, held) = world.hold(deploy());
    let grant = world.grant(&enquiry, &["bo"]);
    let more = format!(
        "{POLICIES} @id(\"another\") @approval(\"sre\") forbid (principal, action == Action::\"deploy\", resource);"
    );
    let mut configuration = configuration(json!({}));
    configuration["bundle"]["files"]["a.cedar"] = json!(more);
    world.engine = load(&configuration);
    reply(world.verdict(held, approved(&enquiry, &signed(&grant))))
}

/// A token whose issuer's keys were not fetched yet.
fn unverifiable() -> Reply {
    let source = json!({
        "kind": "bearer", "issuer": "https://idp.test", "audiences": ["gateway"], "principal": { "type": "User" },
        "refresh": { "cluster": "idp", "authority": "idp.test", "path": "/jwks" },
    });
    let token = "Bearer eyJhbGciOiJFZERTQSJ9.e30.AA";
    reply(World::with(json!({ "identity": [source] })).decide(request_of(
        ("authorization", token),
        DEPLOY.0,
        DEPLOY.1,
    )))
}

fn all() -> Vec<(Reason, Reply)> {
    vec![
        (Reason::Forbidden, decided(request("PUT", "/things/a"))),
        (Reason::Forbidden, decided(request("POST", "/things/secret/deploy"))),
        (Reason::PolicyError, decided(with_header(request("GET", "/things/brittle"), "x-note", "n"))),
        (Reason::Anonymous, decided(request_of(("x-nobody", "-"), DEPLOY.0, DEPLOY.1))),
        (Reason::NoRoute, decided(request("GET", "/elsewhere"))),
        (Reason::Ambiguous, decided(request("GET", "/things/%2e%2e/a"))),
        (
            Reason::BadFact,
            decided(with_header(request("GET", "/things/a"), "countersign-justification", &"x".repeat(1025))),
        ),
        (Reason::BadIdentity, decided(RequestFacts { peer: Default::default(), ..deploy() })),
        (Reason::KeysUnavailable, unverifiable()),
        (Reason::OwnerUnknown, decided(request_of(("x-agent", "stray"), DEPLOY.0, DEPLOY.1))),
        (
            Reason::BodyTooLarge,
            body(|state, world| state.on_too_large(&world.engine, &mut world.journal, world.now)),
        ),
        (
            Reason::HostWithholdsBody,
            body(|state, world| state.on_withheld(&world.engine, &mut world.journal, world.now)),
        ),
        (Reason::ServiceUnavailable, asked(Err(NoAnswer))),
        (
            Reason::AskRefused,
            asked(Ok(AskResult::Refused { code: "nobody_can_approve".into(), detail: "-".into() })),
        ),
        (Reason::Rejected, ended(State::Rejected)),
        (Reason::Expired, ended(State::Expired)),
        (Reason::Cancelled, ended(State::Cancelled)),
        (Reason::Cancelled, ended(State::Revoked)),
        (Reason::GatesChanged, changed()),
        (Reason::Rejected, lost(State::Rejected)),
        (Reason::Expired, lost(State::Expired)),
        (Reason::Cancelled, lost(State::Revoked)),
        (Reason::GrantRefused, lost(State::Unknown)),
        (Reason::ClaimUnanswered, unanswered()),
    ]
}

#[test]
fn each_reason_is_reached_and_answered_by_the_table() {
    for (reason, reply) in all() {
        assert_eq!(reply.reason, reason, "{}", reply.body);
        let meaning = reason.meaning();
        let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!((reply.status, &body["status"]), (meaning.http, &json!(meaning.http)), "{reason:?}");
        assert_eq!((&body["code"], &body["title"]), (&json!(meaning.code), &json!(meaning.sentence)));
        assert!(reply.headers.contains(&("content-type", "application/problem+json".into())), "{reason:?}");
    }
}

#[test]
fn evidence_says_how_a_policy_failed_without_the_values_it_failed_on() {
    let mut world = World::new();
    let step = world.decide(with_header(request("GET", "/things/brittle"), "x-note", "n"));
    let lines: String = step.audit.iter().map(|record| record.line.as_str()).collect();
    assert!(lines.contains(r#""errors":[{"policy":"brittle","code":"integer_overflow"}]"#), "{lines}");
    assert!(!lines.contains("9223372036854775807"), "{lines}");
}

#[test]
fn no_reason_is_left_out() {
    // A hold that ends is no denial and has its own test; people without a common issuer need another world; what only
    // a protocol on top of HTTP can do wrong is answered in it.
    let elsewhere: BTreeSet<_> = [
        Reason::Pending,
        Reason::IdentityNotComparable,
        Reason::BadMessage,
        Reason::HeaderMismatch,
        Reason::UnsupportedVersion,
        Reason::StreamGated,
        Reason::AnswerUnreadable,
    ]
    .into();
    let reached: BTreeSet<_> = all().into_iter().map(|(reason, _)| reason).chain(elsewhere).collect();
    let missing: Vec<_> = Reason::ALL.iter().filter(|reason| !reached.contains(reason)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_caller_who_cannot_be_told_apart_from_approvers_is_not_asked_about() {
    let mut world = World::with(json!({"identity": [
        {"kind": "header", "name": "x-thing", "peers": ["127.0.0.0/8"], "type": "User"}
    ]}));
    let unmapped = configuration(json!({"identity": [
        {"kind": "header", "name": "x-user", "peers": ["127.0.0.0/8"], "type": "User"}
    ]}));
    let mut unmapped = unmapped;
    unmapped["bundle"]["files"]["identities.yaml"] = json!("groups: { sre: { issuer: local, id: sre } }");
    world.engine = load(&unmapped);
    let reply = reply(world.decide(request_of(("x-user", "ana"), DEPLOY.0, DEPLOY.1)));
    assert_eq!(reply.reason, Reason::IdentityNotComparable, "{}", reply.body);
}

#[test]
fn only_a_token_is_asked_for_anew() {
    for (reason, reply) in all() {
        let asked = reply.headers.iter().any(|(name, _)| *name == "www-authenticate");
        assert!(!asked, "{reason:?}: no token was there, and {:?}", reply.headers);
    }
    let claims = json!({ "identity": [{ "kind": "jwt", "metadata": "m", "principal": { "type": "User" } }] });
    let mut facts = deploy();
    facts.claims.insert("m".into(), json!({ "sub": 7 }));
    let reply = reply(World::with(claims).decide(facts));
    assert_eq!(reply.status, 401);
    assert!(reply.headers.contains(&("www-authenticate", "Bearer error=\"invalid_token\"".into())));
}

#[test]
fn codes_are_unique_and_statuses_are_errors() {
    let codes: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.meaning().code).collect();
    assert_eq!(codes.len(), Reason::ALL.len());
    assert!(Reason::ALL.iter().all(|reason| reason.meaning().http >= 400 && reason.meaning().grpc > 0));
}

#[test]
fn a_source_of_callers_that_the_schema_does_not_know_does_not_load() {
    let strange = configuration(json!({"identity": [
        {"kind": "header", "name": "x-user", "peers": ["127.0.0.0/8"], "type": "Robot"}
    ]}));
    let errors = countersign_core::engine::Engine::load(&strange).unwrap_err();
    let said: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["configuration: `identity`: the schema declares no entity type `Robot`"]);
}
