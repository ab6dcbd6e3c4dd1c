//! Keys of the approval service that change: only what a pinned key endorsed counts, in its time, and a grant by a
//! key that is not here yet waits for it.

use std::sync::Arc;

use countersign_core::engine::Engine;
use countersign_core::keys::KeySource;
use countersign_core::life::{Next, Note, Step};
use countersign_core::refusal::Breach;
use countersign_protocol::UnixMillis;
use countersign_protocol::grant::{GRANT_TYPE, Grant, RECEIPT_TYPE};
use countersign_protocol::jws::{self, Jwk};
use countersign_protocol::keys::{Endorsement, KEY_TYPE, KeyDocument};
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};

use crate::fixture::{NOW, World, approved, configuration, key, load, reply, request, signed, won};

const SECONDS: i64 = NOW / 1000;

/// The key that comes after the fixture's.
fn next() -> SigningKey {
    SigningKey::from_bytes(&[10; 32])
}

fn third() -> SigningKey {
    SigningKey::from_bytes(&[11; 32])
}

fn refreshing(refresh: &Value) -> Value {
    let mut approval = configuration(json!({}))["approval"].clone();
    approval["refresh"] = refresh.clone();
    json!({ "approval": approval })
}

fn world() -> World {
    World::with(refreshing(&json!({})))
}

fn service(engine: &Engine) -> &dyn KeySource {
    engine.key_sources().find(|keys| keys.source() == "approval:local").unwrap()
}

/// `kid`, vouched for by `by` for an hour, with changes.
fn endorse(by: (&str, &SigningKey), kid: &str, key: &SigningKey, change: fn(&mut Endorsement)) -> String {
    let jwk = Jwk::of(kid, key);
    let mut endorsement = Endorsement { iss: "local".into(), iat: SECONDS, exp: SECONDS + 3600, jwk };
    change(&mut endorsement);
    jws::sign(KEY_TYPE, by.0, by.1, &endorsement).unwrap()
}

fn document(endorsements: Vec<String>) -> Vec<u8> {
    serde_json::to_vec(&KeyDocument { keys: vec![Jwk::of("k2", &next())], endorsements }).unwrap()
}

fn good() -> String {
    endorse(("k", &key()), "k2", &next(), |_| {})
}

fn by(kid: &str, key: &SigningKey, grant: &Grant) -> String {
    jws::sign(GRANT_TYPE, kid, key, grant).unwrap()
}

/// A request whose yes `kid` signed.
fn answered(world: &mut World, kid: &str, key: &SigningKey) -> Step {
    let (enquiry, held) = world.hold(request("POST", "/things/a/deploy"));
    let grant = world.grant(&enquiry, &["bo"]);
    world.verdict(held, approved(&enquiry, &by(kid, key, &grant)))
}

/// Whether a grant by `k2` opens after a document with `endorsements`, and how many of them cannot be used.
fn counts(endorsements: Vec<String>, now: UnixMillis) -> (bool, usize) {
    let mut world = world();
    let (_, faults) = service(&world.engine).renew(&document(endorsements), NOW).unwrap();
    world.now = now;
    (matches!(answered(&mut world, "k2", &next()).next, Next::Claim(..)), faults)
}

#[test]
fn only_a_pinned_key_endorses_and_only_in_time() {
    let cases: [(&str, String, (bool, usize)); 12] = [
        ("good", good(), (true, 0)),
        ("by itself", endorse(("k2", &next()), "k2", &next(), |_| {}), (false, 0)),
        ("in a pinned key's name", endorse(("k", &third()), "k2", &next(), |_| {}), (false, 1)),
        ("of another service", endorse(("k", &key()), "k2", &next(), |e| e.iss = "other".into()), (false, 1)),
        ("over", endorse(("k", &key()), "k2", &next(), |e| e.exp = SECONDS), (false, 1)),
        ("just in time", endorse(("k", &key()), "k2", &next(), |e| e.exp = SECONDS + 1), (true, 0)),
        ("a clock ahead", endorse(("k", &key()), "k2", &next(), |e| e.iat = SECONDS + 30), (true, 0)),
        ("from the future", endorse(("k", &key()), "k2", &next(), |e| e.iat = SECONDS + 31), (false, 1)),
        ("of no usable key", endorse(("k", &key()), "k2", &next(), |e| e.jwk.x = "AAAA".into()), (false, 1)),
        (
            "of a long name",
            endorse(("k", &key()), "k2", &next(), |e| e.jwk.kid = "k".repeat(257)),
            (false, 1),
        ),
        ("of another type", jws::sign(GRANT_TYPE, "k", &key(), &"x").unwrap(), (false, 1)),
        ("garbage", "a.b".into(), (false, 1)),
    ];
    for (name, endorsement, expected) in cases {
        assert_eq!(counts(vec![endorsement], NOW), expected, "{name}");
    }
    // Whom a refreshed key endorses, nobody knows.
    let world = &mut world();
    let chain = endorse(("k2", &next()), "k3", &third(), |_| {});
    assert_eq!(service(&world.engine).renew(&document(vec![good(), chain]), NOW), Ok((true, 0)));
    assert!(matches!(answered(world, "k2", &next()).next, Next::Claim(..)));
    assert!(matches!(answered(world, "k3", &third()).next, Next::Wait(_)));
}

