//! Counts what each request exercises.

use std::path::Path;

use countersign_core::explain::{Exercised, Explainer};
use countersign_core::policy::{Anatomy, Came, ClauseKind, Piece, Role};
use countersign_core::routes::WrittenRoute;
use countersign_protocol::recording::Decision;
use serde::Serialize;

use crate::explain::{one_line, place};
use crate::replay::Decisions;

/// What all requests exercised so far.
#[derive(Debug, Clone, Serialize)]
pub struct Tally {
    /// What was decided.
    pub decisions: Decisions,
    /// Requests that were left out: their bodies were not recorded whole.
    pub partial: u64,
    /// Every policy, gates among them, by id.
    pub policies: Vec<PolicyCount>,
    /// Every route, in the order of `routes.yaml`.
    pub routes: Vec<RouteCount>,
}

/// How often a policy mattered.
#[derive(Debug, Clone, Serialize)]
pub struct PolicyCount {
    /// Its `@id`.
    pub id: String,
    /// Gate, or any other policy.
    pub kind: Kind,
    /// Whether it is only recorded.
    pub shadow: bool,
    /// File, line and column.
    pub place: String,
    /// Requests that its scope matched.
    pub matched: u64,
    /// Requests for which it held: it permitted, forbade or asked.
    pub fired: u64,
    /// Requests for which it failed.
    pub failed: u64,
    /// The operands of `&&` in its clauses.
    pub conjuncts: Vec<ConjunctCount>,
}

/// How often an operand of a clause came out how.
#[derive(Debug, Clone, Serialize)]
pub struct ConjunctCount {
    /// Of which clause.
    pub clause: ClauseKind,
    /// Its text, in one line.
    pub text: String,
    /// File, line and column.
    pub place: String,
    /// True.
    #[serde(rename = "true")]
    pub yes: u64,
    /// False.
    #[serde(rename = "false")]
    pub no: u64,
    /// Failed.
    pub error: u64,
    /// What stands before it decided.
    pub not_evaluated: u64,
}

/// How often a route was taken.
#[derive(Debug, Clone, Serialize)]
pub struct RouteCount {
    /// `routes.yaml:12`.
    pub name: String,
    /// File and line.
    pub place: String,
    /// Methods, host and path.
    pub pattern: String,
    /// Requests that took it.
    pub taken: u64,
}

/// What can be exercised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Permits and absolute forbids: they held.
    Policies,
    /// Gates: they were shut.
    Gates,
    /// Operands of clauses: they were true, and they were false, each counting once.
    Clauses,
    /// Routes: they were taken.
    Routes,
}

/// How much of a kind was exercised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Covered {
    /// What.
    pub kind: Kind,
    /// So many were.
    pub exercised: u64,
    /// Of so many.
    pub of: u64,
}

impl Covered {
    /// Percent; nothing when there are none.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "no bundle has 2^52 policies")]
    pub fn percent(&self) -> Option<f64> {
        (self.of > 0).then(|| 100.0 * self.exercised as f64 / self.of as f64)
    }
}

impl Kind {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Policies => "policies",
            Self::Gates => "gates",
            Self::Clauses => "clauses",
            Self::Routes => "routes",
        }
    }
}

impl Tally {
    /// Nothing exercised of all that there is.
    #[must_use]
    pub fn new(explainer: &Explainer, folder: &Path) -> Self {
        Self {
            decisions: Decisions::default(),
            partial: 0,
            policies: explainer.policies().iter().map(|anatomy| PolicyCount::new(anatomy, folder)).collect(),
            routes: explainer.routes().iter().map(|route| RouteCount::new(route, folder)).collect(),
        }
    }

