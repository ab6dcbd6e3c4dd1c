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
    /// The glass is broken without a reason.
    #[error("break_glass_needs_reason")]
    BreakGlassNeedsReason,
    /// Severity high or the glass broken, and no second factor.
    #[error("second_factor_missing")]
    SecondFactorMissing,
    /// In none of the groups that may open a gate (alone, when the glass is broken), or not since before the request.
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
    if answer.break_glass.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
        return Err(Ineligible::BreakGlassNeedsReason);
    }
    let proven = answer.amr.iter().any(|method| SECOND_FACTORS.contains(&method.as_str()));
    let must_prove = asked.severity == Severity::High || answer.break_glass.is_some();
    if must_prove && !proven {
        return Err(Ineligible::SecondFactorMissing);
    }
    if !asked.gates.iter().any(|gate| counts(answer, gate, asked.asked_at)) {
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

/// Whether the answer can count for `gate`: by the group that opens it alone when the glass is broken, else by
/// the group of its reviewers.
#[must_use]
pub fn counts(answer: &Answer, gate: &Gate, asked_at: UnixMillis) -> bool {
    match answer.break_glass {
        Some(_) => breaks(answer, gate, asked_at),
        None => belongs(answer, &gate.group, asked_at),
    }
}

/// Whether the answer opens `gate` alone.
#[must_use]
pub fn breaks(answer: &Answer, gate: &Gate, asked_at: UnixMillis) -> bool {
    let glass = gate.break_glass.as_ref().filter(|_| answer.break_glass.is_some());
    glass.is_some_and(|glass| belongs(answer, &glass.group, asked_at))
}

/// Whether the person was in `group` when the request was asked.
fn belongs(answer: &Answer, group: &GroupId, asked_at: UnixMillis) -> bool {
    answer.groups.iter().any(|place| place.group == *group && place.since <= asked_at)
}

/// How many approvers are missing until every gate has its quorum and every flag its extra approver, when
/// no person fills two slots: 0 means enough.
///
/// Who breaks the glass opens every gate alone whose group for that they are in, and fills no slot. A flag's extra
/// approver may come from any gate's reviewers, so that no yes ever makes more people missing; when the glass of all
/// gates is broken, none is needed.
///
/// People are matched to slots (augmenting paths, Kuhn 1955), not greedily: somebody in two groups must not
/// block the slot that only they can fill. Call it with eligible answers of distinct people.
#[must_use]
pub fn missing(gates: &[Gate], flags: usize, asked_at: UnixMillis, answers: &[Answer]) -> usize {
    let (broken, answers): (Vec<&Answer>, Vec<&Answer>) =
        answers.iter().partition(|answer| answer.break_glass.is_some());
    let shut = |gate: &&Gate| !broken.iter().any(|answer| breaks(answer, gate, asked_at));
    let shut: Vec<&Gate> = gates.iter().filter(shut).collect();
    let slots = if shut.is_empty() { Vec::new() } else { slots(gates, &shut, flags) };
    let candidates: Vec<Vec<usize>> = slots
        .iter()
        .map(|groups| {
            let fits = |(index, answer): (usize, &&Answer)| {
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

/// For each slot the groups of which one is enough: a shut gate's own, or any gate's for a flag's extra slot.
fn slots<'a>(gates: &'a [Gate], shut: &[&'a Gate], flags: usize) -> Vec<Vec<&'a GroupId>> {
    let own = shut.iter().flat_map(|gate| (0..gate.quorum).map(|_| vec![&gate.group]));
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
