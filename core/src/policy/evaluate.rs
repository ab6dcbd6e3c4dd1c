//! The ruling: every policy whose scope can match is evaluated, then the order of reasons decides.

use cedar_policy_core::ast::{Literal, SlotEnv, ValueKind};
use cedar_policy_core::evaluator::{EvaluationError, Evaluator};
use cedar_policy_core::extensions::Extensions;
use countersign_protocol::grant::GateRef;

use super::annotation::{Gate, Notes, Role};
use super::request::Fitted;
use super::ruling::{Failure, Fault, Query, Required, Ruling, Shadow, ShutGate, Verdict, Would, merge};
use super::schema::Action;
use super::scope::{Index, PolicyNo};
use super::{Loaded, Policies};
use crate::denial::Reason;

/// What became of one policy.
pub(super) enum Outcome {
    Satisfied,
    NotSatisfied,
    Failed(Failure),
}

/// What became of all policies whose scope matches.
#[derive(Default)]
pub(super) struct Findings<'a> {
    pub(super) permits: Vec<&'a Loaded>,
    pub(super) forbids: Vec<&'a Loaded>,
    pub(super) gates: Vec<(&'a Loaded, &'a Gate)>,
    pub(super) errors: Vec<Fault>,
    shadow: Vec<Shadow>,
    /// An error in a forbid or a gate: Cedar would skip it, which here would fail open.
    forbid_failed: bool,
}

impl Policies {
    /// Rules on `query`. Equal queries get equal rulings.
    #[must_use]
    pub fn rule(&self, query: &Query) -> Ruling {
        let action = self.types.action(&query.action);
        if query.anonymous && !action.is_some_and(|action| action.principals.contains(&query.principal.ty)) {
            return refuse(Reason::Anonymous, Vec::new());
        }
        let findings = match action {
            Some(action) => self.find(query, action, &|_| true),
            None => Err(format!("the schema does not declare the action `{}`", query.action)),
        };
        match findings {
            Ok(findings) => findings.rule(query.anonymous),
            Err(message) => refuse(Reason::PolicyError, vec![Fault::Unfit(message)]),
        }
    }

    /// Evaluates what can match, of the policies that are `wanted`.
    ///
    /// # Errors
    /// Why the query does not fit the schema.
    pub(super) fn find(
        &self,
        query: &Query,
        action: &Action,
        wanted: &dyn Fn(&Notes) -> bool,
    ) -> Result<Findings<'_>, String> {
        let fitted = Fitted::new(query, action, &self.types, &self.hierarchy)?;
        let policies = self.candidates(&fitted).filter_map(|number| self.policies.get(number.index()));
        let policies: Vec<&Loaded> = policies.filter(|policy| wanted(&policy.info.notes)).collect();
        let literals = policies.iter().flat_map(|policy| policy.literals.iter().copied());
        let entities = fitted.entities(literals, &self.hierarchy)?;
        let request = fitted.request.as_ref().clone();
        let evaluator = Evaluator::new(request, &entities, Extensions::all_available());
        let mut findings = Findings::default();
        for policy in policies {
            findings.note(policy, evaluate(policy, &evaluator));
        }
        Ok(findings)
    }
}

impl Policies {
    /// The policies whose scope matches: first those that are enforced, then those that are only recorded.
    pub(super) fn candidates(&self, fitted: &Fitted) -> impl Iterator<Item = PolicyNo> + use<> {
        let of = |index: &Index| -> Vec<PolicyNo> {
            index.candidates(&fitted.action, &fitted.principal, &fitted.resource)
        };
        of(&self.enforced).into_iter().chain(of(&self.shadow))
    }
}

/// As Cedar's authorizer does it with each policy of a set.
pub(super) fn evaluate(policy: &Loaded, evaluator: &Evaluator<'_>) -> Outcome {
    match evaluator.interpret(&policy.condition, &SlotEnv::new()).map(|value| value.value) {
        Ok(ValueKind::Lit(Literal::Bool(true))) => Outcome::Satisfied,
        Ok(ValueKind::Lit(Literal::Bool(false))) => Outcome::NotSatisfied,
        Ok(_) => Outcome::Failed(Failure::TypeError),
        Err(error) => Outcome::Failed(failure(&error)),
    }
}

