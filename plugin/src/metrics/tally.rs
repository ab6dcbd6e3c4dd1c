//! Counts what steps say, and how long requests are held.

use std::collections::BTreeMap;

use countersign_core::journal::Journal;
use countersign_core::life::{Next, Note, Step};
use countersign_protocol::UnixMillis;

use super::metric::{End, Metric};
use super::{count, record};

/// What of a worker's requests is not counted yet.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// The requests that people are asked about and that have not ended; since when they wait, if they do.
    asked: BTreeMap<u32, Option<UnixMillis>>,
    /// Dropped records that are counted.
    dropped: u64,
}

impl Tally {
    /// Counts what a step says; gives the line for the access log when the request has ended.
    pub(crate) fn step(
        &mut self,
        id: u32,
        step: &Step,
        journal: &Journal,
        now: UnixMillis,
    ) -> Option<String> {
        step.notes.iter().for_each(|note| count(Metric::from(*note), 1));
        self.drops(journal);
        match step.next {
            Next::Ask(..) => drop(self.asked.entry(id).or_default()),
            // Asked anew, because a twin took the approval, it is still the same hold.
            Next::Wait(_) => drop(self.asked.entry(id).or_default().get_or_insert(now)),
            _ => {}
        }
        let decision = step.decision?;
        self.end(id, decision.into(), now);
        Some(decision.summary(step.audit.last().or(step.kept.as_ref())))
    }

    /// A request is over; when it had not ended, its client left.
    pub(crate) fn over(&mut self, id: u32, now: UnixMillis) {
        if self.asked.contains_key(&id) {
            self.end(id, End::ClientLeft, now);
        }
    }

    /// Counts the records that were dropped since it looked last.
    pub(crate) fn drops(&mut self, journal: &Journal) {
        let dropped = journal.dropped();
        if dropped > self.dropped {
            count(Metric::Dropped, dropped - self.dropped);
            self.dropped = dropped;
        }
    }

    fn end(&mut self, id: u32, end: End, now: UnixMillis) {
        count(Metric::Decision(end), 1);
        if let Some(Some(since)) = self.asked.remove(&id) {
            let held = u64::try_from(now.saturating_sub(since)).unwrap_or_default();
            record(Metric::Hold(end.outcome()), held);
        }
    }
}

impl From<Note> for Metric {
    fn from(note: Note) -> Self {
        match note {
            Note::PolicyError(failure) => Self::PolicyError(failure),
            Note::GrantRefused(breach) => Self::GrantRefused(breach),
            Note::ReceiptRefused(breach) => Self::ReceiptRefused(breach),
            Note::GlassBroken => Self::GlassBroken,
        }
    }
}
