//! Tokens that the filter verifies itself: a fixed corpus by another implementation, keys that change, and garbage.

use std::sync::LazyLock;

use countersign_core::denial::{Denial, Reason};
use countersign_core::facts::RequestFacts;
use countersign_core::identity::{Caller, Identities, IdentitySource};
use countersign_core::keys::KeySource as _;
use countersign_core::load::LoadError;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{bundle, read, request};

#[derive(Deserialize)]
struct Corpus {
    now: i64,
    issuer: String,
    audience: String,
    keys: Value,
    /// Name and token.
    cases: Vec<(String, String)>,
    /// Keys of sets of which none can be used.
    broken: serde_json::Map<String, Value>,
}

/// How it was made: `core/tests/tokens/make.py`.
static CORPUS: LazyLock<Corpus> =
    LazyLock::new(|| serde_json::from_str(include_str!("../tokens/corpus.json")).unwrap());

/// The corpus' source with changes.
fn source(changes: Value) -> Value {
    let mut source = json!({
        "kind": "bearer", "issuer": CORPUS.issuer, "audiences": ["else", CORPUS.audience],
        "keys": "idp.jwks.json", "principal": { "type": "User" },
    });
    source.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    source
}

fn load(sources: Value, keys: &Value) -> Result<Identities, Vec<LoadError>> {
    let sources: Vec<IdentitySource> = serde_json::from_value(sources).unwrap();
    Identities::load(&sources, &bundle(&[("idp.jwks.json", &keys.to_string())]))
}

fn with(changes: Value) -> Identities {
    load(json!([source(changes)]), &CORPUS.keys).unwrap()
}

fn bearing(value: &str) -> RequestFacts {
    request("GET", "/", &[("authorization", value)])
}

fn identify(identities: &Identities, facts: &RequestFacts, now: i64) -> Result<Caller, Denial> {
    identities.identify(facts, &read(facts)?, now, &|_, _| None)
}

fn token(name: &str) -> &'static str {
    &CORPUS.cases.iter().find(|(known, _)| known == name).expect("the corpus has the case").1
}

fn told(result: &Result<Caller, Denial>) -> String {
    match result {
        Ok(caller) => format!("{} by {}", caller.principal, caller.source),
        Err(denial) => format!("{}: {}", denial.reason.meaning().code, denial.detail),
    }
}

