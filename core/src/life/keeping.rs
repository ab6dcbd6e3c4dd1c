//! An allow that must be on record first (`@audit("sync")`): the wait for the service to keep its record.

use countersign_protocol::UnixMillis;
use countersign_protocol::evidence::Record;

use crate::dialect::Dialect;
use crate::mcp::listing::Listing;

use super::{Decision, Denial, Engine, Fate, Journal, Judged, Next, Permit, Reason, Reply, Step};

/// Waits for a held-lane record to be acknowledged.
#[derive(Debug)]
pub struct Keeping {
    record: Record,
    dialect: Dialect,
    listing: Option<Listing>,
    until: UnixMillis,
}

/// Records the allow where nothing goes on before it is kept.
pub(super) fn keep(engine: &Engine, journal: &mut Journal, judged: &Judged<'_>, now: UnixMillis) -> Step {
    if !journal.has_room() {
        let denial = Denial::new(Reason::ServiceUnavailable, "evidence cannot be kept now: try again later");
        return super::deny::judged(engine, journal, judged, denial, now);
    }
    let record = journal.held(now, "allowed", judged.members());
    let until = now.saturating_add(engine.approval().timeout);
    Step::new(Next::Keep(Keeping {
        record: record.clone(),
        dialect: judged.dialect.clone(),
        listing: judged.listing(engine),
        until,
    }))
    .audit(record)
}

impl Keeping {
    /// The record's place in the held lane: an acknowledgement of it, or of a later one, ends the wait.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.record.envelope.seq
    }

    /// When the wait is over.
    #[must_use]
    pub fn until(&self) -> UnixMillis {
        self.until
    }

    /// The service keeps the record: the request goes on.
    pub fn on_kept(self) -> Step {
        let step = Step::new(Next::Continue(Permit::showing(self.listing)))
            .decided(Decision::new(Fate::Allowed, None));
        Step { kept: Some(self.record), ..step }
    }

    /// Nobody keeps it: the request does not go on, and the record of that follows the one of the allow.
    pub fn on_deadline(self, journal: &mut Journal, now: UnixMillis) -> Step {
        let denial = Denial::new(Reason::ServiceUnavailable, "evidence cannot be kept now: try again later");
        let members = crate::journal::Members::default()
            .with("reason", denial.reason.meaning().code)
            .with("detail", &denial.detail)
            .with("record", self.seq());
        let record = journal.held(now, "denied", members);
        let decision = Decision::new(Fate::Denied(denial.reason), None);
        Step::new(Next::Reply(Reply::denial(&denial, &self.dialect))).decided(decision).audit(record)
    }
}