#[test]
fn a_key_lapses_with_its_last_endorsement_and_a_pinned_one_never() {
    let long = endorse(("k", &key()), "k2", &next(), |e| e.exp += 1);
    for endorsements in [vec![good(), long.clone()], vec![long, good()]] {
        assert_eq!(counts(endorsements.clone(), NOW + 3_600_999), (true, 0));
        assert_eq!(counts(endorsements, NOW + 3_601_000), (false, 0));
    }
    let mut world = world();
    world.now = NOW + 366 * 86_400_000;
    assert!(matches!(answered(&mut world, "k", &key()).next, Next::Claim(..)));
}

#[test]
fn a_name_means_one_key() {
    let other = endorse(("k", &key()), "k2", &third(), |_| {});
    assert_eq!(counts(vec![good(), other.clone()], NOW), (true, 1));
    assert_eq!(counts(vec![other, good()], NOW), (false, 1));
    let world = &mut world();
    let twin = endorse(("k", &key()), "k", &next(), |_| {});
    let itself = endorse(("k", &key()), "k", &key(), |_| {});
    assert_eq!(service(&world.engine).renew(&document(vec![twin, itself]), NOW), Ok((false, 1)));
    assert!(matches!(answered(world, "k", &key()).next, Next::Claim(..)));
    let step = answered(world, "k", &next());
    assert_eq!(step.notes, [Note::GrantRefused(Breach::BadSignature)]);
}