    /// Counts one request.
    pub fn add(&mut self, exercised: &Exercised) {
        match exercised.decision {
            Decision::Allow => self.decisions.allow += 1,
            Decision::Ask => self.decisions.ask += 1,
            Decision::Deny => self.decisions.deny += 1,
        }
        let name = exercised.route.as_deref();
        if let Some(route) = self.routes.iter_mut().find(|route| Some(route.name.as_str()) == name) {
            route.taken += 1;
        }
        for brief in &exercised.briefs {
            let Some(policy) = self.policies.get_mut(brief.policy) else { continue };
            policy.matched += 1;
            policy.fired += u64::from(brief.came == Came::True);
            policy.failed += u64::from(matches!(brief.came, Came::Failed(_)));
            let came = brief.clauses.iter().flatten();
            policy.conjuncts.iter_mut().zip(came).for_each(|(conjunct, came)| conjunct.add(*came));
        }
    }

    /// How much of each kind was exercised.
    #[must_use]
    pub fn covered(&self) -> Vec<Covered> {
        let policies = |kind| {
            let of = || self.policies.iter().filter(move |policy| policy.kind == kind);
            covered(kind, of().map(|policy| policy.fired > 0))
        };
        let conjuncts = self.policies.iter().flat_map(|policy| &policy.conjuncts);
        let conjuncts = conjuncts.flat_map(|conjunct| [conjunct.yes > 0, conjunct.no > 0]);
        vec![
            policies(Kind::Policies),
            policies(Kind::Gates),
            covered(Kind::Clauses, conjuncts),
            covered(Kind::Routes, self.routes.iter().map(|route| route.taken > 0)),
        ]
    }
}

fn covered(kind: Kind, items: impl Iterator<Item = bool>) -> Covered {
    let none = Covered { kind, exercised: 0, of: 0 };
    items.fold(none, |so_far, exercised| Covered {
        exercised: so_far.exercised + u64::from(exercised),
        of: so_far.of + 1,
        ..so_far
    })
}

impl PolicyCount {
    fn new(anatomy: &Anatomy, folder: &Path) -> Self {
        let notes = &anatomy.info.notes;
        let conjuncts = anatomy.clauses.iter().flat_map(|clause| {
            let pieces = clause.conjuncts.iter().map(|conjunct| &conjunct.piece);
            pieces.map(|piece| ConjunctCount::new(clause.kind, piece, folder))
        });
        Self {
            id: notes.id.clone(),
            kind: if matches!(notes.role, Role::Gate(_)) { Kind::Gates } else { Kind::Policies },
            shadow: notes.shadow,
            place: place(folder, &anatomy.place),
            matched: 0,
            fired: 0,
            failed: 0,
            conjuncts: conjuncts.collect(),
        }
    }
}

impl ConjunctCount {
    fn new(clause: ClauseKind, piece: &Piece, folder: &Path) -> Self {
        let (text, place) = (one_line(&piece.text).into_owned(), place(folder, &piece.place));
        Self { clause, text, place, yes: 0, no: 0, error: 0, not_evaluated: 0 }
    }

    fn add(&mut self, came: Came) {
        match came {
            Came::True => self.yes += 1,
            Came::False => self.no += 1,
            Came::Failed(_) => self.error += 1,
            Came::NotEvaluated => self.not_evaluated += 1,
        }
    }

    /// What it never was; nothing when it was both.
    #[must_use]
    pub fn never(&self) -> Option<&'static str> {
        match (self.yes > 0, self.no > 0) {
            (true, true) => None,
            (true, false) => Some("never false"),
            (false, true) => Some("never true"),
            (false, false) if self.error > 0 => Some("only failed"),
            (false, false) => Some("never evaluated"),
        }
    }
}

impl RouteCount {
    fn new(route: &WrittenRoute, folder: &Path) -> Self {
        let methods = if route.methods.is_empty() { "any method".into() } else { route.methods.join(", ") };
        let pattern = format!("{methods} {}{}", route.hosts.join(", "), route.path);
        let place = folder.join(&route.name).display().to_string();
        Self { name: route.name.clone(), place, pattern, taken: 0 }
    }
}
