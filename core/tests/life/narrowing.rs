//! Policies for approvers: whom they forbid to open a gate does not count, and what cannot be told is no yes.

use countersign_core::life::{Next, Step};
use countersign_protocol::Token;
use countersign_protocol::approval::{OutcomeEvent, Remedy};
use serde_json::json;

use crate::fixture::{
    ENTITIES, IDENTITIES, POLICIES, SCHEMA, World, approved, configuration, request, signed,
};

/// Approvers are users, of whom `ju` is a junior; all that an approval brings is declared.
pub(crate) const APPROVE: &str = r#"
namespace Countersign {
    entity Gate;
    action approve appliesTo { principal: User, resource: Gate, context: {
        action: String, principal: String, resource: String, severity: String,
        hour: Long, minute: Long, weekday: String, now: datetime, host: String, justification?: String
    } };
}
"#;

/// A world whose schema also has `schema`, and whose policies also have `policy`.
fn world(schema: &str, policy: &str) -> World {
    with_identities(schema, policy, IDENTITIES)
}

pub(crate) fn with_identities(schema: &str, policy: &str, identities: &str) -> World {
    let bundle = configuration(json!({}))["bundle"].clone();
    let mut files = bundle["files"].clone();
    files["a.cedarschema"] = SCHEMA.replace("entity User;", "entity Team; entity User in [Team];").into();
    files["approve.cedarschema"] = schema.into();
    files["identities.yaml"] = identities.into();
    files["a.cedar"] = format!("{POLICIES}\n{policy}").into();
    let ju = r#"{ "uid": { "type": "User", "id": "ju" }, "attrs": {}, "parents": [ { "type": "Team", "id": "juniors" } ] }, "#;
    files["entities.json"] = ENTITIES.replacen("[", &format!("[ {ju}"), 1).into();
    World::with(json!({ "bundle": { "v": 1, "files": files } }))
}

/// `people` say yes to the request at `path`.
fn answered(world: &mut World, path: &str, people: &[&str]) -> Step {
    let (enquiry, held) = world.hold(request("POST", path));
    let grant = world.grant(&enquiry, people);
    world.verdict(held, approved(&enquiry, &signed(&grant)))
}

/// Why the answers do not count, which, and what evidence says of it; the request is still held.
fn refused(step: &Step) -> (&str, &[Token], &str) {
    assert!(matches!(step.next, Next::Wait(_)), "{step:?}");
    let OutcomeEvent::GrantRefused { code, answers, remedy: Remedy::Reopen, .. } = &step.tell[0].event else {
        panic!("{step:?}")
    };
    assert_eq!(step.audit[0].envelope.kind, "grant_refused");
    (code, answers, &step.audit[0].line)
}

/// Whether `bo`'s yes opens `deploy-needs-sre` under `policy`.
fn opens(policy: &str) -> bool {
    let step = answered(&mut world(APPROVE, policy), "/things/a/deploy", &["bo"]);
    let opens = matches!(step.next, Next::Claim(..));
    assert_eq!(opens, step.tell.is_empty(), "{step:?}");
    opens
}

