//! Broken glass: one person alone opens the gates that say so, for a reason that stays on record.

use countersign_core::engine::Engine;
use countersign_core::life::{Enquiry, Next, Note, Step};
use countersign_protocol::approval::{OutcomeEvent, Remedy};
use countersign_protocol::grant::{Answer, Grant};
use countersign_protocol::person::GroupId;
use countersign_protocol::request::BreakGlass;
use serde_json::json;

use crate::fixture::{IDENTITIES, World, answer, approved, configuration, load, request, signed, won};
use crate::narrowing::{APPROVE, with_identities};

/// A second gate of a deploy takes two people, or one on call alone.
const GLAZED: &str = r#"@id("deploy-needs-dba") @approval("dba") @quorum("2") @break_glass("oncall")
    forbid (principal, action == Action::"deploy", resource);"#;

fn identities() -> String {
    let groups = "groups: { dba: { issuer: local, id: dba }, oncall: { issuer: local, id: pager },";
    IDENTITIES.replace("groups: {", groups)
}

fn world(schema: &str, policy: &str) -> World {
    with_identities(schema, &format!("{GLAZED}\n{policy}"), &identities())
}

/// The yes of somebody in one group, with a second factor.
fn by(person: &str, id: u8, group: &str) -> Answer {
    let mut answer = answer(person, id, 0);
    answer.groups[0].group.id = group.into();
    answer
}

fn breaking(person: &str, id: u8, group: &str, reason: &str) -> Answer {
    Answer { break_glass: Some(reason.into()), ..by(person, id, group) }
}

fn grant(world: &World, enquiry: &Enquiry, answers: Vec<Answer>) -> Grant {
    Grant { answers, ..world.grant(enquiry, &[]) }
}

fn answered(world: &mut World, answers: Vec<Answer>) -> Step {
    let (enquiry, held) = world.hold(request("POST", "/things/a/deploy"));
    let grant = grant(world, &enquiry, answers);
    world.verdict(held, approved(&enquiry, &signed(&grant)))
}

fn code(step: &Step) -> &str {
    assert!(matches!(step.next, Next::Wait(_)), "{step:?}");
    let OutcomeEvent::GrantRefused { code, remedy: Remedy::Reopen, .. } = &step.tell[0].event else {
        panic!("{step:?}")
    };
    code
}

#[test]
fn people_are_asked_with_the_group_that_may_open_alone() {
    let (enquiry, _) = world("", "").hold(request("POST", "/things/a/deploy"));
    let glass = |gate: &str| {
        let gates = &enquiry.question.gates;
        gates.iter().find(|shut| shut.gate.id == gate).unwrap().break_glass.clone()
    };
    let pager = GroupId { issuer: "local".into(), id: "pager".into() };
    let oncall = BreakGlass { group: pager, group_name: "oncall".into() };
    assert_eq!((glass("deploy-needs-dba"), glass("deploy-needs-sre")), (Some(oncall), None));
}

#[test]
fn one_person_opens_alone_what_says_so_and_the_evidence_says_it_plainly() {
    let mut world = world("", "");
    let (enquiry, held) = world.hold(request("POST", "/things/a/deploy"));
    let answers = vec![breaking("cy", 1, "pager", "the \"site\" is down"), by("bo", 2, "sre")];
    let grant = grant(&world, &enquiry, answers);
    let step = world.verdict(held, approved(&enquiry, &signed(&grant)));
    let told = r#""break_glass":[{"gate":"deploy-needs-dba","person":{"issuer":"local","subject":"cy"},"reason":"the \"site\" is down"}]"#;
    assert!(step.audit[0].line.contains(told), "{}", step.audit[0].line);
    let Next::Claim(claim, _, claiming) = step.next else { panic!("{step:?}") };
    let receipt = world.receipt(&grant, &claim);
    let step = world.claimed(*claiming, won(&claim, &receipt));
    assert!(matches!(step.next, Next::Continue(_)), "{step:?}");
    assert_eq!(step.notes, [Note::GlassBroken]);
    assert_eq!(step.audit[0].envelope.kind, "forwarded");
    assert!(step.audit[0].line.contains(told), "{}", step.audit[0].line);
}

