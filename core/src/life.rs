//! The life of a request, as a state machine without I/O: each state that waits is a type, is consumed by
//! what it waited for, and names exactly one thing to do next.

mod answer;
mod asking;
mod case;
mod claiming;
mod decision;
mod deny;
mod held;
mod keeping;
mod permit;

use countersign_protocol::approval::{Claim, Outcome};
use countersign_protocol::evidence::Record;
use countersign_protocol::request::Question;
use countersign_protocol::{Hash, Token, UnixMillis};

pub use crate::mcp::listing::{Events, Form, Listing, Unreadable};
pub use answer::{Reply, STATUS_PATH};
pub use asking::{Asking, abandoned};
pub use case::Left;
pub use claiming::Claiming;
pub use decision::{Decision, Fate, Note};
pub use deny::AwaitingBody;
pub use held::Held;
pub use keeping::Keeping;
pub use permit::Permit;

use crate::config::Mode;
use crate::denial::{Denial, Reason};
use crate::engine::Engine;
use crate::facts::RequestFacts;
use crate::journal::Journal;
use crate::judge::{Judged, Unjudged, denial, judge};
use crate::policy::Verdict;

/// When something happens, and randomness for what it may start. Each moment's token is used once.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The time.
    pub now: UnixMillis,
    /// 128 fresh random bits.
    pub fresh: Token,
}

/// What to do next, and what to keep of it.
#[derive(Debug)]
#[must_use]
pub struct Step {
    /// Exactly one thing to do.
    pub next: Next,
    /// Records that were made, in order.
    pub audit: Vec<Record>,
    /// What the approval service is to be told.
    pub tell: Vec<Outcome>,
    /// What became of the request, when that is known.
    pub decision: Option<Decision>,
    /// What else is worth a count.
    pub notes: Vec<Note>,
    /// The record of what was decided, when it was made, and kept, before this step.
    pub kept: Option<Record>,
}

/// The one thing to do next.
#[derive(Debug)]
#[must_use]
pub enum Next {
    /// Let the request go on, unchanged.
    Continue(Permit),
    /// Answer in place of the upstream.
    Reply(Reply),
    /// Deliver the body.
    NeedBody(AwaitingBody),
    /// Ask people, then give the answer to the state.
    Ask(Box<Enquiry>, Asking),
    /// Claim the grant, not before a time, then give the answer to the state.
    Claim(Claim, UnixMillis, Box<Claiming>),
    /// Deliver the evidence at once; when the state's record is acknowledged, say so to the state.
    Keep(Keeping),
    /// Wait for a verdict, or for the end of the hold.
    Wait(Held),
}

/// A question to ask, without what only the gateway knows (its waiter).
#[derive(Debug, Clone, PartialEq)]
pub struct Enquiry {
    /// Names this attempt.
    pub nonce: Token,
    /// The digest of the request.
    pub digest: Hash,
    /// What people are asked.
    pub question: Question,
}

/// The service gave no answer that can be read: refused, timed out, garbage. They are all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoAnswer;

impl Step {
    fn new(next: Next) -> Self {
        Self { next, audit: Vec::new(), tell: Vec::new(), decision: None, notes: Vec::new(), kept: None }
    }

    fn audit(mut self, record: Record) -> Self {
        self.audit.push(record);
        self
    }

    fn tell(mut self, outcome: Outcome) -> Self {
        self.tell.push(outcome);
        self
    }

    fn decided(self, decision: Decision) -> Self {
        Self { decision: Some(decision), ..self }
    }
}

/// Decides on a request whose headers came. `facts.body` is `None` unless it is already complete.
pub fn decide(engine: &Engine, journal: &mut Journal, facts: RequestFacts, at: Moment) -> Step {
    start(engine, journal, facts, None, at)
}

/// Decides on a request, within a hold that an earlier question began, if any.
fn start(
    engine: &Engine,
    journal: &mut Journal,
    facts: RequestFacts,
    until: Option<UnixMillis>,
    at: Moment,
) -> Step {
    let judged = match judge(engine, &facts, at.now) {
        Ok(judged) => judged,
        Err(Unjudged::NeedBody(dialect)) => {
            return Step::new(Next::NeedBody(AwaitingBody::new(facts, dialect, engine)));
        }
        Err(Unjudged::Denied(denial, about)) => {
            return deny::unjudged(engine, journal, denial, *about, at.now);
        }
    };
    let mut step = match &judged.ruling.verdict {
        Verdict::Allow if judged.ruling.sync_audit && engine.mode == Mode::Enforce => {
            keeping::keep(engine, journal, &judged, at.now)
        }
        Verdict::Allow => permit::allowed(engine, journal, &judged, at.now),
        Verdict::Deny(reason) => {
            let denial = denial(*reason, &judged.ruling);
            deny::judged(engine, journal, &judged, denial, at.now)
        }
        Verdict::NeedsApproval(required) => {
            asking::ask(engine, journal, &judged, required, (facts, until), at)
        }
    };
    step.notes.extend(judged.ruling.errors.iter().map(|fault| Note::PolicyError(fault.failure())));
    step
}