#[test]
fn whom_a_policy_forbids_does_not_count_and_the_others_do() {
    let policy = r#"@id("no-juniors") forbid (principal in Team::"juniors", action == Countersign::Action::"approve",
        resource == Countersign::Gate::"wipe-needs-two");"#;
    let mut world = world(APPROVE, policy);
    let step = answered(&mut world, "/things/a/wipe", &["bo", "ju"]);
    let (code, answers, line) = refused(&step);
    assert_eq!((code, answers), ("approver_forbidden", &[Token([2; 16])][..]));
    assert!(line.contains(r#""detail":"forbidden by no-juniors""#), "{line}");
    let step = answered(&mut world, "/things/a/wipe", &["bo", "cy"]);
    assert!(matches!(step.next, Next::Claim(..)), "{step:?}");
    let step = answered(&mut world, "/things/a/deploy", &["ju"]);
    assert!(matches!(step.next, Next::Claim(..)), "another gate: {step:?}");
}

#[test]
fn an_answer_is_judged_for_the_gates_that_it_can_open() {
    let policy = r#"@id("deploy-needs-dba") @approval("dba") forbid (principal, action == Action::"deploy", resource);
        @id("sre-only") forbid (principal == User::"dee", action == Countersign::Action::"approve",
        resource == Countersign::Gate::"deploy-needs-sre");"#;
    let identities = IDENTITIES.replace("groups: {", "groups: { dba: { issuer: local, id: dba },");
    for (also_sre, passes) in [(false, true), (true, false)] {
        let mut world = with_identities(APPROVE, policy, &identities);
        let (enquiry, held) = world.hold(request("POST", "/things/a/deploy"));
        let mut grant = world.grant(&enquiry, &["bo", "dee"]);
        let mut membership = grant.answers[1].groups[0].clone();
        membership.group.id = "dba".into();
        let sre = std::mem::replace(&mut grant.answers[1].groups, vec![membership]);
        grant.answers[1].groups.extend(sre.into_iter().filter(|_| also_sre));
        let step = world.verdict(held, approved(&enquiry, &signed(&grant)));
        assert_eq!(matches!(step.next, Next::Claim(..)), passes, "{step:?}");
    }
}

#[test]
fn the_context_is_the_request_that_was_asked_about() {
    // The moment of the fixture is a Sunday at noon.
    let conditions = [
        r#"context.action == "Action::\"deploy\"""#,
        r#"context.principal == "Agent::\"robot\"""#,
        r#"context.resource == "Thing::\"a\"""#,
        r#"context.severity == "medium""#,
        r#"context.weekday == "sunday" && context.hour == 12 && context.minute == 0"#,
        r#"context.now == datetime("2026-11-22T12:00:00Z")"#,
        r#"context.host == "api.test" && !(context has justification)"#,
        r#"principal == User::"bo" && resource == Countersign::Gate::"deploy-needs-sre""#,
    ];
    let forbid = |condition: &str| {
        format!(
            "@id(\"narrow\") forbid (principal, action == Countersign::Action::\"approve\", resource) \
             when {{ {condition} }};"
        )
    };
    for condition in conditions {
        assert!(!opens(&forbid(condition)), "{condition}");
        assert!(opens(&forbid(&format!("!({condition})"))), "{condition}");
    }
}

#[test]
fn only_absolute_forbids_that_are_enforced_are_consulted() {
    let permit = r#"@id("p") permit (principal, action == Countersign::Action::"approve", resource)
        when { context.hour + 9223372036854775807 > 0 };"#;
    let shadow =
        r#"@id("s") @shadow forbid (principal, action == Countersign::Action::"approve", resource);"#;
    for policy in ["", permit, shadow] {
        assert!(opens(policy), "{policy}");
    }
    assert!(!opens(r#"@id("all") forbid (principal == User::"bo", action, resource);"#));
}

#[test]
fn what_cannot_be_evaluated_is_no_yes() {
    let overflow = r#"@id("brittle-too") forbid (principal, action == Countersign::Action::"approve", resource)
        when { context.hour + 9223372036854775807 > 0 };"#;
    let step = answered(&mut world(APPROVE, overflow), "/things/a/deploy", &["bo"]);
    let (code, answers, line) = refused(&step);
    assert_eq!((code, answers), ("approver_policy_error", &[Token([1; 16])][..]));
    assert!(line.contains(r#""detail":"integer_overflow in brittle-too""#), "{line}");

    let unfit = APPROVE.replace("entity Gate;", "entity Gate = { level: Long };");
    let step = answered(&mut world(&unfit, ""), "/things/a/deploy", &["bo"]);
    let (code, _, line) = refused(&step);
    assert_eq!(code, "approver_policy_error");
    assert!(line.contains("the schema wants its attribute `level`"), "{line}");
}

#[test]
fn an_approver_whom_policy_does_not_know_does_not_count() {
    let others = APPROVE.replace("principal: User,", "principal: Agent,");
    let step = answered(&mut world(&others, ""), "/things/a/deploy", &["bo"]);
    let (code, answers, _) = refused(&step);
    assert_eq!((code, answers), ("approver_unknown_to_policy", &[Token([1; 16])][..]));
}

#[test]
fn every_name_of_a_person_is_looked_at() {
    let schema = APPROVE.replace("principal: User,", "principal: [User, Countersign::Contractor],");
    let schema = schema.replace("entity Gate;", "entity Gate; entity Contractor;");
    let policy = r#"@id("no-twin") forbid (principal == Countersign::Contractor::"twin",
        action == Countersign::Action::"approve", resource);"#;
    let step = answered(&mut world(&schema, policy), "/things/a/deploy", &["bo"]);
    assert!(matches!(step.next, Next::Claim(..)), "contractors are nobody's accounts: {step:?}");
    let both = "User: { issuer: local }, Countersign::Contractor: { issuer: elsewhere }";
    let identities = IDENTITIES.replace("User: { issuer: local }", both);
    let mut world = with_identities(&schema, policy, &identities);
    assert_eq!(refused(&answered(&mut world, "/things/a/deploy", &["bo"])).0, "approver_forbidden");
    let step = answered(&mut world, "/things/a/deploy", &["cy"]);
    assert!(matches!(step.next, Next::Claim(..)), "{step:?}");
}

#[test]
fn without_the_action_nobody_is_asked_of_policy() {
    let everything = r#"@id("all") forbid (principal == User::"bo", action, resource);"#;
    for schema in ["", "namespace Countersign { entity Gate; }"] {
        let step = answered(&mut world(schema, everything), "/things/a/deploy", &["bo"]);
        assert!(matches!(step.next, Next::Claim(..)), "{step:?}");
    }
}
