//! The fixed rules of who may countersign: tables of who may not, properties of when it is enough.

#![expect(clippy::indexing_slicing, reason = "a test may fail by an index")]

use countersign_protocol::grant::{Answer, GateRef, Membership};
use countersign_protocol::person::{GroupId, Involved, Person, Role};
use countersign_protocol::quorum::{Asked, Ineligible, eligible, missing};
use countersign_protocol::request::{BreakGlass, Gate, Severity};
use countersign_protocol::{Hash, Token};
use proptest::prelude::*;

const ASKED_AT: i64 = 1_000;

fn person(issuer: &str, subject: &str) -> Person {
    Person { issuer: issuer.into(), subject: subject.into() }
}

fn group(id: &str) -> GroupId {
    GroupId { issuer: "local".into(), id: id.into() }
}

fn gate(id: &str, quorum: u8) -> Gate {
    Gate {
        gate: GateRef { id: format!("gate-{id}"), hash: Hash::of(id.as_bytes()) },
        group: group(id),
        group_name: id.into(),
        quorum,
        reason: None,
        channel: None,
        break_glass: None,
    }
}

fn answer(subject: &str, groups: &[&str]) -> Answer {
    let groups = groups.iter().map(|id| Membership { group: group(id), since: 0 }).collect();
    Answer {
        id: Token([1; 16]),
        person: person("local", subject),
        at: ASKED_AT + 1,
        account_since: 0,
        groups,
        amr: vec!["pwd".into()],
        break_glass: None,
    }
}

fn involved(role: Role, names: &[Person]) -> Vec<Involved> {
    vec![Involved { role, entity: "User::\"ana\"".into(), names: names.to_vec() }]
}

fn check(answer: &Answer, involved: &[Involved], severity: Severity) -> Result<(), Ineligible> {
    eligible(answer, Asked { involved, gates: &[gate("sre", 1)], severity, asked_at: ASKED_AT })
}

#[test]
fn a_member_who_takes_no_part_may() {
    let involved = involved(Role::Owner, &[person("local", "bo")]);
    assert_eq!(check(&answer("ana", &["sre"]), &involved, Severity::Medium), Ok(()));
}

#[test]
fn nobody_who_takes_part_may_under_any_of_their_names() {
    for role in [Role::Requester, Role::Agent, Role::Owner, Role::Delegate] {
        let involved = involved(role, &[person("https://idp.example", "00u1"), person("local", "ana")]);
        let refused = check(&answer("ana", &["sre"]), &involved, Severity::Medium);
        assert_eq!(refused, Err(Ineligible::SelfApproval), "{role:?}");
    }
}

#[test]
fn people_without_a_common_issuer_cannot_be_told_apart_but_agents_are_no_people() {
    let elsewhere = [person("https://idp.example", "00u1")];
    for (role, expected) in [
        (Role::Requester, Err(Ineligible::NotComparable)),
        (Role::Owner, Err(Ineligible::NotComparable)),
        (Role::Delegate, Err(Ineligible::NotComparable)),
        (Role::Agent, Ok(())),
    ] {
        assert_eq!(check(&answer("ana", &["sre"]), &involved(role, &elsewhere), Severity::Low), expected);
    }
}

#[test]
fn neither_account_nor_membership_may_be_younger_than_the_request() {
    let young = Answer { account_since: ASKED_AT + 1, ..answer("ana", &["sre"]) };
    assert_eq!(check(&young, &[], Severity::Medium), Err(Ineligible::AccountTooYoung));
    let mut joined = answer("ana", &["sre"]);
    joined.groups[0].since = ASKED_AT + 1;
    assert_eq!(check(&joined, &[], Severity::Medium), Err(Ineligible::NotInGroup));
}

#[test]
fn groups_count_by_issuer_and_id() {
    let mut other = answer("ana", &["sre"]);
    other.groups[0].group.issuer = "https://idp.example".into();
    assert_eq!(check(&other, &[], Severity::Medium), Err(Ineligible::NotInGroup));
}

#[test]
fn high_severity_needs_a_second_factor() {
    let mut one = answer("ana", &["sre"]);
    assert_eq!(check(&one, &[], Severity::High), Err(Ineligible::SecondFactorMissing));
    one.amr.push("otp".into());
    assert_eq!(check(&one, &[], Severity::High), Ok(()));
}

