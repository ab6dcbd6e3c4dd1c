//! What would have to come out otherwise for a condition to come out otherwise.

use serde::Serialize;

use super::anatomy::Piece;
use super::trace::{Came, How, Read, Trace};

/// What would have to differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// One expression.
    Be(Need),
    /// Any one of these.
    One(Vec<Change>),
    /// All of these.
    All(Vec<Change>),
}

/// An expression that would have to come out otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Need {
    /// Its text and place.
    #[serde(flatten)]
    pub piece: Piece,
    /// What it would have to be.
    pub must_be: bool,
    /// What it is, or would be, as nothing before it decided.
    pub is: Came,
    /// What it reads.
    pub reads: Vec<Read>,
    /// What the policy engine says, when it fails.
    pub fault: Option<String>,
}

/// What it takes for `trace` to be `must_be`; nothing when it is, or would be.
pub(super) fn change(trace: &Trace, must_be: bool) -> Option<Change> {
    if trace.would == Came::of(must_be) {
        return None;
    }
    Some(match &trace.how {
        How::Leaf { reads, fault } => Change::Be(Need {
            piece: trace.piece.clone(),
            must_be,
            is: trace.would,
            reads: reads.clone(),
            fault: fault.clone(),
        }),
        How::Not(inner) => change(inner, !must_be)?,
        How::All(members) if must_be => all(members.iter().filter_map(|member| change(member, true))),
        How::All(members) => one(reached(members).filter_map(|member| change(member, false))),
        How::Any(members) if must_be => one(members.iter().filter_map(|member| change(member, true))),
        How::Any(members) => all(members.iter().filter_map(|member| change(member, false))),
        How::If { test, then, otherwise } => {
            let (taken, other) = if test.would == Came::True { (then, otherwise) } else { (otherwise, then) };
            let stay = (!matches!(test.would, Came::Failed(_))).then(|| change(taken, must_be)).flatten();
            let turn = all(change(test, test.would != Came::True).into_iter().chain(change(other, must_be)));
            one(stay.into_iter().chain([turn]))
        }
    })
}

/// Up to the one that failed, if one did: nothing after it can make up for it. What was not reached at all is
/// looked at as if it were.
fn reached(members: &[Trace]) -> impl Iterator<Item = &Trace> {
    let failed = members.iter().position(|member| matches!(member.would, Came::Failed(_)));
    members.iter().take(failed.map_or(members.len(), |place| place + 1))
}

pub(super) fn all(changes: impl Iterator<Item = Change>) -> Change {
    let flat = changes.flat_map(|change| match change {
        Change::All(inner) => inner,
        other => vec![other],
    });
    single(flat.collect(), Change::All)
}

pub(super) fn one(changes: impl Iterator<Item = Change>) -> Change {
    let flat = changes.flat_map(|change| match change {
        Change::One(inner) => inner,
        other => vec![other],
    });
    single(flat.collect(), Change::One)
}

fn single(mut changes: Vec<Change>, many: impl Fn(Vec<Change>) -> Change) -> Change {
    match changes.len() {
        1 => changes.pop().unwrap_or_else(|| many(Vec::new())),
        _ => many(changes),
    }
}

impl Change {
    /// How many expressions it takes at the least.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Be(_) => 1,
            Self::One(changes) => changes.iter().map(Self::size).min().unwrap_or_default(),
            Self::All(changes) => changes.iter().map(Self::size).sum(),
        }
    }
}
