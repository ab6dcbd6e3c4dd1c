//! Rulings over one small bundle: the order of reasons, merged terms, shadow policies, and what the request
//! itself brings.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use std::collections::BTreeMap;

use countersign_core::bundle::Bundle;
use countersign_core::denial::Reason;
use countersign_core::entity::EntityName;
use countersign_core::policy::{
    Claimed, Failure, Fault, Policies, PolicyLimits, Query, Required, Ruling, Shadow, Verdict, Would,
};
use countersign_core::value::Value;
use countersign_protocol::Hash;
use countersign_protocol::request::Severity;

const SCHEMA: &str = r#"
entity Anonymous;
entity User;
entity Agent in [Team] = { owner: User };
entity Team in [Team];
entity Org;
entity Repo in [Org] = { frozen?: Bool };
entity Vault = { level: Long };
action "change";
action "read" in "change" appliesTo { principal: [Agent, Anonymous], resource: [Repo, Vault], context: { now?: datetime } };
action "join" appliesTo { principal: Agent, resource: Team };
action "deploy" in "change" appliesTo {
    principal: [Agent, Anonymous], resource: Repo, context: { rows: Long, by?: User, from?: ipaddr }
};
"#;

const ENTITIES: &str = r#"[
    {"uid": {"type": "User", "id": "ann"}, "attrs": {}, "parents": []},
    {"uid": {"type": "Agent", "id": "ci"}, "attrs": {"owner": {"__entity": {"type": "User", "id": "ann"}}},
     "parents": [{"type": "Team", "id": "build"}]},
    {"uid": {"type": "Repo", "id": "ice"}, "attrs": {"frozen": true}, "parents": []}
]"#;

const POLICIES: &str = r#"
@id("all") permit (principal, action, resource);
@id("acme") forbid (principal, action == Action::"read", resource in Org::"acme");
@id("now") forbid (principal, action == Action::"read", resource) when { context has now && context.now < datetime("2026-01-01") };
@id("ice") @audit("sync") forbid (principal, action, resource is Repo) when { resource has frozen && resource.frozen };
@id("overflow") forbid (principal in Team::"build", action == Action::"deploy", resource)
    when { context.rows + 1 < 0 };
@id("many") @approval("dba") @quorum("2") @hold("5s") @uses("3") @severity("high") @reason("many rows")
forbid (principal, action == Action::"deploy", resource) when { context.rows > 100 };
@id("more") @approval("sre") @expires("10m") @uses("2") @severity("low")
forbid (principal, action in Action::"change", resource) when { context has rows && context.rows > 1000 };
@id("inner") forbid (principal in Team::"core", action == Action::"join", resource);
@id("tried") @shadow @approval("sre") forbid (principal, action == Action::"deploy", resource);
@id("broken") @shadow permit (principal, action == Action::"deploy", resource) when { context.rows * 2 > 0 };
"#;

fn policies() -> Policies {
    let files = [("a.cedarschema", SCHEMA), ("entities.json", ENTITIES), ("a.cedar", POLICIES)];
    let files = files.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect();
    Policies::load(&Bundle::from_files(files).unwrap(), &PolicyLimits::default()).unwrap()
}

fn query(principal: (&str, &str), action: &str, resource: (&str, &str)) -> Query {
    Query {
        principal: EntityName::new(principal.0, principal.1),
        claimed: Claimed::default(),
        anonymous: principal.0 == "Anonymous",
        action: EntityName::new("Action", action),
        resource: EntityName::new(resource.0, resource.1),
        parents: Vec::new(),
        context: BTreeMap::new(),
    }
}

fn deploy(rows: i64) -> Query {
    let context = BTreeMap::from([("rows".to_owned(), Value::Long(rows))]);
    Query { context, ..query(("Agent", "ci"), "deploy", ("Repo", "x")) }
}

fn read(principal: (&str, &str), resource: (&str, &str)) -> Query {
    query(principal, "read", resource)
}

fn denied(ruling: &Ruling) -> Option<Reason> {
    match ruling.verdict {
        Verdict::Deny(reason) => Some(reason),
        _ => None,
    }
}