#[test]
fn somebody_in_two_groups_does_not_block_the_slot_that_only_they_can_fill() {
    let gates = [gate("sre", 1), gate("dba", 1)];
    let both = answer("ana", &["sre", "dba"]);
    assert_eq!(missing(&gates, 0, ASKED_AT, std::slice::from_ref(&both)), 1);
    assert_eq!(missing(&gates, 0, ASKED_AT, &[both.clone(), answer("bo", &["sre"])]), 0);
    assert_eq!(missing(&gates, 0, ASKED_AT, &[answer("bo", &["sre"]), both]), 0);
    assert_eq!(missing(&gates, 0, ASKED_AT, &[answer("bo", &["sre"]), answer("cy", &["sre"])]), 1);
}

#[test]
fn each_flag_needs_one_more() {
    let people = [answer("ana", &["sre"]), answer("bo", &["sre"])];
    assert_eq!(missing(&[gate("sre", 1)], 1, ASKED_AT, &people[..1]), 1);
    assert_eq!(missing(&[gate("sre", 1)], 1, ASKED_AT, &people), 0);
}

/// A gate that members of `glass` may open alone.
fn glazed(id: &str, quorum: u8, glass: &str) -> Gate {
    let break_glass = Some(BreakGlass { group: group(glass), group_name: glass.into() });
    Gate { break_glass, ..gate(id, quorum) }
}

/// Breaks the glass with both factors.
fn breaking(subject: &str, groups: &[&str], reason: &str) -> Answer {
    let amr = vec!["pwd".into(), "otp".into()];
    Answer { amr, break_glass: Some(reason.into()), ..answer(subject, groups) }
}

#[test]
fn who_breaks_the_glass_needs_a_reason_a_second_factor_and_the_group_for_it() {
    let gates = [gate("dba", 1), glazed("sre", 2, "oncall")];
    let good = breaking("ana", &["oncall"], "the site is down");
    let weak = Answer { amr: vec!["pwd".into()], ..good.clone() };
    let mut joined = good.clone();
    joined.groups[0].since = ASKED_AT + 1;
    let own = involved(Role::Owner, &[person("local", "ana")]);
    let cases = [
        (&good, &[][..], Ok(())),
        (&good, &own[..], Err(Ineligible::SelfApproval)),
        (&Answer { account_since: ASKED_AT + 1, ..good.clone() }, &[], Err(Ineligible::AccountTooYoung)),
        (&breaking("ana", &["oncall"], " \n"), &[], Err(Ineligible::BreakGlassNeedsReason)),
        (&weak, &[], Err(Ineligible::SecondFactorMissing)),
        (&joined, &[], Err(Ineligible::NotInGroup)),
        (&breaking("ana", &["sre", "dba"], "down"), &[], Err(Ineligible::NotInGroup)),
        // Without breaking it, those of that group open nothing.
        (&answer("ana", &["oncall"]), &[], Err(Ineligible::NotInGroup)),
    ];
    for (answer, involved, expected) in cases {
        let asked = Asked { involved, gates: &gates, severity: Severity::Low, asked_at: ASKED_AT };
        assert_eq!(eligible(answer, asked), expected, "{answer:?}");
    }
}

#[test]
fn broken_glass_opens_its_gates_alone_and_fills_no_slot() {
    let gates = [glazed("sre", 2, "oncall"), gate("dba", 1)];
    // In the other gate's group, too: still no slot of it.
    let broken = breaking("ana", &["oncall", "dba"], "down");
    assert_eq!(missing(&gates, 0, ASKED_AT, std::slice::from_ref(&broken)), 1);
    assert_eq!(missing(&gates, 0, ASKED_AT, &[broken.clone(), answer("bo", &["dba"])]), 0);
    assert_eq!(missing(&gates[..1], 0, ASKED_AT, std::slice::from_ref(&broken)), 0);
    assert_eq!(missing(&gates, 0, ASKED_AT, &[breaking("ana", &["sre", "dba"], "down")]), 3);
}

#[test]
fn a_flag_needs_its_approver_unless_no_gate_is_left() {
    let gates = [glazed("sre", 2, "oncall"), gate("dba", 1)];
    let broken = breaking("ana", &["oncall"], "down");
    assert_eq!(missing(&gates[..1], 3, ASKED_AT, std::slice::from_ref(&broken)), 0);
    let dba = answer("bo", &["dba"]);
    assert_eq!(missing(&gates, 1, ASKED_AT, &[broken.clone(), dba.clone()]), 1);
    assert_eq!(missing(&gates, 1, ASKED_AT, &[broken, dba, answer("cy", &["sre"])]), 0);
}

