//! What a token says besides who it is: groups and attributes, from claims to ruling and evidence; and tokens that end
//! while people answer.

use countersign_core::denial::Reason;
use countersign_core::engine::Engine;
use countersign_core::facts::RequestFacts;
use countersign_core::life::{Next, Step};
use serde_json::{Value, json};

use crate::fixture::{World, approved, configuration, reply, request_of, signed, with_header};

const SCHEMA: &str = r#"
entity Group in [Group];
entity User in [Group] = { team?: String, level?: Long, boss?: User, seats?: Set<String> };
entity Agent in [Group] = { owner?: User };
entity Thing in [User, Group];
action read, deploy appliesTo { principal: [User, Agent], resource: Thing, context: {} };
"#;

const POLICIES: &str = r#"
@id("readers") permit (principal in Group::"readers", action == Action::"read", resource);
@id("core-team") permit (principal is User, action == Action::"read", resource)
when { principal has team && principal.team == "core" && principal has level && principal.level > 3 };
@id("boss") permit (principal is User, action == Action::"read", resource)
when { principal has boss && principal.boss has team && principal.boss.team == "core" };
@id("seats") permit (principal is User, action == Action::"read", resource)
when { principal has seats && principal.seats.contains("a") };
@id("own-groups") permit (principal, action == Action::"read", resource in Group::"unlisted");
@id("contractors") forbid (principal in Group::"contractors", action, resource);
@id("deploys") permit (principal, action == Action::"deploy", resource);
@id("deploy-needs-sre") @approval("sre") @quorum("1") @hold("20s") forbid (principal, action == Action::"deploy", resource);
"#;

const ROUTES: &str = r#"
routes:
  - match: { host: api.test, method: GET, path: "/things/{thing}" }
    action: Action::"read"
    resource: Thing::"{path.thing}"
  - match: { host: api.test, method: GET, path: "/of/{user}/{thing}" }
    action: Action::"read"
    resource: Thing::"{path.thing}"
    parents:
      - User::"{path.user}"
  - match: { host: api.test, method: POST, path: "/things/{thing}" }
    action: Action::"deploy"
    resource: Thing::"{path.thing}"
"#;

const ENTITIES: &str = r#"[
  { "uid": { "type": "Group", "id": "sre" }, "attrs": {}, "parents": [{ "type": "Group", "id": "readers" }] },
  { "uid": { "type": "User", "id": "kim" }, "attrs": { "team": "core", "level": 1 }, "parents": [{ "type": "Group", "id": "sre" }] },
  { "uid": { "type": "User", "id": "max" }, "attrs": { "team": "core" }, "parents": [] }
]"#;

fn changed(source: Value) -> Value {
    let files = json!({
        "a.cedarschema": SCHEMA, "a.cedar": POLICIES, "routes.yaml": ROUTES, "entities.json": ENTITIES,
        "identities.yaml": "people: { User: { issuer: local } }\nagents: { Agent: { owner: owner } }\n\
                            groups: { sre: { issuer: local, id: sre } }",
    });
    json!({ "bundle": { "v": 1, "files": files }, "identity": [source] })
}

/// Groups may be left out, attributes too.
fn source() -> Value {
    let optional = |claim: &str, ty: &str| json!({ "claim": claim, "type": ty, "optional": true });
    json!({
        "kind": "jwt", "metadata": "idp", "principal": { "type": "User" }, "actor": { "type": "Agent" },
        "groups": optional("/realm/groups", "Group"),
        "attributes": {
            "team": optional("team", "String"), "level": optional("level", "Long"),
            "boss": optional("boss", "User"), "seats": optional("seats", "Set<String>"),
        },
    })
}

fn asks(method: &str, path: &str, claims: &Value) -> RequestFacts {
    let mut facts = request_of(("x-none", "x"), method, path);
    facts.claims.insert("idp".into(), claims.clone());
    facts
}

