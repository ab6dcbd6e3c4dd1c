//! Who asks: sources in order, chains of actors, owners, and names that approvers are compared with.

use countersign_core::denial::{Denial, Reason};
use countersign_core::entity::EntityName;
use countersign_core::facts::{Peer, RequestFacts};
use countersign_core::identity::{Caller, Identities, IdentitySource};
use countersign_protocol::person::{GroupId, Person};
use serde_json::{Value, json};

use crate::support::{Fields, bundle, read, request};

const YAML: &str = r#"
people:
  User: { issuer: local }
  Admin: { issuer: "https://idp.example" }
agents:
  Deploy::Agent: { owner: owner }
groups:
  sre: { issuer: local, id: "7" }
same:
  - [ { issuer: "https://idp.example", subject: 00u1 }, { issuer: local, subject: ana } ]
  - [ { issuer: chat, subject: U1 }, { issuer: local, subject: ana } ]
"#;

fn sources() -> Vec<IdentitySource> {
    let sources = json!([
        {"kind": "jwt", "metadata": "people", "principal": {"type": "User", "claim": "login"},
         "actor": {"type": "Deploy::Agent"}},
        {"kind": "jwt", "metadata": "agents", "principal": {"type": "Deploy::Agent"}},
        {"kind": "peer_certificate", "trust_domain": "prod.example", "type": "Deploy::Agent"},
        {"kind": "header", "name": "x-user", "peers": ["10.0.0.0/8", "::1"], "type": "User", "issuer": "sso"},
        {"kind": "header", "name": "x-robot", "peers": ["10.0.0.0/8"], "type": "Robot"}
    ]);
    serde_json::from_value(sources).unwrap()
}

/// `bot` belongs to ana, `nested` to another agent.
fn owner(agent: &EntityName, attribute: &str) -> Option<EntityName> {
    match (agent.id.as_str(), attribute) {
        ("bot" | "spiffe://prod.example/bot", "owner") => Some(EntityName::new("User", "ana")),
        ("nested", "owner") => Some(EntityName::new("Deploy::Agent", "bot")),
        ("strange", "owner") => Some(EntityName::new("Robot", "r2")),
        _ => None,
    }
}

fn identify(facts: &RequestFacts) -> Result<Caller, Denial> {
    let identities = Identities::load(&sources(), &bundle(&[("identities.yaml", YAML)])).unwrap();
    identities.identify(facts, &read(facts)?, 0, &owner)
}

fn claims(key: &str, payload: Value) -> RequestFacts {
    let mut facts = request("GET", "/", &[]);
    facts.claims.insert(key.into(), payload);
    facts
}

fn peer(address: &str, fields: &Fields) -> RequestFacts {
    let peer = Peer { address: address.parse().ok(), uri_san: None };
    RequestFacts { peer, ..request("GET", "/", fields) }
}

fn certificate(uri: &str) -> RequestFacts {
    let peer = Peer { address: None, uri_san: Some(uri.into()) };
    RequestFacts { peer, ..request("GET", "/", &[]) }
}

/// Principal, source, everybody with role and names, and what is wrong; one a line.
fn told(caller: &Caller) -> String {
    let mut text = format!("{} by {}\n", caller.principal, caller.source);
    for one in &caller.involved {
        let names: Vec<_> =
            one.names.iter().map(|name| format!("{}|{}", name.issuer, name.subject)).collect();
        text.push_str(&format!("  {:?} {} [{}]\n", one.role, one.entity, names.join(", ")));
    }
    if let Some(denial) = &caller.unaccountable {
        text.push_str(&format!("  {}: {}\n", denial.reason.meaning().code, denial.detail));
    }
    text
}

#[test]
fn everybody_who_takes_part_is_known_by_all_names() {
    let idp = "https://idp.example";
    let act = |sub: &str, inner: Option<Value>| match inner {
        Some(inner) => json!({"sub": sub, "act": inner}),
        None => json!({"sub": sub}),
    };
    let cases = [
        request("GET", "/", &[]),
        claims("people", json!({"iss": idp, "sub": "00u1", "login": "ana"})),
        claims("people", json!({"sub": "00u9", "login": "ben"})),
        claims("people", json!({"iss": idp, "sub": "00u9", "login": "ben", "act": act("bot", None)})),
        claims(
            "people",
            json!({"iss": idp, "sub": "00u9", "login": "ben", "act": act("x", Some(act("y", None)))}),
        ),
        claims("agents", json!({"iss": idp, "sub": "bot"})),
        claims("agents", json!({"iss": idp, "sub": "stray"})),
        claims("agents", json!({"iss": idp, "sub": "nested"})),
        claims("agents", json!({"iss": idp, "sub": "strange"})),
        certificate("spiffe://prod.example/bot"),
        peer("10.1.2.3", &[("x-user", "ana")]),
        peer("::1", &[("x-user", "ben")]),
        peer("10.1.2.3", &[("x-robot", "r2")]),
        peer("::ffff:10.1.2.3", &[("x-user", "ben"), ("x-robot", "r2")]),
    ];
    let all: String = cases.iter().map(|facts| told(&identify(facts).unwrap())).collect();
    insta::assert_snapshot!(all);
}

