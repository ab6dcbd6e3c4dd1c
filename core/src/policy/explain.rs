//! Why policies rule as they do on a query: what became of each whose scope matches, part by part, and what would
//! have to differ. The ruling itself is never made here.

mod anatomy;
mod change;
mod trace;

use std::collections::BTreeSet;

use cedar_policy_core::ast::Expr;
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;
use serde::Serialize;

pub use anatomy::{Anatomy, Clause, ClauseKind, Conjunct, Piece, Place};
pub use change::{Change, Need};
pub use trace::{Came, How, Read, Trace};

use anatomy::{Junction, Side};
use change::{all, change, one};
use trace::{Tracer, came};

use super::annotation::Role;
use super::request::Fitted;
use super::ruling::Query;
use super::{Loaded, Policies};

/// How many permits that could have permitted are shown.
const NEAREST: usize = 3;

/// What became of a policy, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Its `@id`.
    pub policy: String,
    /// Where it starts.
    pub place: Place,
    /// Whether its scope matches, so that it is evaluated at all.
    pub candidate: bool,
    /// Whether it holds.
    pub came: Came,
    /// The sides of its scope.
    pub scope: Vec<Matched>,
    /// Its clauses, in their order.
    pub clauses: Vec<ClauseTrace>,
}

/// One side of a scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Matched {
    /// The constraint, as Cedar writes it.
    pub text: String,
    /// Whether the request fits it.
    pub came: Came,
}

/// What became of a clause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClauseTrace {
    /// Which of both.
    pub kind: ClauseKind,
    /// What is between its braces, joined by `&&`.
    pub conjuncts: Vec<Trace>,
}

/// What became of a policy, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brief {
    /// Its place among all policies, sorted by id.
    pub policy: usize,
    /// Whether it holds.
    pub came: Came,
    /// What came of each conjunct of each clause.
    pub clauses: Vec<Vec<Came>>,
}

impl Policies {
    /// What became of every policy whose scope matches, those that are only recorded included, and of the permits
    /// that came nearest when `nearest` are wanted. `anatomies` are all policies', sorted by id.
    ///
    /// # Errors
    /// Why the query does not fit the schema.
    pub(crate) fn explain(
        &self,
        anatomies: &[Anatomy],
        query: &Query,
        nearest: bool,
    ) -> Result<Vec<Account>, String> {
        let fitted = self.fitted(query)?;
        let mut chosen: BTreeSet<usize> = self.candidates(&fitted).map(|number| number.index()).collect();
        let candidates = chosen.clone();
        if nearest {
            chosen.extend(self.nearest(anatomies, &fitted, &candidates)?);
        }
        let number = |index: usize| Some((index, self.policies.get(index)?, anatomies.get(index)?));
        let chosen: Vec<_> = chosen.into_iter().filter_map(number).collect();
        self.with_evaluator(&fitted, chosen.iter().map(|(_, loaded, _)| *loaded), |evaluator| {
            let account = |(index, loaded, anatomy): &(usize, &Loaded, &Anatomy)| {
                account(evaluator, loaded, anatomy, candidates.contains(index))
            };
            chosen.iter().map(account).collect()
        })
    }

    /// What became of every policy whose scope matches, in short.
    ///
    /// # Errors
    /// Why the query does not fit the schema.
    pub(crate) fn briefs(&self, anatomies: &[Anatomy], query: &Query) -> Result<Vec<Brief>, String> {
        let fitted = self.fitted(query)?;
        let number = |index: usize| Some((index, self.policies.get(index)?, anatomies.get(index)?));
        let chosen: Vec<_> =
            self.candidates(&fitted).filter_map(|candidate| number(candidate.index())).collect();
        self.with_evaluator(&fitted, chosen.iter().map(|(_, loaded, _)| *loaded), |evaluator| {
            let brief = |(policy, loaded, anatomy): &(usize, &Loaded, &Anatomy)| Brief {
                policy: *policy,
                came: came(evaluator, &loaded.condition),
                clauses: conjuncts(evaluator, anatomy),
            };
            chosen.iter().map(brief).collect()
        })
    }

    fn fitted(&self, query: &Query) -> Result<Fitted, String> {
        let undeclared = || format!("the schema does not declare the action `{}`", query.action);
        let action = self.types.action(&query.action).ok_or_else(undeclared)?;
        Fitted::new(query, action, &self.types, &self.hierarchy)
    }

    /// Evaluates with all entities that `policies` can reach.
    fn with_evaluator<'a, T>(
        &self,
        fitted: &Fitted,
        policies: impl Iterator<Item = &'a Loaded>,
        work: impl FnOnce(&Evaluator<'_>) -> T,
    ) -> Result<T, String> {
        let literals = policies.flat_map(|policy| policy.literals.iter().copied());
        let entities = fitted.entities(literals, &self.hierarchy)?;
        let request = fitted.request.as_ref().clone();
        Ok(work(&Evaluator::new(request, &entities, Extensions::all_available())))
    }

    /// The permits whose scope is missed by the least.
    fn nearest(
        &self,
        anatomies: &[Anatomy],
        fitted: &Fitted,
        candidates: &BTreeSet<usize>,
    ) -> Result<Vec<usize>, String> {
        let permit =
            |anatomy: &Anatomy| anatomy.info.notes.role == Role::Permit && !anatomy.info.notes.shadow;
        let others = anatomies.iter().enumerate();
        let others: Vec<_> =
            others.filter(|(index, anatomy)| permit(anatomy) && !candidates.contains(index)).collect();
        let loaded = others.iter().filter_map(|(index, _)| self.policies.get(*index));
        let mut ranked: Vec<_> = self.with_evaluator(fitted, loaded, |evaluator| {
            let rank = |(index, anatomy): &(usize, &Anatomy)| (misses(evaluator, &anatomy.sides), *index);
            others.iter().map(rank).collect()
        })?;
        ranked.sort_unstable();
        Ok(ranked.into_iter().take(NEAREST).map(|(_, index)| index).collect())
    }
}