fn became(step: Step) -> String {
    match step.next {
        Next::Continue(_) => "allowed".into(),
        Next::Ask(..) => "asked".into(),
        Next::Reply(reply) => {
            let body: Value = serde_json::from_str(&reply.body).unwrap();
            format!("{}: {}", body["code"].as_str().unwrap(), body["detail"].as_str().unwrap())
        }
        other => panic!("{other:?}"),
    }
}

/// Name, path and claims.
fn cases() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("nobody's groups", "/things/a", json!({"sub": "ana"})),
        ("a group", "/things/a", json!({"sub": "ana", "realm": {"groups": ["readers"]}})),
        ("a group as one text", "/things/a", json!({"sub": "ana", "realm": {"groups": "readers"}})),
        ("a group that lies in it", "/things/a", json!({"sub": "ana", "realm": {"groups": ["x", "sre"]}})),
        ("another spelling", "/things/a", json!({"sub": "ana", "realm": {"groups": ["Readers"]}})),
        (
            "the forbidden one too",
            "/things/a",
            json!({"sub": "ana", "realm": {"groups": ["readers", "contractors"]}}),
        ),
        ("in what is somebody's", "/of/ana/a", json!({"sub": "ana", "realm": {"groups": ["unlisted"]}})),
        ("in what is somebody else's", "/of/ben/a", json!({"sub": "ana", "realm": {"groups": ["unlisted"]}})),
        ("attributes", "/things/a", json!({"sub": "ana", "team": "core", "level": 4})),
        ("attributes that are too low", "/things/a", json!({"sub": "ana", "team": "core", "level": 3})),
        ("an entity", "/things/a", json!({"sub": "ana", "boss": "max"})),
        ("a set", "/things/a", json!({"sub": "ana", "seats": ["b", "a"]})),
        ("null is nothing", "/things/a", json!({"sub": "ana", "team": null, "realm": {"groups": null}})),
        (
            "confirmed by the bundle",
            "/things/a",
            json!({"sub": "kim", "team": "core", "realm": {"groups": ["sre"]}}),
        ),
        ("confirmed through a group", "/things/a", json!({"sub": "kim", "realm": {"groups": ["sre", "x"]}})),
        ("against the bundle's group", "/things/a", json!({"sub": "kim", "realm": {"groups": ["readers"]}})),
        ("against it, with none", "/things/a", json!({"sub": "kim"})),
        (
            "against the bundle's attribute",
            "/things/a",
            json!({"sub": "max", "team": "x", "realm": {"groups": ["readers"]}}),
        ),
        (
            "of the subject, not of the actor",
            "/things/a",
            json!({"sub": "ana", "act": {"sub": "bot"}, "realm": {"groups": ["readers"]}}),
        ),
        (
            "may_act is no act",
            "/things/a",
            json!({"sub": "ana", "may_act": {"sub": "bot"}, "realm": {"groups": ["readers"]}}),
        ),
        ("level as text", "/things/a", json!({"sub": "ana", "level": "4"})),
        ("level as a fraction", "/things/a", json!({"sub": "ana", "level": 4.5})),
        ("team as a list", "/things/a", json!({"sub": "ana", "team": ["core"]})),
        ("team with a NUL", "/things/a", json!({"sub": "ana", "team": "a\u{0}b"})),
        ("team too long", "/things/a", json!({"sub": "ana", "team": "x".repeat(8193)})),
        ("boss nobody", "/things/a", json!({"sub": "ana", "boss": ""})),
        ("seats of numbers", "/things/a", json!({"sub": "ana", "seats": [1]})),
        ("too many seats", "/things/a", json!({"sub": "ana", "seats": vec!["a"; 1001]})),
        ("groups of numbers", "/things/a", json!({"sub": "ana", "realm": {"groups": [1]}})),
        ("groups as an object", "/things/a", json!({"sub": "ana", "realm": {"groups": {"readers": true}}})),
        ("an empty group", "/things/a", json!({"sub": "ana", "realm": {"groups": [""]}})),
        ("too many groups", "/things/a", json!({"sub": "ana", "realm": {"groups": vec!["g"; 1001]}})),
    ]
}

