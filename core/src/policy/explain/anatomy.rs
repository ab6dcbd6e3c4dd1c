//! Policies taken apart: scope, clauses and conjuncts, each with its text and its place in the file.

use cedar_policy::Policy;
use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, UnaryOp};
use cedar_policy_core::parser::Loc;
use serde::Serialize;

use crate::bundle::Bundle;
use crate::policy::source::{self, Chunk};
use crate::policy::{Policies, PolicyInfo};

/// Where something stands in a file of the bundle.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file.
    pub file: String,
    /// Line from 1.
    pub line: usize,
    /// Column from 1, in characters.
    pub column: usize,
}

/// A part of a policy's text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Piece {
    /// As it is written.
    pub text: String,
    /// Where it starts.
    pub place: Place,
}

/// The two kinds of clauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClauseKind {
    /// It must be true.
    When,
    /// It must be false.
    Unless,
}

/// A policy and its parts.
#[derive(Debug)]
pub struct Anatomy {
    /// What its annotations and its file say.
    pub info: PolicyInfo,
    /// Where it starts.
    pub place: Place,
    /// Its clauses, in their order.
    pub clauses: Vec<Clause>,
    /// Principal, action and resource of its scope.
    pub(super) sides: Vec<Side>,
    text: String,
}

/// A `when` or an `unless`.
#[derive(Debug)]
pub struct Clause {
    /// Which.
    pub kind: ClauseKind,
    /// What is between its braces, joined by `&&`; at least one.
    pub conjuncts: Vec<Conjunct>,
}

/// One operand of the `&&` that a clause is.
#[derive(Debug)]
pub struct Conjunct {
    /// Its text and place.
    pub piece: Piece,
    pub(super) expr: Expr,
}

/// One side of a scope.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) text: String,
    pub(super) expr: Expr,
}

impl Policies {
    /// Takes all policies apart, sorted by id. `bundle` is the one that they were loaded from.
    pub(crate) fn anatomies(&self, bundle: &Bundle) -> Vec<Anatomy> {
        let files = bundle.files().filter(|(path, _)| path.ends_with(".cedar"));
        let mut found: Vec<_> = files.flat_map(|(path, text)| self.of_file(path, text)).collect();
        found.sort_by(|a, b| a.info.notes.id.cmp(&b.info.notes.id));
        found
    }

    fn of_file<'a>(&'a self, path: &'a str, text: &'a str) -> impl Iterator<Item = Anatomy> + 'a {
        source::chunks(text).into_iter().filter_map(move |chunk| {
            let policy = Policy::parse(None, chunk.text).ok()?;
            let id = policy.annotation("id")?;
            let found = self.policies.binary_search_by(|loaded| loaded.info.notes.id.as_str().cmp(id));
            let info = self.policies.get(found.ok()?)?.info.clone();
            let place = start(path, text, &chunk);
            Some(Anatomy::new(info, place, chunk.text, &policy))
        })
    }
}

fn start(path: &str, text: &str, chunk: &Chunk<'_>) -> Place {
    let before = text.get(..chunk.offset).unwrap_or_default();
    let column = 1 + before.rsplit('\n').next().unwrap_or_default().chars().count();
    Place { file: path.into(), line: chunk.line, column }
}

impl Anatomy {
    fn new(info: PolicyInfo, place: Place, text: &str, policy: &Policy) -> Self {
        let policy = policy.as_ref();
        let (principal, resource) = (policy.principal_constraint(), policy.resource_constraint());
        let action = policy.action_constraint();
        let sides = vec![
            Side { text: principal.to_string(), expr: principal.as_expr() },
            Side { text: action.to_string(), expr: action.as_expr() },
            Side { text: resource.to_string(), expr: resource.as_expr() },
        ];
        let mut anatomy = Self { info, place, clauses: Vec::new(), sides, text: text.into() };
        let whole = policy.loc();
        if let Some(conditions) = policy.non_scope_constraints() {
            let clauses = clauses(conditions, whole);
            anatomy.clauses = clauses.into_iter().map(|clause| anatomy.clause(clause)).collect();
        }
        anatomy
    }

    fn clause(&self, expr: &Expr) -> Clause {
        let (kind, body) = match expr.expr_kind() {
            ExprKind::UnaryApp { op: UnaryOp::Not, arg } if self.is_unless(expr) => {
                (ClauseKind::Unless, arg.as_ref())
            }
            _ => (ClauseKind::When, expr),
        };
        let conjuncts = operands(body, Junction::And).into_iter();
        let conjuncts =
            conjuncts.map(|expr| Conjunct { piece: self.piece(expr), expr: expr.clone() }).collect();
        Clause { kind, conjuncts }
    }

    /// An `unless { a }` is a `!a` whose text is the clause. No expression starts with a reserved word followed
    /// by a brace.
    fn is_unless(&self, expr: &Expr) -> bool {
        let text = expr.source_loc().and_then(|loc| self.text.get(loc.start()..loc.end()));
        let rest = text.and_then(|text| text.strip_prefix("unless"));
        rest.is_some_and(|rest| rest.ends_with('}'))
    }

    /// Text and place of an expression of this policy.
    pub(super) fn piece(&self, expr: &Expr) -> Piece {
        let loc = expr.source_loc();
        let text = loc.and_then(|loc| self.text.get(loc.start()..loc.end()));
        let Some((text, loc)) = text.zip(loc) else {
            return Piece { text: expr.to_string(), place: self.place.clone() };
        };
        Piece { text: text.into(), place: self.at(loc.start()) }
    }

    fn at(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or_default();
        let lines = before.matches('\n').count();
        let last = before.rsplit('\n').next().unwrap_or_default().chars().count();
        let column = if lines == 0 { self.place.column + last } else { 1 + last };
        Place { file: self.place.file.clone(), line: self.place.line + lines, column }
    }
}

/// Clauses are joined from the right by an `&&` whose text is the whole policy.
fn clauses<'a>(mut rest: &'a Expr, whole: Option<&Loc>) -> Vec<&'a Expr> {
    let mut found = Vec::new();
    while let ExprKind::And { left, right } = rest.expr_kind()
        && rest.source_loc() == whole
    {
        found.push(left.as_ref());
        rest = right;
    }
    found.push(rest);
    found
}

/// What joins operands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Junction {
    And,
    Or,
}

/// The operands of a chain of `&&` or of `||`; an expression that is none is its only operand.
pub(super) fn operands(expr: &Expr, junction: Junction) -> Vec<&Expr> {
    match (expr.expr_kind(), junction) {
        (ExprKind::And { left, right }, Junction::And) if !is_in(expr, left, right) => {
            [operands(left, junction), operands(right, junction)].concat()
        }
        (ExprKind::Or { left, right }, Junction::Or) => {
            [operands(left, junction), operands(right, junction)].concat()
        }
        _ => vec![expr],
    }
}

/// `a is T in b`: Cedar makes an `&&` of it, whose operands have the text of the whole.
fn is_in(whole: &Expr, left: &Expr, right: &Expr) -> bool {
    let kinds = matches!(left.expr_kind(), ExprKind::Is { .. })
        && matches!(right.expr_kind(), ExprKind::BinaryApp { op: BinaryOp::In, .. });
    kinds && left.source_loc() == whole.source_loc() && right.source_loc() == whole.source_loc()
}
