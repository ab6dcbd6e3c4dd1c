//! What became of an expression and its parts. Every value is Cedar's own; only which operand of `&&`, `||` and
//! `if` comes next is known here.

use cedar_policy_core::ast::{
    BinaryOp, BoundedToString, Expr, ExprKind, Literal, SlotEnv, UnaryOp, Value, ValueKind, Var,
};
use cedar_policy_core::evaluator::{EvaluationError, Evaluator};
use serde::{Serialize, Serializer};

use super::anatomy::{Anatomy, Junction, Piece, operands};
use crate::policy::evaluate::failure;
use crate::policy::ruling::Failure;

/// Most members of a set or record that a message shows.
const SHOWN: usize = 12;

/// What came of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Came {
    /// It is true.
    True,
    /// It is false.
    False,
    /// It could not be evaluated.
    Failed(Failure),
    /// It did not matter any more: what stands before it decided.
    NotEvaluated,
}

/// What came of an expression, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trace {
    /// Its text and place.
    #[serde(flatten)]
    pub piece: Piece,
    /// What came of it.
    pub came: Came,
    /// What would have come of it, if it had mattered.
    pub would: Came,
    /// Where it came from.
    pub how: How,
}

/// How an expression came to its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// From what it reads.
    Leaf {
        /// Attributes and entities that it reads.
        reads: Vec<Read>,
        /// What the policy engine says, when it failed.
        fault: Option<String>,
    },
    /// By `&&`: all must be true.
    All(Vec<Trace>),
    /// By `||`: one must be true.
    Any(Vec<Trace>),
    /// By `!`.
    Not(Box<Trace>),
    /// By `if`.
    If {
        /// What is asked.
        test: Box<Trace>,
        /// What holds if it is true.
        then: Box<Trace>,
        /// What holds if it is false.
        otherwise: Box<Trace>,
    },
}

/// Something that an expression reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Read {
    /// As it is written.
    pub text: String,
    /// Its value in Cedar's words; nothing when it is not there.
    pub value: Option<String>,
}

impl Came {
    /// What a value is.
    #[must_use]
    pub fn of(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }

    /// One word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::False => "false",
            Self::Failed(_) => "error",
            Self::NotEvaluated => "not evaluated",
        }
    }
}

impl Serialize for Came {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Failed(failure) => serializer.serialize_str(failure.code()),
            Self::NotEvaluated => serializer.serialize_str("not_evaluated"),
            other => serializer.serialize_bool(*other == Self::True),
        }
    }
}

/// Evaluates parts of one policy.
pub(super) struct Tracer<'a> {
    pub(super) evaluator: &'a Evaluator<'a>,
    pub(super) anatomy: &'a Anatomy,
}

/// A condition by Cedar's evaluator; what is no Boolean fails, as it does in a policy.
pub(super) fn came(evaluator: &Evaluator<'_>, expr: &Expr) -> Came {
    match interpret(evaluator, expr).map(|value| value.value) {
        Ok(ValueKind::Lit(Literal::Bool(value))) => Came::of(value),
        Ok(_) => Came::Failed(Failure::TypeError),
        Err(error) => Came::Failed(failure(&error)),
    }
}

fn interpret(evaluator: &Evaluator<'_>, expr: &Expr) -> Result<Value, Box<EvaluationError>> {
    evaluator.interpret(expr, &SlotEnv::new()).map_err(Box::new)
}

