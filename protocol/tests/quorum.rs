//! The fixed rules of who may countersign: tables of who may not, properties of when it is enough.

#![expect(clippy::indexing_slicing, reason = "a test may fail by an index")]

use countersign_protocol::grant::{Answer, GateRef, Membership};
use countersign_protocol::person::{GroupId, Involved, Person, Role};
use countersign_protocol::quorum::{Asked, Ineligible, eligible, missing};
use countersign_protocol::request::{Gate, Severity};
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

const GROUPS: [&str; 3] = ["a", "b", "c"];

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
}