const GROUPS: [&str; 3] = ["a", "b", "c"];

/// Some of them break the glass.
fn hasty_crowd() -> impl Strategy<Value = Vec<Answer>> {
    (crowd(), proptest::collection::vec(any::<bool>(), 6)).prop_map(|(people, hasty)| {
        let reason = |hasty: bool| hasty.then(|| "down".to_owned());
        let people = people.into_iter().zip(hasty);
        people.map(|(answer, hasty)| Answer { break_glass: reason(hasty), ..answer }).collect()
    })
}

/// Some with glass.
fn glass_gates() -> impl Strategy<Value = Vec<Gate>> {
    let glass = proptest::collection::vec(proptest::option::of(0..3_usize), 4);
    (gates(), glass).prop_map(|(gates, glass)| {
        let mut gates = gates;
        for (gate, glass) in gates.iter_mut().zip(glass) {
            gate.break_glass =
                glass.map(|n| BreakGlass { group: group(GROUPS[n]), group_name: GROUPS[n].into() });
        }
        gates
    })
}

fn crowd() -> impl Strategy<Value = Vec<Answer>> {
    let member = proptest::sample::subsequence(GROUPS.to_vec(), 0..=3);
    proptest::collection::vec(member, 0..6).prop_map(|people| {
        people.iter().enumerate().map(|(n, groups)| answer(&n.to_string(), groups)).collect()
    })
}

fn gates() -> impl Strategy<Value = Vec<Gate>> {
    proptest::collection::vec((0..3_usize, 1..3_u8), 1..4)
        .prop_map(|list| list.into_iter().map(|(group, quorum)| gate(GROUPS[group], quorum)).collect())
}

/// Every way of giving slots to people, tried out: slow and plainly right.
fn fewest_missing(slots: &[&GroupId], people: &[Answer]) -> usize {
    let Some((slot, rest)) = slots.split_first() else { return 0 };
    let left_empty = 1 + fewest_missing(rest, people);
    let filled =
        (0..people.len()).filter(|&n| people[n].groups.iter().any(|place| place.group == **slot)).map(|n| {
            let others: Vec<_> =
                people.iter().enumerate().filter(|(m, _)| *m != n).map(|(_, p)| p.clone()).collect();
            fewest_missing(rest, &others)
        });
    filled.min().map_or(left_empty, |best| best.min(left_empty))
}

proptest! {
    #[test]
    fn the_matching_is_the_best_there_is(gates in gates(), people in crowd()) {
        let slots: Vec<&GroupId> =
            gates.iter().flat_map(|gate| (0..gate.quorum).map(|_| &gate.group)).collect();
        prop_assert_eq!(missing(&gates, 0, ASKED_AT, &people), fewest_missing(&slots, &people));
    }

    #[test]
    fn another_answer_never_makes_it_worse(gates in gates(), people in crowd(), flags in 0..3_usize) {
        let all = missing(&gates, flags, ASKED_AT, &people);
        let fewer = missing(&gates, flags, ASKED_AT, &people[..people.len().saturating_sub(1)]);
        prop_assert!(all <= fewer && fewer <= all + 1);
    }

    #[test]
    fn a_yes_that_breaks_glass_never_makes_it_worse(
        gates in glass_gates(), people in hasty_crowd(), flags in 0..3_usize,
    ) {
        let all = missing(&gates, flags, ASKED_AT, &people);
        let fewer = missing(&gates, flags, ASKED_AT, &people[..people.len().saturating_sub(1)]);
        prop_assert!(all <= fewer);
    }

    #[test]
    fn the_gates_that_are_left_are_opened_by_the_others_alone(gates in glass_gates(), people in hasty_crowd()) {
        let (hasty, others): (Vec<Answer>, Vec<Answer>) =
            people.iter().cloned().partition(|answer| answer.break_glass.is_some());
        let opened = |gate: &&Gate| gate.break_glass.as_ref().is_some_and(|glass| {
            hasty.iter().any(|answer| answer.groups.iter().any(|place| place.group == glass.group))
        });
        let left: Vec<Gate> = gates.iter().filter(|gate| !opened(gate)).cloned().collect();
        prop_assert_eq!(missing(&gates, 0, ASKED_AT, &people), missing(&left, 0, ASKED_AT, &others));
    }
}
