//! What people do about a request, by the request that they are asked about.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use countersign_protocol::Hash;
use countersign_protocol::recording::{Act, Delay, Doing, Trouble};
use countersign_protocol::request::{ExactRequest, Question};

/// Which request a script is about, as far as a filter's question tells requests apart without knowing who asks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// `:method`.
    pub method: String,
    /// `:authority`.
    pub authority: String,
    /// `:path`, raw, with its query.
    pub path: String,
    /// SHA-256 of the body's bytes.
    pub body_sha256: Hash,
}

impl Key {
    /// The key of the request that a question shows.
    #[must_use]
    pub fn of(request: &ExactRequest) -> Self {
        Self {
            method: request.method.clone(),
            authority: request.authority.clone(),
            path: request.path.clone(),
            body_sha256: request.body_sha256,
        }
    }
}

/// How people answer, and how the service fails meanwhile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// What people do; their times count from when the ticket was opened.
    pub people: Vec<Act>,
    /// How the service fails; its times count from when the request arrived.
    pub service: Vec<Trouble>,
}

/// What people do about a request that no script expected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Otherwise {
    /// Nothing.
    #[default]
    Silence,
    /// As many as it takes say yes, with both factors and from every group that is asked.
    ApproveAll,
    /// Somebody says no.
    RejectAll,
    /// This.
    Acts(Vec<Act>),
}

/// How long people think in [`Otherwise::ApproveAll`] and [`Otherwise::RejectAll`], or half the hold if that is less.
const THINKING: Duration = Duration::from_secs(1);

impl From<Vec<Act>> for Otherwise {
    fn from(acts: Vec<Act>) -> Self {
        Self::Acts(acts)
    }
}

impl Otherwise {
    fn acts(&self, question: &Question) -> Vec<Act> {
        match self {
            Self::Silence => Vec::new(),
            Self::ApproveAll => {
                let needed: usize = question.gates.iter().map(|gate| usize::from(gate.quorum)).sum();
                (1..=needed).map(|number| act(question, Doing::Approve, number)).collect()
            }
            Self::RejectAll => vec![act(question, Doing::Reject, 1)],
            Self::Acts(acts) => acts.clone(),
        }
    }
}

fn act(question: &Question, what: Doing, number: usize) -> Act {
    let hold = Duration::from_millis(question.terms.hold_ms.unsigned_abs());
    Act {
        after: Delay(THINKING.min(hold / 2)),
        what,
        by: format!("somebody-{number}"),
        issuer: None,
        groups: None,
        amr: vec!["pwd".into(), "otp".into()],
        reason: None,
    }
}

/// All scripts, each key's in the order in which they were expected.
#[derive(Debug, Default)]
pub(super) struct Book {
    lines: BTreeMap<Key, VecDeque<Line>>,
    pub(super) otherwise: Otherwise,
}

#[derive(Debug)]
struct Line {
    acts: Vec<Act>,
    used: bool,
}

impl Book {
    pub(super) fn expect(&mut self, key: Key, acts: Vec<Act>) {
        self.lines.entry(key).or_default().push_back(Line { acts, used: false });
    }

    /// What people do about this question: the first script that was not used, or the last one again.
    pub(super) fn take(&mut self, question: &Question) -> Vec<Act> {
        let Some(lines) = self.lines.get_mut(&Key::of(&question.request)) else {
            return self.otherwise.acts(question);
        };
        while lines.len() > 1 && lines.front().is_some_and(|line| line.used) {
            lines.pop_front();
        }
        let Some(line) = lines.front_mut() else { return Vec::new() };
        line.used = true;
        line.acts.clone()
    }
}