#[test]
fn groups_and_attributes_of_claims_rule_as_those_of_entities_do() {
    let mut world = World::with(changed(source()));
    let mut all = String::new();
    for (name, path, claims) in cases() {
        all.push_str(&format!("{name}: {}\n", became(world.decide(asks("GET", path, &claims)))));
    }
    let many: Vec<_> = (0..1000).map(|n| format!("g{n}")).collect();
    let claims = json!({"sub": "ana", "realm": {"groups": many}});
    all.push_str(&format!(
        "as many as may be: {}\n",
        became(world.decide(asks("GET", "/things/a", &claims)))
    ));
    insta::assert_snapshot!(all);
}

#[test]
fn what_a_token_must_say_it_says_or_is_refused() {
    let mut must = source();
    must["groups"] = json!({ "claim": "groups", "type": "Group" });
    must["attributes"] = json!({ "team": { "claim": "team", "type": "String" } });
    let mut world = World::with(changed(must));
    let told = [
        json!({"sub": "ana"}),
        json!({"sub": "ana", "team": "a"}),
        json!({"sub": "ana", "team": null, "groups": []}),
        json!({"sub": "ana", "team": "a", "groups": ["readers"]}),
    ]
    .map(|claims| became(world.decide(asks("GET", "/things/a", &claims))));
    assert_eq!(
        told,
        [
            "bad_identity: the token has no claim `team`",
            "bad_identity: the token has no claim `groups`",
            "bad_identity: the token has no claim `team`",
            "allowed",
        ]
    );
}

#[test]
fn evidence_shows_what_a_token_said() {
    let mut world = World::with(changed(source()));
    let claims = json!({"sub": "ana", "team": "web", "level": 2, "realm": {"groups": ["x", "contractors"]}});
    let identity = |step: &Step| -> Value {
        let record: Value = serde_json::from_str(&step.audit.last().unwrap().line).unwrap();
        record["identity"].clone()
    };
    let said = json!({ "source": "jwt:idp", "key": null, "claims": {
        "groups": ["Group::\"contractors\"", "Group::\"x\""], "attributes": { "level": 2, "team": "web" },
    }});
    assert_eq!(identity(&world.decide(asks("GET", "/things/a", &claims))), said);
    let claims = json!({"sub": "ana", "seats": ["a"]});
    let held = identity(&world.decide(asks("POST", "/things/a", &claims)));
    assert_eq!(held["claims"], json!({ "groups": [], "attributes": { "seats": ["a"] } }));
    let many: Vec<_> = (0..1000).map(|n| format!("{n}{}", "g".repeat(100))).collect();
    let claims = json!({"sub": "ana", "realm": {"groups": many}});
    let long = identity(&world.decide(asks("GET", "/things/a", &claims)));
    assert!(long["claims"]["omitted"]["bytes"].as_u64().unwrap() > 100_000, "{long}");
}

#[test]
fn the_owner_of_an_agent_may_come_from_its_claims() {
    let mut source = source();
    source["principal"] = json!({ "type": "Agent" });
    source["attributes"] = json!({ "owner": { "claim": "owner", "type": "User", "optional": true } });
    source["groups"] = json!(null);
    let mut world = World::with(changed(source));
    let Next::Ask(enquiry, _) =
        world.decide(asks("POST", "/things/a", &json!({"sub": "bot", "owner": "kim"}))).next
    else {
        panic!("nobody was asked")
    };
    let involved: Vec<_> = enquiry.question.involved.iter().map(|one| one.entity.as_str()).collect();
    assert_eq!(involved, ["Agent::\"bot\"", "User::\"kim\""]);
    let ownerless = became(world.decide(asks("POST", "/things/a", &json!({"sub": "bot"}))));
    assert_eq!(ownerless, "owner_unknown: `Agent::\"bot\"` has no `owner`");
}