#[test]
fn each_way_to_be_wrong_is_told() {
    let identities = with(json!({}));
    let mut all = String::new();
    for (name, token) in &CORPUS.cases {
        let result = identify(&identities, &bearing(&format!("Bearer {token}")), CORPUS.now * 1000);
        match name.starts_with("good: ") {
            true => assert!(result.is_ok(), "{name}: {result:?}"),
            false => assert_eq!(result.as_ref().unwrap_err().reason, Reason::BadIdentity, "{name}"),
        }
        all.push_str(&format!("{name}\n  {}\n", told(&result)));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_token_is_the_whole_header_and_another_scheme_is_none() {
    let (good, identities) = (token("good: EdDSA"), with(json!({})));
    let cases = [
        format!("Bearer {good}"),
        format!("bEARER   {good}"),
        "Basic YW5hOmFuYQ==".to_owned(),
        "Digest username=\"ana\", realm=\"x\"".to_owned(),
        "Bearer".to_owned(),
        format!("Bearer\t{good}"),
        format!("Bearer:{good}"),
        format!("Bearer, Bearer {good}"),
        format!("Bearer {good}, Bearer {good}"),
        format!("Bearer {good} {good}"),
        format!("Bearer \"{good}\""),
        good.to_owned(),
    ];
    let told = cases.map(|value| told(&identify(&identities, &bearing(&value), CORPUS.now * 1000)));
    insta::assert_snapshot!(told.join("\n"));

    let twice = request("GET", "/", &[("authorization", "Bearer a"), ("authorization", "Basic b")]);
    assert_eq!(identify(&identities, &twice, 0).unwrap_err().reason, Reason::Ambiguous);
    let assertion = with(json!({"header": "x-assertion"}));
    let facts = request("GET", "/", &[("x-assertion", good), ("authorization", "Bearer opaque")]);
    assert!(identify(&assertion, &facts, CORPUS.now * 1000).is_ok());
    let facts = request("GET", "/", &[("x-assertion", "Bearer")]);
    assert_eq!(identify(&assertion, &facts, CORPUS.now * 1000).unwrap_err().reason, Reason::BadIdentity);
    assert_eq!(assertion.credentials(), ["x-assertion"]);
}

#[test]
fn only_configured_algorithms_count() {
    for (configured, good) in [("RS256", "good: RS256"), ("ES256", "good: ES256"), ("Ed25519", "good: EdDSA")]
    {
        let identities = with(json!({"algorithms": [configured]}));
        for (name, token) in CORPUS.cases.iter().filter(|(name, _)| name.starts_with("good: ")) {
            let result = identify(&identities, &bearing(&format!("Bearer {token}")), CORPUS.now * 1000);
            if name == good {
                assert!(result.is_ok(), "{name}: {result:?}");
            } else if let Err(denial) = result {
                assert_eq!(
                    denial.detail, "the token has an `alg` that is not configured for its issuer",
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn a_signature_that_held_once_does_not_outlive_the_token_or_its_key() {
    let identities =
        with(json!({"leeway": "0s", "refresh": {"cluster": "c", "authority": "a", "path": "/"}}));
    let (facts, now) = (bearing(&format!("Bearer {}", token("good: EdDSA"))), CORPUS.now * 1000);
    assert!(identify(&identities, &facts, now).is_ok());
    assert!(identify(&identities, &facts, now + 599_999).is_ok());
    let late = identify(&identities, &facts, now + 600_000).unwrap_err();
    assert_eq!(late.detail, "the token has expired (`exp`)");
    assert!(identify(&identities, &facts, now - 60_000).is_ok());
    let early = identify(&identities, &facts, now - 60_001).unwrap_err();
    assert_eq!(early.detail, "the token is from the future (`nbf`)");

    let keyring = identities.keyrings().next().unwrap();
    let only = |kid: &str| {
        let keys = CORPUS.keys["keys"].as_array().unwrap().iter().filter(|key| key["kid"] == kid);
        json!({"keys": keys.collect::<Vec<_>>()}).to_string()
    };
    assert_eq!(keyring.renew(only("ec").as_bytes(), 0), Ok((true, 0)));
    assert_eq!(keyring.renew(only("ec").as_bytes(), 0), Ok((false, 0)));
    assert!(!keyring.take_wanted());
    let gone = identify(&identities, &facts, now).unwrap_err();
    assert_eq!(gone.detail, "no key has the token's `kid` `ed`: the keys are fetched anew");
    assert!(keyring.take_wanted() && !keyring.take_wanted());
    for garbage in ["", "{}", "[]", "{\"keys\":[]}", "{\"keys\":7}", "{\"keys\":[],\"keys\":[]}", "\u{0}"] {
        assert!(keyring.renew(garbage.as_bytes(), 0).is_err(), "{garbage}");
    }
    assert_eq!(keyring.names().len(), 1);
    assert_eq!(keyring.renew(only("ed").as_bytes(), 0), Ok((true, 0)));
    assert!(identify(&identities, &facts, now).is_ok());
    // The same `kid`, another key: the signature was found good under the key before.
    let twin = CORPUS.keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == "twin").unwrap();
    let mut other = twin.clone();
    other["kid"] = json!("ed");
    assert_eq!(keyring.renew(json!({"keys": [other]}).to_string().as_bytes(), 0), Ok((true, 0)));
    assert_eq!(identify(&identities, &facts, now).unwrap_err().detail, "the token's signature does not hold");
}

#[test]
fn without_keys_nobody_is_let_in_and_nobody_is_turned_away() {
    let refresh = json!({"cluster": "c", "authority": "a", "path": "/jwks"});
    let mut entry = source(json!({"refresh": refresh}));
    entry.as_object_mut().unwrap().remove("keys");
    let identities = load(json!([entry]), &CORPUS.keys).unwrap();
    let facts = bearing(&format!("Bearer {}", token("good: EdDSA")));
    let denial = identify(&identities, &facts, CORPUS.now * 1000).unwrap_err();
    assert_eq!((denial.reason, denial.reason.meaning().http), (Reason::KeysUnavailable, 503));
    assert!(identify(&identities, &request("GET", "/", &[]), 0).unwrap().anonymous);

    let other = with(json!({"refresh": refresh}));
    let pair = || (identities.keyrings().next().unwrap(), other.keyrings().next().unwrap());
    let (mine, theirs) = pair();
    mine.inherit(theirs);
    assert_eq!(mine.names(), [], "keys of a bundle end with it");
    theirs.renew(CORPUS.keys.to_string().as_bytes(), 0).unwrap();
    mine.inherit(theirs);
    assert_eq!(mine.names(), theirs.names());
    assert!(identify(&identities, &facts, CORPUS.now * 1000).is_ok());
    let elsewhere = with(json!({"refresh": {"cluster": "d", "authority": "a", "path": "/jwks"}}));
    elsewhere.keyrings().next().unwrap().renew(CORPUS.keys.to_string().as_bytes(), 0).unwrap();
    let fresh = load(json!([entry]), &CORPUS.keys).unwrap();
    fresh.keyrings().next().unwrap().inherit(elsewhere.keyrings().next().unwrap());
    assert_eq!(fresh.keyrings().next().unwrap().names(), []);
}

#[test]
fn issuers_that_share_a_header_are_told_apart_and_nobody_else_gets_through() {
    let other = source(json!({"issuer": "https://other.test", "principal": {"type": "Agent"}}));
    let fallback = json!({"kind": "header", "name": "x-user", "peers": ["0.0.0.0/0"], "type": "User"});
    let good = bearing(&format!("Bearer {}", token("good: EdDSA")));
    for sources in [json!([source(json!({})), other, fallback]), json!([other, source(json!({})), fallback])]
    {
        let identities = load(sources, &CORPUS.keys).unwrap();
        let caller = identify(&identities, &good, CORPUS.now * 1000).unwrap();
        assert_eq!(caller.source, "bearer:https://idp.test");
        for wrong in ["iss of somebody else", "no iss", "signature of another key", "opaque"] {
            let mut facts = bearing(&format!("Bearer {}", token(wrong)));
            facts.headers.push((b"x-user".to_vec(), b"ana".to_vec()));
            facts.peer.address = "127.0.0.1".parse().ok();
            let denial = identify(&identities, &facts, CORPUS.now * 1000).unwrap_err();
            assert_eq!(denial.reason, Reason::BadIdentity, "{wrong}");
        }
    }
}

#[test]
fn what_is_wrong_with_a_source_is_told() {
    let mut sources: Vec<Value> = [
        json!({"audiences": []}),
        json!({"issuer": ""}),
        json!({"algorithms": []}),
        json!({"header": "X-Token"}),
        json!({"leeway": "6m"}),
        json!({"leeway": "-1s"}),
        json!({"keys": "other.jwks.json"}),
        json!({"keys": null}),
        json!({"refresh": {"cluster": "", "authority": "a", "path": "/"}}),
        json!({"refresh": {"cluster": "c", "authority": "a", "path": "jwks"}}),
        json!({"refresh": {"cluster": "c", "authority": "a", "path": "/", "every": "9s"}}),
        json!({"refresh": {"cluster": "c", "authority": "a", "path": "/", "timeout": "2m"}}),
        json!({"principal": {"type": "a b"}}),
        json!({"actor": {"type": ""}}),
        json!({"groups": {"claim": "", "type": "Group"}}),
        json!({"groups": {"claim": "groups", "type": "a b"}}),
        json!({"attributes": {"team": {"claim": "/a~2", "type": "String"}}}),
    ]
    .map(source)
    .into();
    sources.extend([source(json!({})), source(json!({})), source(json!({"header": "x-other"}))]);
    let errors = load(json!(sources), &CORPUS.keys).unwrap_err();
    let mut told: Vec<_> = errors.iter().map(ToString::to_string).collect();
    for (name, keys) in &CORPUS.broken {
        let errors = load(json!([source(json!({}))]), &json!({"keys": keys})).unwrap_err();
        told.extend(errors.iter().map(|error| format!("{name}: {error}")));
    }
    insta::assert_snapshot!(told.join("\n"));
    for unknown in [
        json!({"algorithms": ["HS256"]}),
        json!({"algorithms": ["none"]}),
        json!({"audience": "x"}),
        json!({"refresh": {"cluster": "c", "authority": "a", "path": "/", "interval": "5m"}}),
    ] {
        assert!(serde_json::from_value::<IdentitySource>(source(unknown.clone())).is_err(), "{unknown}");
    }
}

proptest! {
    #[test]
    fn no_token_panics_and_no_change_of_a_good_one_passes(
        case in 0..CORPUS.cases.len(), place in any::<prop::sample::Index>(), byte in 0x21u8..0x7f,
        cut in any::<prop::sample::Index>(), text in "[A-Za-z0-9_.=-]{0,80}",
    ) {
        static IDENTITIES: LazyLock<Identities> = LazyLock::new(|| with(json!({})));
        let (name, good) = &CORPUS.cases[case];
        let mut changed = good.clone().into_bytes();
        if !changed.is_empty() {
            let place = place.index(changed.len());
            changed[place] = byte;
        }
        let changed = String::from_utf8(changed).unwrap();
        let (head, _) = good.split_at(cut.index(good.len() + 1));
        for token in [changed.as_str(), head, &text, &format!("{head}{text}"), &format!("{text}.{good}")] {
            let result = identify(&IDENTITIES, &bearing(&format!("Bearer {token}")), CORPUS.now * 1000);
            let same = token == good && name.starts_with("good: ");
            prop_assert!(result.is_err() || same, "{} as {}", name, token);
        }
    }

    #[test]
    fn no_key_set_panics(bytes in prop::collection::vec(any::<u8>(), 0..64), n in "[A-Za-z0-9_-]{0,1400}", kty in "RSA|EC|OKP|oct", crv in "P-256|Ed25519|x") {
        let identities = with(json!({}));
        let keyring = identities.keyrings().next().unwrap();
        let _ = keyring.renew(&bytes, 0);
        let short: String = n.chars().take(43).collect();
        for n in [&n, &short] {
            let key = json!({"kty": kty, "crv": crv, "n": n, "e": "AQAB", "x": n, "y": n});
            let _ = keyring.renew(json!({"keys": [key]}).to_string().as_bytes(), 0);
        }
        prop_assert!(!keyring.names().is_empty());
    }
}
