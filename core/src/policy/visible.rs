//! Whether somebody could ever be let do something, whatever the circumstances: what need not even be shown.

use cedar_policy_core::ast::{Expr, ExprKind, Var};
use cedar_policy_core::entities::Entities;
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;

use super::annotation::Role;
use super::evaluate::{Outcome, evaluate};
use super::request::Fitted;
use super::ruling::Query;
use super::{Loaded, Policies};

/// Whether an expression reads the circumstances of a request.
pub(super) fn reads_context(condition: &Expr) -> bool {
    condition.subexpressions().any(|part| matches!(part.expr_kind(), ExprKind::Var(Var::Context)))
}

impl Policies {
    /// Whether `query` could be allowed, or people asked about it, in some circumstances: `query.context` does not
    /// count. What a policy says that reads the context is not known, so it counts for the caller.
    #[must_use]
    pub fn could_allow(&self, query: &Query) -> bool {
        let Some(action) = self.types.action(&query.action) else { return false };
        let Ok(fitted) = Fitted::open(query, action, &self.types, &self.hierarchy) else { return false };
        let candidates = self.candidates(&fitted).filter_map(|number| self.policies.get(number.index()));
        let policies: Vec<&Loaded> = candidates.filter(|policy| !policy.info.notes.shadow).collect();
        let literals = policies.iter().flat_map(|policy| policy.literals.iter().copied());
        let Ok(entities) = fitted.entities(literals, &self.hierarchy) else { return false };
        could(&policies, &fitted, &entities)
    }
}

fn could(policies: &[&Loaded], fitted: &Fitted, entities: &Entities) -> bool {
    let request = fitted.request.as_ref().clone();
    let evaluator = Evaluator::new(request, entities, Extensions::all_available());
    let mut permitted = false;
    for policy in policies {
        let role = &policy.info.notes.role;
        if policy.reads_context {
            permitted |= *role == Role::Permit;
            continue;
        }
        match (role, evaluate(policy, &evaluator)) {
            (Role::Permit, Outcome::Satisfied) => permitted = true,
            (Role::Permit, _) | (_, Outcome::NotSatisfied) | (Role::Gate(_), Outcome::Satisfied) => {}
            (Role::Forbid, Outcome::Satisfied) | (_, Outcome::Failed(_)) => return false,
        }
    }
    permitted
}