#[test]
fn what_the_schema_does_not_know_is_told_at_load() {
    let cases = [
        json!({ "groups": { "claim": "g", "type": "Thing" } }),
        json!({ "groups": { "claim": "g", "type": "Nothing" } }),
        json!({ "attributes": { "nothing": { "claim": "a", "type": "String" } } }),
        json!({ "attributes": { "team": { "claim": "a", "type": "Long" } } }),
        json!({ "attributes": { "boss": { "claim": "a", "type": "Agent" } } }),
        json!({ "attributes": { "seats": { "claim": "a", "type": "String" } } }),
        json!({ "principal": { "type": "Robot" }, "groups": null, "attributes": {} }),
        json!({ "actor": { "type": "Robot" } }),
    ];
    let mut told = String::new();
    for changes in cases {
        let mut source = source();
        source.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let errors = Engine::load(&configuration(changed(source))).unwrap_err();
        errors.iter().for_each(|error| told.push_str(&format!("{error}\n")));
    }
    insta::assert_snapshot!(told);
}

/// A token of the corpus of `core/tests/tokens`, whose keys the bundle has.
fn bearing(world: &World, name: &str) -> RequestFacts {
    let corpus: Value = serde_json::from_str(include_str!("../tokens/corpus.json")).unwrap();
    assert_eq!(corpus["now"].as_i64().unwrap() * 1000, world.now);
    let cases = corpus["cases"].as_array().unwrap();
    let token = cases.iter().find(|case| case[0] == name).unwrap()[1].as_str().unwrap();
    with_header(request_of(("x-none", "x"), "POST", "/things/a"), "authorization", &format!("Bearer {token}"))
}

fn verifying() -> World {
    let corpus: Value = serde_json::from_str(include_str!("../tokens/corpus.json")).unwrap();
    let mut changes = changed(json!({
        "kind": "bearer", "issuer": "https://idp.test", "audiences": ["gateway"], "keys": "idp.jwks.json",
        "leeway": "0s", "principal": { "type": "User" },
    }));
    changes["bundle"]["files"]["idp.jwks.json"] = json!(corpus["keys"].to_string());
    World::with(changes)
}

#[test]
fn a_token_that_ends_while_people_answer_ends_the_request_and_not_its_approval() {
    let mut world = verifying();
    let facts = bearing(&world, "good: EdDSA");
    let record = world.decide(facts.clone()).audit.pop().unwrap();
    let record: Value = serde_json::from_str(&record.line).unwrap();
    assert_eq!(record["identity"]["source"], "bearer:https://idp.test");
    assert_eq!(record["identity"]["key"].as_str().unwrap().len(), 43);

    let (enquiry, held) = world.hold(facts.clone());
    let shown =
        enquiry.question.request.headers.iter().find(|header| header.name == "authorization").unwrap();
    assert!(!shown.bound && !serde_json::to_string(shown).unwrap().contains("eyJ"), "{shown:?}");
    world.now += 600_000;
    let grant = world.grant(&enquiry, &["bo"]);
    let step = world.verdict(held, approved(&enquiry, &signed(&grant)));
    assert!(step.tell.is_empty(), "the approval was taken back: {:?}", step.tell);
    let reply = reply(step);
    assert_eq!((reply.reason, reply.status), (Reason::BadIdentity, 401));
    let challenge = ("www-authenticate", "Bearer error=\"invalid_token\"".to_owned());
    assert!(reply.headers.contains(&challenge), "{:?}", reply.headers);

    // Another token of the same person asks the same question.
    world.now -= 600_000;
    let (other, _) = world.hold(bearing(&world, "good: ES256"));
    assert_eq!(other.digest, enquiry.digest);
}