/// How it failed, without the values that Cedar's message shows.
pub(super) fn failure(error: &EvaluationError) -> Failure {
    match error {
        EvaluationError::IntegerOverflow(_) => Failure::IntegerOverflow,
        EvaluationError::FailedExtensionFunctionExecution(_) => Failure::ExtensionError,
        EvaluationError::TypeError(_) => Failure::TypeError,
        EvaluationError::EntityAttrDoesNotExist(_) | EvaluationError::RecordAttrDoesNotExist(_) => {
            Failure::MissingAttribute
        }
        EvaluationError::EntityDoesNotExist(_) => Failure::MissingEntity,
        EvaluationError::RecursionLimit(_) => Failure::RecursionLimit,
        _ => Failure::Other,
    }
}

impl<'a> Findings<'a> {
    fn note(&mut self, policy: &'a Loaded, outcome: Outcome) {
        let notes = &policy.info.notes;
        let id = notes.id.clone();
        match (notes.shadow, outcome, &notes.role) {
            (_, Outcome::NotSatisfied, _) => {}
            (true, Outcome::Satisfied, role) => self.shadow.push(Shadow { id, would: would(role) }),
            (true, Outcome::Failed(failure), _) => {
                self.shadow.push(Shadow { id, would: Would::Fail(failure) })
            }
            (false, Outcome::Satisfied, Role::Permit) => self.permits.push(policy),
            (false, Outcome::Satisfied, Role::Forbid) => self.forbids.push(policy),
            (false, Outcome::Satisfied, Role::Gate(gate)) => self.gates.push((policy, gate)),
            (false, Outcome::Failed(failure), role) => {
                self.forbid_failed |= *role != Role::Permit;
                self.errors.push(Fault::Failed { policy: id, failure });
            }
        }
    }

    /// The order in which reasons decide.
    fn rule(self, anonymous: bool) -> Ruling {
        let gates = || self.gates.iter().map(|(policy, _)| *policy);
        let (verdict, determining): (_, Vec<&Loaded>) = if self.forbid_failed {
            (Verdict::Deny(Reason::PolicyError), Vec::new())
        } else if !self.forbids.is_empty() || self.permits.is_empty() {
            (Verdict::Deny(Reason::Forbidden), self.forbids.clone())
        } else {
            match required(&self.gates) {
                None => (Verdict::Allow, self.permits.clone()),
                Some(_) if anonymous => (Verdict::Deny(Reason::Anonymous), gates().collect()),
                Some(required) => (Verdict::NeedsApproval(required), gates().collect()),
            }
        };
        Ruling {
            verdict,
            sync_audit: determining.iter().any(|policy| policy.info.notes.sync_audit),
            determining: determining.iter().map(|policy| policy.info.notes.id.clone()).collect(),
            errors: self.errors,
            shadow: self.shadow,
        }
    }
}

fn refuse(reason: Reason, errors: Vec<Fault>) -> Ruling {
    let (determining, shadow) = (Vec::new(), Vec::new());
    Ruling { verdict: Verdict::Deny(reason), determining, errors, shadow, sync_audit: false }
}

fn would(role: &Role) -> Would {
    match role {
        Role::Permit => Would::Permit,
        Role::Forbid => Would::Forbid,
        Role::Gate(_) => Would::Ask,
    }
}

fn required(gates: &[(&Loaded, &Gate)]) -> Option<Required> {
    let terms = gates.iter().map(|(_, gate)| gate.terms.clone()).reduce(|a, b| merge(&a, &b))?;
    Some(Required { gates: gates.iter().map(|(policy, gate)| shut(policy, gate)).collect(), terms })
}

fn shut(policy: &Loaded, gate: &Gate) -> ShutGate {
    ShutGate {
        gate: GateRef { id: policy.info.notes.id.clone(), hash: policy.info.hash },
        group: gate.group.clone(),
        quorum: gate.quorum,
        reason: gate.reason.clone(),
        channel: gate.channel.clone(),
        break_glass: gate.break_glass.clone(),
    }
}
