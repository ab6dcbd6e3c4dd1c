//! Who may countersign, and when it is enough: the fixed rules that gateway and service share and no
//! policy can loosen.

use crate::UnixMillis;
use crate::grant::Answer;
use crate::person::{GroupId, Involved, Role};
use crate::request::{Gate, Severity};

/// Why somebody's yes does not count for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ineligible {
    /// The person is the requester, the agent, its owner or in the delegation chain.
    #[error("self_approval")]
    SelfApproval,
    /// Somebody who takes part cannot be told apart from the person: no common issuer.
    #[error("identity_not_comparable")]
    NotComparable,
    /// The account is younger than the request.
    #[error("account_too_young")]
    AccountTooYoung,
    /// Severity high, and no second factor.
    #[error("second_factor_missing")]
    SecondFactorMissing,
    /// In none of the groups that may open a gate, or not since before the request.
    #[error("not_in_group")]
    NotInGroup,
}

impl Ineligible {
    /// The stable code, `snake_case`.
    #[must_use]
    pub fn code(self) -> String {
        self.to_string()
    }
}

/// Methods (RFC 8176) that prove a second factor.
const SECOND_FACTORS: [&str; 3] = ["otp", "hwk", "webauthn"];

/// What a request asks of those who answer.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who takes part in it.
    pub involved: &'a [Involved],
    /// The gates that are shut.
    pub gates: &'a [Gate],
    /// The merged severity.
    pub severity: Severity,
    /// When it was asked.
    pub asked_at: UnixMillis,
}

/// Whether `answer` may count for what was asked.
///
/// # Errors
/// The first rule that it breaks.
pub fn eligible(answer: &Answer, asked: Asked<'_>) -> Result<(), Ineligible> {
    for one in asked.involved {
        apart(answer, one)?;
    }
    if answer.account_since > asked.asked_at {
        return Err(Ineligible::AccountTooYoung);
    }
    let proven = answer.amr.iter().any(|method| SECOND_FACTORS.contains(&method.as_str()));
    if asked.severity == Severity::High && !proven {
        return Err(Ineligible::SecondFactorMissing);
    }
    if !asked.gates.iter().any(|gate| belongs(answer, &gate.group, asked.asked_at)) {
        return Err(Ineligible::NotInGroup);
    }
    Ok(())
}

fn apart(answer: &Answer, one: &Involved) -> Result<(), Ineligible> {
    if one.names.contains(&answer.person) {
        return Err(Ineligible::SelfApproval);
    }
    let comparable = one.names.iter().any(|name| name.issuer == answer.person.issuer);
    if comparable || one.role == Role::Agent { Ok(()) } else { Err(Ineligible::NotComparable) }
}

/// Whether the person was in `group` when the request was asked.
#[must_use]
pub fn belongs(answer: &Answer, group: &GroupId, asked_at: UnixMillis) -> bool {
    answer.groups.iter().any(|place| place.group == *group && place.since <= asked_at)
}

/// How many approvers are missing until every gate has its quorum and every flag its extra approver, when
/// no person fills two slots: 0 means enough.
///
/// People are matched to slots (augmenting paths, Kuhn 1955), not greedily: somebody in two groups must not
/// block the slot that only they can fill. Call it with eligible answers of distinct people.
#[must_use]
pub fn missing(gates: &[Gate], flags: usize, asked_at: UnixMillis, answers: &[Answer]) -> usize {
    let slots = slots(gates, flags);
    let candidates: Vec<Vec<usize>> = slots
        .iter()
        .map(|groups| {
            let fits = |(index, answer): (usize, &Answer)| {
                groups.iter().any(|group| belongs(answer, group, asked_at)).then_some(index)
            };
            answers.iter().enumerate().filter_map(fits).collect()
        })
        .collect();
    let mut taken = vec![None; answers.len()];
    let filled = (0..slots.len())
        .filter(|&slot| augment(slot, &candidates, &mut taken, &mut vec![false; answers.len()]));
    slots.len() - filled.count()
}

/// For each slot the groups of which one is enough: a gate's own, or any gate's for a flag's extra slot.
fn slots(gates: &[Gate], flags: usize) -> Vec<Vec<&GroupId>> {
    let own = gates.iter().flat_map(|gate| (0..gate.quorum).map(|_| vec![&gate.group]));
    let any: Vec<&GroupId> = gates.iter().map(|gate| &gate.group).collect();
    own.chain((0..flags).map(|_| any.clone())).collect()
}

fn augment(slot: usize, candidates: &[Vec<usize>], taken: &mut [Option<usize>], seen: &mut [bool]) -> bool {
    for &person in candidates.get(slot).into_iter().flatten() {
        let Some(visited) = seen.get_mut(person) else { continue };
        if std::mem::replace(visited, true) {
            continue;
        }
        let holder = taken.get(person).copied().flatten();
        if holder.is_none_or(|other| augment(other, candidates, taken, seen)) {
            if let Some(place) = taken.get_mut(person) {
                *place = Some(slot);
            }
            return true;
        }
    }
    false
}
