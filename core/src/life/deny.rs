//! Denials before anybody was asked, and the wait for a body.

use countersign_protocol::UnixMillis;

use super::{
    Decision, Denial, Engine, Fate, Journal, Judged, Moment, Next, Permit, Reason, Reply, RequestFacts, Step,
    decide,
};
use crate::config::Mode;
use crate::dialect::Dialect;
use crate::journal::Members;
use crate::judge::About;
use crate::reading::Rule;

/// Waits for the whole body.
#[derive(Debug)]
pub struct AwaitingBody {
    facts: RequestFacts,
    dialect: Dialect,
    /// What was collected with the headers.
    read: Read,
}

/// Whether claims and the peer's certificate are read, so that they are collected.
#[derive(Debug, Clone, Copy)]
struct Read {
    claims: bool,
    certificates: bool,
}

impl Read {
    fn by(engine: &Engine) -> Self {
        Self { claims: engine.reads_claims(), certificates: engine.reads_certificates() }
    }

    fn covers(self, other: Self) -> bool {
        (self.claims || !other.claims) && (self.certificates || !other.certificates)
    }
}

impl AwaitingBody {
    pub(super) fn new(facts: RequestFacts, dialect: Dialect, engine: &Engine) -> Self {
        Self { facts, dialect, read: Read::by(engine) }
    }

    /// The whole body came.
    pub fn on_body(
        mut self,
        engine: &Engine,
        journal: &mut Journal,
        body: Vec<u8>,
        trailers: Vec<(Vec<u8>, Vec<u8>)>,
        at: Moment,
    ) -> Step {
        if !self.read.covers(Read::by(engine)) {
            // What was not collected would count as not there, and another source would name the caller.
            let detail = "who asks is told otherwise since its headers came: send it again".into();
            return self.deny(engine, journal, Reason::ServiceUnavailable, detail, at.now);
        }
        self.facts.body = Some(body);
        self.facts.trailers = trailers;
        decide(engine, journal, self.facts, at)
    }

    /// More came than the limit allows.
    pub fn on_too_large(self, engine: &Engine, journal: &mut Journal, now: UnixMillis) -> Step {
        let limit = engine.limits().body;
        self.deny(engine, journal, Reason::BodyTooLarge, format!("over {limit} bytes"), now)
    }

    /// Nothing came in time.
    pub fn on_withheld(self, engine: &Engine, journal: &mut Journal, now: UnixMillis) -> Step {
        let wait = engine.limits().body_wait;
        let (reason, detail) = match self.is_due_whole() {
            true => (Reason::StreamGated, format!("the call was not whole within {wait} ms")),
            false => (Reason::HostWithholdsBody, format!("no part of the body came within {wait} ms")),
        };
        self.deny(engine, journal, reason, detail, now)
    }

    /// Whether all of the body must come in the time in which otherwise a part of it must: a gRPC stream has no end
    /// that could be waited for, and its headers do not tell that it is one.
    #[must_use]
    pub fn is_due_whole(&self) -> bool {
        matches!(self.dialect, Dialect::Grpc { .. })
    }

    fn deny(
        self,
        engine: &Engine,
        journal: &mut Journal,
        reason: Reason,
        detail: String,
        now: UnixMillis,
    ) -> Step {
        let text = |name| self.facts.first(name).map(|value| String::from_utf8_lossy(value).into_owned());
        let about = About {
            method: text(b":method"),
            host: text(b":authority"),
            dialect: self.dialect,
            ..About::of(&self.facts)
        };
        unjudged(engine, journal, Denial::new(reason, detail), about, now)
    }
}

/// Denies what never came to policy.
pub(super) fn unjudged(
    engine: &Engine,
    journal: &mut Journal,
    denial: Denial,
    about: About,
    now: UnixMillis,
) -> Step {
    let members = Members::default()
        .with("principal", about.principal.map(|principal| principal.to_string()))
        .with("route", about.route)
        .with("method", about.method)
        .with("host", about.host);
    conclude(engine, journal, denial, &about.dialect, members, now)
}

/// Denies what policy ruled out, or what no gate can be opened for.
pub(super) fn judged(
    engine: &Engine,
    journal: &mut Journal,
    judged: &Judged<'_>,
    denial: Denial,
    now: UnixMillis,
) -> Step {
    conclude(engine, journal, denial, &judged.dialect, judged.members(), now)
}

/// Records the denial; when only observing, the request goes on all the same and the record says so.
fn conclude(
    engine: &Engine,
    journal: &mut Journal,
    denial: Denial,
    dialect: &Dialect,
    members: Members,
    now: UnixMillis,
) -> Step {
    let enforced = engine.mode == Mode::Enforce;
    let members = members
        .with("reason", denial.reason.meaning().code)
        .with("rule", denial.rule.map(Rule::name))
        .with("detail", &denial.detail)
        .with("enforced", enforced);
    let audit = journal.plain(now, "denied", members);
    let next = match enforced {
        true => Next::Reply(Reply::denial(&denial, dialect)),
        false => Next::Continue(Permit::plain()),
    };
    let decision = Decision { enforced, ..Decision::new(Fate::Denied(denial.reason), None) };
    Step { audit, ..Step::new(next).decided(decision) }
}
