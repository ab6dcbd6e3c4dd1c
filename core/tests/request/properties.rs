//! What holds for every request: nothing panics, one reading is stable, different facts stay different.

use countersign_core::digest::{DigestInput, digest, shown};
use countersign_core::facts::{Peer, RequestFacts};
use countersign_core::identity::Identities;
use countersign_core::reading::{Reading, Relaxed, Rule, to_strip};
use countersign_core::routes::Routes;
use countersign_protocol::Hash;
use proptest::prelude::*;
use serde_json::json;

use crate::support::{bundle, map, read, request, routes};

const ROUTES: &str = r#"
routes:
  - match: { host: api.example, path: "/{a}/{b}", headers: { x-a: "1" } }
    action: Action::"read"
    resource: Repo::"{path.a}/{path.b}"
  - match: { host: api.example, path: "/{a}/{b}/{rest*}", query: { s: { present: true } } }
    action: Action::"tag"
    resource: File::"{path.rest}"
    context: { note: { from: "form:l", type: String, optional: true } }
  - match: { host: api.example, path: "/{a}/{b}" }
    action: Action::"export"
    resource: File::"{path.b}"
    context:
      limit: { from: "body:/l", type: Long }
      columns: { from: "header:x-c", type: Set<String>, optional: true }
      share: { from: "query:s", type: decimal, optional: true }
      at: { from: "body:/at", type: datetime, optional: true }
      from_ip: { from: "body:/ip", type: ipaddr, optional: true }
"#;

fn identities() -> Identities {
    let sources = json!([
        {"kind": "jwt", "metadata": "m", "principal": {"type": "User"}, "actor": {"type": "Agent"}},
        {"kind": "peer_certificate", "trust_domain": "d", "type": "Agent"},
        {"kind": "header", "name": "x-user", "peers": ["0.0.0.0/0"], "type": "User"}
    ]);
    let yaml = "people: { User: { issuer: local } }\nagents: { Agent: { owner: owner } }\n";
    Identities::load(
        &serde_json::from_value::<Vec<_>>(sources).unwrap(),
        &bundle(&[("identities.yaml", yaml)]),
    )
    .unwrap()
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..24),
        "[a-z0-9/%.;?&=+#,: \"{}\\[\\]-]{0,24}".prop_map(String::into_bytes),
        "/[a-c]/([a-c.]|%[0-9a-f]{2}|/){0,6}(\\?s=[0-9.]{1,4})?".prop_map(String::into_bytes),
    ]
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        ":method",
        ":scheme",
        ":authority",
        ":path",
        "host",
        "connection",
        "te",
        "content-type",
        "x-a",
        "x_a",
        "x-c",
        "x-user",
        "countersign-justification",
        "transfer-encoding",
        "content-length",
    ];
    prop_oneof![proptest::sample::select(known.to_vec()).prop_map(|name| name.as_bytes().to_vec()), bytes()]
}

fn fields(most: usize) -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
    let sane = [("x-a", "1"), ("x-c", "a, b"), ("countersign-justification", "because"), ("accept", "*/*")];
    let sane = proptest::sample::select(sane.to_vec()).prop_map(|(name, value)| (name.into(), value.into()));
    proptest::collection::vec(prop_oneof![6 => sane, 1 => (name(), bytes())], 0..most)
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let json = r#"\{"l":(-?[1-9][0-9]{0,20}|7|null),"(at|ip|L)":("[0-9T:Z./-]{0,24}"|null)\}"#;
    prop_oneof![1 => bytes(), 6 => json.prop_map(String::into_bytes)]
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    let sane = "/[a-c]/[a-c]{1,3}(%2[0-9a-e])?(/[a-c])?(\\?s=[0-9.]{1,4})?".prop_map(String::into_bytes);
    prop_oneof![1 => bytes(), 6 => sane]
}