#[test]
fn a_document_replaces_the_one_before_and_garbage_does_not() {
    let world = world();
    let keys = service(&world.engine);
    assert_eq!(keys.names().len(), 1);
    assert_eq!(keys.renew(&document(vec![good()]), NOW), Ok((true, 0)));
    assert_eq!(keys.renew(&document(vec![good()]), NOW), Ok((false, 0)));
    let named = json!(keys.names());
    assert_eq!(
        named[1],
        json!({ "kid": "k2", "thumbprint": Jwk::of("", &next()).thumbprint(), "exp": SECONDS + 3600 })
    );
    let many = document(vec![good(); 17]);
    let garbage: [&[u8]; 6] =
        [b"", b"[]", b"{}", br#"{"keys":7}"#, br#"{"keys":[],"endorsements":[1]}"#, &many];
    for garbage in garbage {
        assert!(keys.renew(garbage, NOW).is_err());
    }
    assert_eq!(json!(keys.names()), named);
    assert_eq!(keys.renew(&document(vec![good(); 16]), NOW), Ok((false, 0)));
    // Keys of other kinds, and members that are not known, are others' business.
    let plain = br#"{"keys":[{"kty":"EC"}],"more":{}}"#;
    assert_eq!(keys.renew(plain, NOW), Ok((true, 0)));
    assert_eq!((keys.names().len(), keys.changes()), (1, 2));
}

#[test]
fn a_grant_by_a_key_that_is_not_here_waits_for_it() {
    let mut world = world();
    let (enquiry, held) = world.hold(request("POST", "/things/a/deploy"));
    let grant = world.grant(&enquiry, &["bo"]);
    let step = world.verdict(held, approved(&enquiry, &by("k2", &next(), &grant)));
    assert!(step.audit.is_empty() && step.tell.is_empty() && step.notes.is_empty(), "{step:?}");
    let Next::Wait(held) = step.next else { panic!("{step:?}") };
    assert!(service(&world.engine).take_wanted());
    assert!(!held.can_read(&world.engine, NOW));
    // As long as it waits, the key is asked for.
    assert!(service(&world.engine).take_wanted());
    service(&world.engine).renew(&document(vec![good()]), NOW).unwrap();
    assert!(held.can_read(&world.engine, NOW) && !service(&world.engine).take_wanted());
    let at = world.at();
    let step = held.on_keys(&world.engine, &mut world.journal, at);
    let Next::Claim(claim, _, claiming) = step.next else { panic!("{step:?}") };

    // The receipt may be signed with it, too, as long as it counts.
    let receipt = jws::sign(RECEIPT_TYPE, "k2", &next(), &world.receipt(&grant, &claim)).unwrap();
    let mut answer = won(&claim, &world.receipt(&grant, &claim));
    answer.result = countersign_protocol::approval::ClaimResult::Won { receipt };
    world.now = NOW + 3_600_000;
    let step = world.claimed(*claiming, answer.clone());
    let reply = reply(step);
    assert_eq!(reply.reason.meaning().code, "claim_unanswered");
}

#[test]
fn a_key_that_never_comes_is_told_at_the_end_of_the_hold() {
    let mut world = world();
    let Next::Wait(held) = answered(&mut world, "k2", &next()).next else { panic!("not held") };
    let step = held.on_deadline(&world.engine, &mut world.journal, NOW + 20_000);
    let kinds: Vec<_> = step.audit.iter().map(|record| record.envelope.kind.as_str()).collect();
    assert_eq!(kinds, ["grant_refused", "pending"]);
    assert!(step.audit[0].line.contains(r#""code":"unknown_key""#), "{}", step.audit[0].line);
    assert_eq!((step.notes.as_slice(), step.tell.len()), (&[Note::GrantRefused(Breach::UnknownKey)][..], 0));
}

#[test]
fn a_later_verdict_takes_the_place_of_what_could_not_be_read() {
    let mut world = world();
    let (enquiry, held) = world.hold(request("POST", "/things/a/deploy"));
    let grant = world.grant(&enquiry, &["bo"]);
    let step = world.verdict(held, approved(&enquiry, &by("k2", &next(), &grant)));
    let Next::Wait(held) = step.next else { panic!("{step:?}") };
    let reopened = crate::fixture::verdict(&enquiry, countersign_protocol::approval::State::Pending);
    let Next::Wait(held) = world.verdict(held, reopened).next else { panic!("not held") };
    service(&world.engine).renew(&document(vec![good()]), NOW).unwrap();
    assert!(!held.can_read(&world.engine, NOW));
    let step = world.verdict(held, approved(&enquiry, &signed(&grant)));
    assert!(matches!(step.next, Next::Claim(..)), "{step:?}");
}

#[test]
fn a_reload_takes_over_what_its_own_pins_endorse() {
    let before = load(&configuration(refreshing(&json!({}))));
    let chain = endorse(("k2", &next()), "k3", &third(), |_| {});
    service(&before).renew(&document(vec![good(), chain]), NOW).unwrap();
    let after = |changes: Value| -> Arc<Engine> {
        let engine = load(&configuration(changes));
        engine.inherit(&before, NOW);
        engine
    };
    let opens = |engine: &Arc<Engine>, kid: &str, key: &SigningKey| {
        matches!(answered(&mut World::of(engine.clone()), kid, key).next, Next::Claim(..))
    };
    let same = after(refreshing(&json!({ "every": "1m" })));
    assert!(opens(&same, "k2", &next()) && !opens(&same, "k3", &third()));
    // The pin moved on: what it endorsed counts now, and the old key does not.
    let mut moved = refreshing(&json!({}));
    moved["approval"]["keys"] = json!([Jwk::of("k2", &next())]);
    let moved = after(moved);
    assert!(opens(&moved, "k2", &next()) && opens(&moved, "k3", &third()) && !opens(&moved, "k", &key()));
    assert!(!opens(&after(json!({})), "k2", &next()), "nothing is fetched any more");
}

#[test]
fn without_refresh_nothing_is_awaited_and_what_is_wrong_with_it_does_not_load() {
    let mut world = World::new();
    assert_eq!(world.engine.key_sources().count(), 0);
    let step = answered(&mut world, "k2", &next());
    assert_eq!(step.notes, [Note::GrantRefused(Breach::UnknownKey)]);
    let refresh = |keys: &dyn KeySource| keys.refresh().cloned().unwrap();
    let default = refresh(service(&self::world().engine));
    assert_eq!((default.cluster.as_str(), default.authority.as_str()), ("c", "a"));
    assert_eq!(
        (default.path.as_str(), default.every, default.timeout),
        ("/.well-known/jwks.json", 300_000, 5_000)
    );
    for (refresh, message) in [
        (json!({ "every": "1s" }), "`approval.refresh`: `1s`: keys are fetched every `10s` to `1d`"),
        (json!({ "path": "keys" }), "`approval.refresh`: `keys` is no path"),
        (json!({ "cluster": "d" }), "`approval.refresh.cluster`: unknown field `cluster`"),
    ] {
        let errors = Engine::load(&configuration(refreshing(&refresh))).unwrap_err();
        assert!(errors[0].to_string().contains(message), "{errors:?}");
    }
}