fn unfit(ruling: &Ruling) -> String {
    match ruling.errors.as_slice() {
        [Fault::Unfit(message)] => message.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_permit_with_nothing_in_the_way_allows() {
    let ruling = policies().rule(&deploy(1));
    assert_eq!((ruling.verdict, ruling.determining), (Verdict::Allow, vec!["all".to_owned()]));
}

#[test]
fn shut_gates_merge_into_the_stricter_terms() {
    let ruling = policies().rule(&deploy(5_000));
    assert_eq!(ruling.determining, ["many", "more"]);
    let Verdict::NeedsApproval(Required { gates, terms }) = ruling.verdict else { panic!("not held") };
    assert_eq!((terms.hold_ms, terms.expires_ms, terms.use_within_ms), (5_000, 600_000, 600_000));
    assert_eq!((terms.uses, terms.severity), (2, Severity::High));
    let groups: Vec<_> = gates.iter().map(|gate| (gate.group.as_str(), gate.quorum)).collect();
    assert_eq!(groups, [("dba", 2), ("sre", 1)]);
    let text = POLICIES.split_inclusive(';').find(|text| text.contains("@id(\"many\")")).unwrap().trim();
    assert_eq!(gates[0].gate.hash, Hash::of(text.as_bytes()));
    assert_eq!(gates[0].reason.as_deref(), Some("many rows"));
}

#[test]
fn an_absolute_forbid_wins_over_gates() {
    let resource = EntityName::new("Repo", "ice");
    let ruling = policies().rule(&Query { resource, ..deploy(5_000) });
    assert_eq!(denied(&ruling), Some(Reason::Forbidden));
    assert_eq!((ruling.determining, ruling.sync_audit), (vec!["ice".to_owned()], true));
}

#[test]
fn an_error_in_a_forbid_denies() {
    let ruling = policies().rule(&deploy(i64::MAX));
    assert_eq!(denied(&ruling), Some(Reason::PolicyError));
    assert_eq!(
        ruling.errors,
        [Fault::Failed { policy: "overflow".into(), failure: Failure::IntegerOverflow }]
    );
    let late = BTreeMap::from([("now".to_owned(), Value::Datetime(1_800_000_000_000))]);
    let read = Query { context: late, ..read(("Agent", "ci"), ("Repo", "x")) };
    assert_eq!(policies().rule(&read).verdict, Verdict::Allow);
}

#[test]
fn shadow_policies_are_recorded_and_change_nothing() {
    let ask = Shadow { id: "tried".into(), would: Would::Ask };
    let permit = Shadow { id: "broken".into(), would: Would::Permit };
    assert_eq!(policies().rule(&deploy(1)).shadow, [permit, ask.clone()]);
    let ruling = policies().rule(&Query { principal: EntityName::new("Agent", "ci"), ..deploy(i64::MAX) });
    assert_eq!(
        ruling.shadow[0],
        Shadow { id: "broken".into(), would: Would::Fail(Failure::IntegerOverflow) }
    );
    assert_eq!(ruling.shadow[1], ask);
}

#[test]
fn nobody_waits_for_people_anonymously() {
    let anonymous =
        |query: Query| Query { principal: EntityName::new("Anonymous", ""), anonymous: true, ..query };
    assert_eq!(denied(&policies().rule(&anonymous(deploy(5_000)))), Some(Reason::Anonymous));
    assert_eq!(policies().rule(&anonymous(deploy(1))).verdict, Verdict::Allow);
    let change = query(("Anonymous", ""), "change", ("Repo", "x"));
    assert_eq!(denied(&policies().rule(&change)), Some(Reason::Anonymous));
}

#[test]
fn parents_that_the_request_shows_count() {
    let fine = BTreeMap::from([("now".to_owned(), Value::Datetime(1_800_000_000_000))]);
    let parents = vec![EntityName::new("Org", "acme")];
    let known = Query { context: fine, parents, ..read(("Agent", "ci"), ("Repo", "x")) };
    assert_eq!(policies().rule(&known).determining, ["acme"]);
    let both = Query { resource: EntityName::new("Repo", "ice"), ..known };
    assert_eq!(policies().rule(&both).determining, ["acme", "ice"]);
    let join = query(("Agent", "ci"), "join", ("Team", "build"));
    assert_eq!(policies().rule(&join).verdict, Verdict::Allow);
    let inner = Query { parents: vec![EntityName::new("Team", "core")], ..join.clone() };
    assert_eq!(policies().rule(&inner).determining, ["inner"]);
    let circle = Query { parents: vec![EntityName::new("Team", "build")], ..join };
    assert_eq!(unfit(&policies().rule(&circle)), "`Team::\"build\"` would lie in itself");
}

#[test]
fn a_request_that_does_not_fit_the_schema_is_denied() {
    let vault = read(("Agent", "ci"), ("Vault", "v"));
    let stranger = read(("Agent", "who"), ("Repo", "x"));
    let misplaced = Query { parents: vec![EntityName::new("Team", "build")], ..deploy(1) };
    let missing = Query { context: BTreeMap::new(), ..deploy(1) };
    let extra = BTreeMap::from([("rows".to_owned(), Value::Long(1)), ("cols".to_owned(), Value::Long(1))]);
    let extra = Query { context: extra, ..deploy(1) };
    let typed = Query { context: BTreeMap::from([("rows".to_owned(), Value::Bool(true))]), ..deploy(1) };
    let address = [("from".to_owned(), Value::Ip("10.0.0.x".into())), ("rows".to_owned(), Value::Long(1))];
    let address = BTreeMap::from(address);
    let address = Query { context: address, ..deploy(1) };
    let year = BTreeMap::from([("now".to_owned(), Value::Datetime(i64::MAX))]);
    let year = Query { context: year, ..read(("Agent", "ci"), ("Repo", "x")) };
    let told: Vec<_> = [vault, stranger, misplaced, missing, extra, typed, address, year]
        .iter()
        .chain([
            &query(("Agent", "ci"), "write", ("Repo", "x")),
            &query(("A b", "ci"), "read", ("Repo", "x")),
        ])
        .map(|query| {
            let ruling = policies().rule(query);
            assert_eq!(denied(&ruling), Some(Reason::PolicyError));
            unfit(&ruling)
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn loading_answers_what_routes_and_identity_ask() {
    let policies = policies();
    let action = |id| EntityName::new("Action", id);
    assert!(policies.gated(&action("deploy")) && policies.gated(&action("read")));
    assert!(!policies.gated(&action("write")));
    let declared = policies.context_type(&action("deploy")).unwrap();
    let declared: Vec<_> =
        declared.iter().map(|(name, a)| (name.as_str(), a.required, a.ty.to_string())).collect();
    let expected = [("by", false, "User"), ("from", false, "ipaddr"), ("rows", true, "Long")];
    assert_eq!(declared, expected.map(|(name, required, ty)| (name, required, ty.to_owned())));
    assert!(policies.declares_type("Org") && !policies.declares_type("Nothing"));
    let owner = policies.attribute_entity(&EntityName::new("Agent", "ci"), "owner");
    assert_eq!(owner, Some(EntityName::new("User", "ann")));
    assert_eq!(policies.attribute_entity(&EntityName::new("Agent", "who"), "owner"), None);
}

/// The stack of a WebAssembly instance, where nothing guards it; frames are larger here, without optimisation.
const SMALL_STACK: usize = 1 << 20;

#[test]
fn the_deepest_policy_that_is_read_fits_a_small_stack() {
    let deep = |before: &str, inner: &str, after: &str, n: usize| before.repeat(n) + inner + &after.repeat(n);
    let differ = |before: &str, after: &str, n: usize| {
        deep(before, "1", after, n) + " != " + &deep(before, "2", after, n)
    };
    let conditions = [
        deep("(", "true", ")", 60),
        deep("", "true", " || context.rows == 1", 58),
        deep("if context.rows == 1 then false else ", "true", "", 19),
        differ("[", "]", 58),
        differ("{a: ", "}", 58),
        deep("(true && ", "true", ")", 29),
        differ("[{a: (", ")}]", 19),
        deep("-", "context.rows", " * 1", 4) + &" + 1".repeat(50) + " != 5",
    ];
    let text = conditions.iter().enumerate().map(|(n, condition)| {
        format!("@id(\"{n}\") permit (principal, action == Action::\"deploy\", resource) when {{ {condition} }};\n")
    });
    let files =
        [("a.cedarschema", SCHEMA), ("entities.json", ENTITIES), ("a.cedar", &text.collect::<String>())];
    let files = files.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect();
    let work = move || {
        let policies = Policies::load(&Bundle::from_files(files).unwrap(), &PolicyLimits::default()).unwrap();
        policies.rule(&deploy(3))
    };
    let ruling = std::thread::Builder::new().stack_size(SMALL_STACK).spawn(work).unwrap().join().unwrap();
    assert_eq!((ruling.verdict, ruling.errors), (Verdict::Allow, vec![]));
}