#[test]
fn credentials_that_do_not_hold_are_never_passed_over() {
    let chain = (0..6).fold(json!({"sub": "a"}), |inner, _| json!({"sub": "a", "act": inner}));
    let with_act = |act: Value| claims("people", json!({"login": "ben", "sub": "b", "act": act}));
    let good = ("x-user", "ana");
    let cases = [
        claims("people", json!("ana")),
        claims("people", json!(null)),
        claims("people", json!({"sub": "00u1"})),
        claims("people", json!({"login": "", "sub": "b"})),
        claims("people", json!({"login": 7, "sub": "b"})),
        claims("people", json!({"login": "a\nb", "sub": "b"})),
        claims("people", json!({"login": "ben", "iss": 7, "sub": "b"})),
        claims("people", json!({"login": "x".repeat(2049)})),
        with_act(json!("bot")),
        with_act(json!(null)),
        with_act(json!({})),
        with_act(json!({"sub": "bot", "act": []})),
        with_act(chain),
        claims("agents", json!({"sub": "a", "act": {"sub": "b"}})),
        certificate("spiffe://other.example/bot"),
        certificate("https://prod.example/bot"),
        certificate(""),
        peer("192.0.2.1", &[good]),
        peer("", &[good]),
        peer("10.1.2.3", &[("x-user", "")]),
    ];
    let mut all = String::new();
    for facts in &cases {
        let denial = identify(facts).unwrap_err();
        assert_eq!(denial.reason, Reason::BadIdentity, "{denial:?}");
        all.push_str(&format!("{}\n", denial.detail));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn an_identity_in_a_header_has_one_reading() {
    let ambiguous: [&Fields; 4] = [
        &[("x-user", "ana"), ("x-user", "ana")],
        &[("x-user", "ana, ben")],
        &[("x-user", "ana"), ("x_user", "ben")],
        &[("x_user", "ben")],
    ];
    for fields in ambiguous {
        assert_eq!(identify(&peer("10.1.2.3", fields)).unwrap_err().reason, Reason::Ambiguous, "{fields:?}");
    }
}

#[test]
fn names_and_groups_are_by_issuer() {
    let identities = Identities::load(&[], &bundle(&[("identities.yaml", YAML)])).unwrap();
    assert_eq!(identities.group("sre"), Some(GroupId { issuer: "local".into(), id: "7".into() }));
    assert_eq!(identities.group("dba"), None);
    let person = |issuer: &str, subject: &str| Person { issuer: issuer.into(), subject: subject.into() };
    let ana = [person("chat", "U1"), person("https://idp.example", "00u1"), person("local", "ana")];
    for name in &ana {
        assert_eq!(identities.names(name), ana);
    }
    assert_eq!(identities.names(&person("chat", "ana")), [person("chat", "ana")]);
}

#[test]
fn sources_say_what_is_wrong_with_them() {
    let cases = [
        json!({"kind": "peer_certificate", "trust_domain": "Prod", "type": "Agent"}),
        json!({"kind": "peer_certificate", "trust_domain": "prod", "type": "1"}),
        json!({"kind": "header", "name": "X-User", "peers": ["::1"], "type": "User"}),
        json!({"kind": "header", "name": "x-user", "peers": [], "type": "User"}),
        json!({"kind": "header", "name": "x-user", "peers": ["10.0.0.0/40"], "type": "User"}),
        json!({"kind": "jwt", "metadata": "p", "principal": {"type": "a b"}}),
    ];
    let sources: Vec<IdentitySource> = cases.map(|case| serde_json::from_value(case).unwrap()).into();
    let errors = Identities::load(&sources, &bundle(&[])).unwrap_err();
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(errors.join("\n"));
    let unknown = json!({"kind": "jwt", "metadata": "p", "principal": {"type": "A"}, "claim": "x"});
    assert!(serde_json::from_value::<IdentitySource>(unknown).is_err());
}