/// How far off a scope is: another action is further off than another principal or resource.
fn misses(evaluator: &Evaluator<'_>, sides: &[Side]) -> usize {
    let weights = [2, 3, 2];
    let missed = sides.iter().zip(weights).filter(|(side, _)| came(evaluator, &side.expr) != Came::True);
    missed.map(|(_, weight)| weight).sum()
}

fn account(evaluator: &Evaluator<'_>, loaded: &Loaded, anatomy: &Anatomy, candidate: bool) -> Account {
    let tracer = Tracer { evaluator, anatomy };
    let matched = |side: &Side| Matched { text: side.text.clone(), came: came(evaluator, &side.expr) };
    let mut reached = candidate;
    let clause = |clause: &Clause| {
        let exprs: Vec<&Expr> = clause.conjuncts.iter().map(|conjunct| &conjunct.expr).collect();
        let conjuncts = tracer.series(&exprs, reached, Junction::And);
        let trace = ClauseTrace { kind: clause.kind, conjuncts };
        reached = trace.holds();
        trace
    };
    Account {
        policy: anatomy.info.notes.id.clone(),
        place: anatomy.place.clone(),
        candidate,
        came: came(evaluator, &loaded.condition),
        scope: anatomy.sides.iter().map(matched).collect(),
        clauses: anatomy.clauses.iter().map(clause).collect(),
    }
}

/// Each conjunct in its order, as far as evaluation reaches.
fn conjuncts(evaluator: &Evaluator<'_>, anatomy: &Anatomy) -> Vec<Vec<Came>> {
    let mut reached = true;
    let clause = |clause: &Clause| {
        let mut open = reached;
        let conjunct = |conjunct: &Conjunct| {
            let result = if open { came(evaluator, &conjunct.expr) } else { Came::NotEvaluated };
            open = result == Came::True;
            result
        };
        let results: Vec<_> = clause.conjuncts.iter().map(conjunct).collect();
        reached = holds(clause.kind, &results);
        results
    };
    anatomy.clauses.iter().map(clause).collect()
}

/// What came of operands of `&&`, together.
fn joined(conjuncts: &[Came]) -> Came {
    conjuncts.iter().copied().find(|came| *came != Came::True).unwrap_or(Came::True)
}

fn holds(kind: ClauseKind, conjuncts: &[Came]) -> bool {
    joined(conjuncts) == Came::of(kind == ClauseKind::When)
}

impl ClauseTrace {
    /// What came of what is between its braces.
    #[must_use]
    pub fn came(&self) -> Came {
        joined(&self.conjuncts.iter().map(|conjunct| conjunct.came).collect::<Vec<_>>())
    }

    /// Whether it lets the policy hold.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.came() == Came::of(self.kind == ClauseKind::When)
    }

    /// The smallest parts that decided it.
    #[must_use]
    pub fn deciding(&self) -> Vec<&Trace> {
        let came = self.came();
        self.conjuncts.iter().filter(|conjunct| conjunct.came == came).flat_map(Trace::deciding).collect()
    }

    /// What it takes for it to hold, or not to hold.
    fn change(&self, hold: bool) -> Option<Change> {
        let must_be = hold == (self.kind == ClauseKind::When);
        let members = self.conjuncts.iter();
        if must_be {
            let needs: Vec<_> = members.filter_map(|member| change(member, true)).collect();
            return (!needs.is_empty()).then(|| all(needs.into_iter()));
        }
        let would: Vec<_> = self.conjuncts.iter().map(|conjunct| conjunct.would).collect();
        let needs = members.filter_map(|member| change(member, false));
        (joined(&would) != Came::False).then(|| one(needs))
    }
}

impl Account {
    /// The smallest parts that decided it: of the clause that fails or is in the way, else of all. None when its
    /// scope alone decided.
    #[must_use]
    pub fn deciding(&self) -> Vec<(ClauseKind, &Trace)> {
        let broken =
            self.clauses.iter().find(|clause| clause.came() != Came::NotEvaluated && !clause.holds());
        let clauses = self.clauses.iter().filter(|clause| broken.is_none_or(|broken| broken == *clause));
        clauses.flat_map(|clause| clause.deciding().into_iter().map(|trace| (clause.kind, trace))).collect()
    }

    /// What it takes for it to hold; nothing when it does.
    #[must_use]
    pub fn to_hold(&self) -> Option<Change> {
        let sides =
            self.scope.iter().filter(|side| side.came != Came::True).map(|side| self.side(side, true));
        let clauses = self.clauses.iter().filter_map(|clause| clause.change(true));
        let needs: Vec<_> = sides.chain(clauses).collect();
        (!needs.is_empty()).then(|| all(needs.into_iter()))
    }

    /// What it takes for it not to hold, and not to fail; nothing when that is so. A policy without clauses holds
    /// for all that is in its scope.
    #[must_use]
    pub fn to_fall(&self) -> Option<Change> {
        if self.came == Came::False {
            return None;
        }
        let clauses: Vec<_> = self.clauses.iter().filter_map(|clause| clause.change(false)).collect();
        if !clauses.is_empty() {
            return Some(one(clauses.into_iter()));
        }
        let constrained = self.scope.iter().filter(|side| side.text.contains(' '));
        Some(one(constrained.map(|side| self.side(side, false))))
    }

    fn side(&self, side: &Matched, must_be: bool) -> Change {
        let piece = Piece { text: side.text.clone(), place: self.place.clone() };
        Change::Be(Need { piece, must_be, is: side.came, reads: Vec::new(), fault: None })
    }
}