#[test]
fn nothing_else_is_opened_so() {
    let sre = || by("bo", 2, "sre");
    let cases = [
        (vec![breaking("cy", 1, "pager", "down")], "quorum_missing"),
        (vec![breaking("cy", 1, "pager", "  "), sre()], "break_glass_needs_reason"),
        (vec![breaking("cy", 1, "dba", "down"), sre()], "not_in_group"),
        (vec![by("cy", 1, "pager"), sre()], "not_in_group"),
        (vec![breaking("ana", 1, "pager", "down"), sre()], "self_approval"),
        (
            vec![Answer { amr: vec!["pwd".into()], ..breaking("cy", 1, "pager", "down") }, sre()],
            "second_factor_missing",
        ),
        (vec![breaking("bo", 1, "pager", "down"), sre()], "same_person_twice"),
    ];
    for (answers, expected) in cases {
        let step = answered(&mut world("", ""), answers);
        assert_eq!(code(&step), expected);
        assert!(!step.audit[0].line.contains("break_glass\":"), "{}", step.audit[0].line);
    }
}

#[test]
fn policies_for_approvers_hold_for_those_who_break_the_glass_too() {
    let schema = APPROVE.replace("severity: String,", "severity: String, break_glass: Bool,");
    let forbid = |when: &str, gate: &str| {
        format!(
            "@id(\"narrow\") forbid (principal == User::\"cy\", action == Countersign::Action::\"approve\", \
             resource == Countersign::Gate::\"{gate}\") when {{ {when} }};"
        )
    };
    let (dba, sre) = ("deploy-needs-dba", "deploy-needs-sre");
    for (when, gate, passes) in [
        ("context.break_glass", dba, false),
        ("!context.break_glass", dba, true),
        ("true", sre, true),
        ("true", dba, false),
    ] {
        let answers = vec![breaking("cy", 1, "pager", "down"), by("bo", 2, "sre")];
        let step = answered(&mut world(&schema, &forbid(when, gate)), answers);
        assert_eq!(matches!(step.next, Next::Claim(..)), passes, "{when} {gate}: {step:?}");
    }
    let answers = || vec![by("cy", 1, "dba"), by("dee", 2, "dba"), by("bo", 3, "sre")];
    let step = answered(&mut world(&schema, &forbid("context.break_glass", dba)), answers());
    assert!(matches!(step.next, Next::Claim(..)), "{step:?}");
    let step = answered(&mut world(&schema, &forbid("!context.break_glass", dba)), answers());
    assert_eq!(code(&step), "approver_forbidden");
}

/// The files of the bundle with a gate that `group` may open alone.
fn files(identities: &str) -> serde_json::Value {
    let mut files = configuration(json!({}))["bundle"]["files"].clone();
    files["b.cedar"] = GLAZED.into();
    files["identities.yaml"] = identities.into();
    configuration(json!({ "bundle": { "v": 1, "files": files } }))
}

#[test]
fn a_group_that_nobody_maps_does_not_load() {
    let unmapped = identities().replace("oncall:", "others:");
    let errors = Engine::load(&files(&unmapped)).unwrap_err();
    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1);
    assert!(
        told[0].contains("gate `deploy-needs-dba` can be opened alone by `oncall`, which `groups`"),
        "{told:?}"
    );
}

#[test]
fn a_group_that_means_others_now_was_not_asked_about() {
    let mut world = World::of(load(&files(&identities())));
    let (enquiry, held) = world.hold(request("POST", "/things/a/deploy"));
    let answers = vec![breaking("cy", 1, "pager", "down"), by("bo", 2, "sre")];
    let grant = grant(&world, &enquiry, answers);
    world.engine = load(&files(&identities().replace("id: pager", "id: everybody")));
    let step = world.verdict(held, approved(&enquiry, &signed(&grant)));
    let OutcomeEvent::GrantRefused { code, remedy: Remedy::Revoke, .. } = &step.tell[0].event else {
        panic!("{step:?}")
    };
    assert_eq!(code, "gates_changed");
}