impl Tracer<'_> {
    /// What came of `expr`, if evaluation `reached` it.
    pub(super) fn trace(&self, expr: &Expr, reached: bool) -> Trace {
        let would = came(self.evaluator, expr);
        let came = if reached { would } else { Came::NotEvaluated };
        let piece = self.anatomy.piece(expr);
        Trace { piece, came, would, how: self.how(expr, reached) }
    }

    fn how(&self, expr: &Expr, reached: bool) -> How {
        let all = operands(expr, Junction::And);
        if all.len() > 1 {
            return How::All(self.series(&all, reached, Junction::And));
        }
        match expr.expr_kind() {
            ExprKind::Or { .. } => {
                How::Any(self.series(&operands(expr, Junction::Or), reached, Junction::Or))
            }
            // `a != b` is a `!` in Cedar's tree, too, with the text of the whole.
            ExprKind::UnaryApp { op: UnaryOp::Not, arg } if arg.source_loc() != expr.source_loc() => {
                How::Not(Box::new(self.trace(arg, reached)))
            }
            ExprKind::If { test_expr, then_expr, else_expr } => {
                let test = self.trace(test_expr, reached);
                let branch = |expr, taken| Box::new(self.trace(expr, test.came == taken));
                let (then, otherwise) = (branch(then_expr, Came::True), branch(else_expr, Came::False));
                How::If { test: Box::new(test), then, otherwise }
            }
            _ => self.leaf(expr),
        }
    }

    /// Operands in their order; those after the one that decides are not reached.
    pub(super) fn series(&self, operands: &[&Expr], mut reached: bool, junction: Junction) -> Vec<Trace> {
        let trace = |expr: &&Expr| {
            let trace = self.trace(expr, reached);
            reached = trace.came == Came::of(junction == Junction::And);
            trace
        };
        operands.iter().map(trace).collect()
    }

    fn leaf(&self, expr: &Expr) -> How {
        let mut reads = Vec::new();
        self.reads(expr, &mut reads);
        let fault = interpret(self.evaluator, expr).err().map(|error| error.to_string());
        How::Leaf { reads, fault }
    }

    /// The longest paths from a variable that `expr` reads, as far as evaluation reaches.
    fn reads(&self, expr: &Expr, found: &mut Vec<Read>) {
        let is = |expr, value| came(self.evaluator, expr) == Came::of(value);
        match expr.expr_kind() {
            // The whole context says nothing that is not shown already.
            ExprKind::Var(Var::Context) => {}
            _ if is_path(expr) => {
                let value = interpret(self.evaluator, expr).ok();
                let value = value.map(|value| BoundedToString::to_string_bounded(&value, SHOWN));
                let read = Read { text: self.anatomy.piece(expr).text, value };
                if !found.contains(&read) {
                    found.push(read);
                }
            }
            ExprKind::And { left, right } | ExprKind::Or { left, right } => {
                self.reads(left, found);
                if is(left, matches!(expr.expr_kind(), ExprKind::And { .. })) {
                    self.reads(right, found);
                }
            }
            ExprKind::If { test_expr, then_expr, else_expr } => {
                self.reads(test_expr, found);
                self.reads(if is(test_expr, true) { then_expr } else { else_expr }, found);
            }
            _ => parts(expr).into_iter().for_each(|part| self.reads(part, found)),
        }
    }
}

/// A variable, or an attribute or a tag of one.
fn is_path(expr: &Expr) -> bool {
    match expr.expr_kind() {
        ExprKind::Var(_) => true,
        ExprKind::GetAttr { expr, .. } => is_path(expr),
        ExprKind::BinaryApp { op: BinaryOp::GetTag, arg1, .. } => is_path(arg1),
        _ => false,
    }
}

/// The operands of an operator that evaluates all of them.
fn parts(expr: &Expr) -> Vec<&Expr> {
    match expr.expr_kind() {
        ExprKind::UnaryApp { arg: expr, .. }
        | ExprKind::GetAttr { expr, .. }
        | ExprKind::HasAttr { expr, .. }
        | ExprKind::ExtHasAttr { expr, .. }
        | ExprKind::Like { expr, .. }
        | ExprKind::Is { expr, .. } => vec![expr],
        ExprKind::BinaryApp { arg1, arg2, .. } => vec![arg1, arg2],
        ExprKind::ExtensionFunctionApp { args, .. } | ExprKind::Set(args) => args.iter().collect(),
        ExprKind::Record(members) => members.values().collect(),
        _ => Vec::new(),
    }
}

impl Trace {
    /// The smallest parts that made it come out so.
    #[must_use]
    pub fn deciding(&self) -> Vec<&Self> {
        match &self.how {
            How::Leaf { .. } => vec![self],
            How::Not(inner) => inner.deciding(),
            How::All(members) | How::Any(members) => {
                members.iter().filter(|member| member.came == self.came).flat_map(Self::deciding).collect()
            }
            How::If { test, then, otherwise } => {
                let branch = match test.came {
                    Came::True => then.deciding(),
                    Came::False => otherwise.deciding(),
                    _ => Vec::new(),
                };
                test.deciding().into_iter().chain(branch).collect()
            }
        }
    }

    /// What it reads itself.
    #[must_use]
    pub fn reads(&self) -> &[Read] {
        match &self.how {
            How::Leaf { reads, .. } => reads,
            _ => &[],
        }
    }

    /// What the policy engine says, when it fails.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        match &self.how {
            How::Leaf { fault, .. } => fault.as_deref(),
            _ => None,
        }
    }
}