prop_compose! {
    /// Mostly a request with odd things in it, sometimes none at all.
    fn soup()(own in proptest::bool::weighted(0.9), path in path(), extra in fields(4), trailers in fields(2),
              body in proptest::option::weighted(0.9, body()), json in proptest::bool::weighted(0.9),
              uri in "spiffe://d(/[a.%]{1,3}|/bot)?", certificate in any::<bool>(),
              claims in proptest::option::of("[a-z]{0,4}")) -> RequestFacts {
        let kind: &[(&'static str, &'static str)] = &[("content-type", "application/json")];
        let mut facts = if own { request("GET", "/", if json { kind } else { &[] }) } else { RequestFacts::default() };
        if let Some(field) = facts.headers.iter_mut().find(|(name, _)| name == b":path") {
            field.1 = path;
        }
        facts.headers.extend(extra);
        if let Some(sub) = claims {
            facts.claims.insert("m".into(), json!({"sub": sub, "iss": "i", "act": {"sub": sub}}));
        }
        let peer = Peer { address: "10.0.0.1".parse().ok(), uri_san: certificate.then_some(uri) };
        RequestFacts { trailers, body, peer, ..facts }
    }
}

fn rules() -> impl Strategy<Value = Relaxed> {
    proptest::collection::vec(proptest::sample::select(Rule::ALL), 0..Rule::ALL.len())
        .prop_map(Relaxed::from_iter)
}

/// All steps from bytes to digest, as far as they go.
fn go(facts: &RequestFacts, relaxed: &Relaxed, routes: &Routes, identities: &Identities) -> Option<Hash> {
    let reading = Reading::of(facts, relaxed).ok()?;
    let caller = identities.identify(facts, &reading, 0, &|_, _| None).ok()?;
    let target = routes.find(&reading, facts.body.as_deref()).ok()?;
    let mapped = target.map(&reading, facts.body.as_deref()).ok()?;
    let body = facts.body.as_deref().unwrap_or_default();
    let shown = shown(facts, &reading, body, &[], target.volatile(), target.redacted());
    assert_eq!(shown.body_sha256, Hash::of(body));
    Some(digest(&DigestInput {
        audience: "gateway",
        facts,
        reading: &reading,
        body,
        caller: &caller,
        route: target.name(),
        does: &[(&mapped.first.action, &mapped.first.resource)],
        loose: &[],
        volatile: target.volatile(),
    }))
}

proptest! {
    #[test]
    fn nothing_panics_and_the_same_gives_the_same(facts in soup(), relaxed in rules()) {
        let (routes, identities) = (routes(ROUTES), identities());
        let first = go(&facts, &relaxed, &routes, &identities);
        prop_assert_eq!(first, go(&facts, &relaxed, &routes, &identities));
        for (name, _) in &facts.headers {
            let _ = to_strip(name);
        }
    }

    #[test]
    fn load_never_panics(text in "[a-z:{}\\[\\]\"&*<>| \n-]{0,60}") {
        let _ = Routes::load(Some(&text), None, &crate::support::Schema);
        let _ = Identities::load(&[], &bundle(&[("identities.yaml", &text)]));
    }

    #[test]
    fn what_was_read_reads_the_same_again(path in "/([a-c. é%]|%[2-7][0-9a-f]|/){0,8}") {
        let Ok(first) = read(&request("GET", &path, &[])) else { return Ok(()) };
        let escaped: Vec<String> = first.segments.iter().map(|segment| {
            segment.bytes().map(|byte| match byte {
                b'a'..=b'z' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            }).collect()
        }).collect();
        let again = read(&request("GET", &format!("/{}", escaped.join("/")), &[])).unwrap();
        prop_assert_eq!(again.segments, first.segments);
    }

    #[test]
    fn different_parameters_are_different_entities(a in "[a-z/:%-]{1,4}", b in "[a-z/:%-]{1,4}",
                                                   c in "[a-z/:%-]{1,4}", d in "[a-z/:%-]{1,4}") {
        let routes = routes(r#"
routes:
  - match: { host: api.example, path: "/x" }
    action: Action::"read"
    resource: Repo::"{header.x-1}/{header.x-2}"
"#);
        let name = |one: &str, two: &str| {
            let mut facts = request("GET", "/x", &[]);
            facts.headers.extend([(b"x-1".to_vec(), one.into()), (b"x-2".to_vec(), two.into())]);
            map(&routes, &facts).map(|(_, mapped)| mapped.resource)
        };
        if let (Ok(first), Ok(second)) = (name(&a, &b), name(&c, &d)) {
            prop_assert_eq!(first == second, (&a, &b) == (&c, &d));
        }
    }
}
