//! What waits to be sent to the approval service: one call of a kind at a time, so that whatever comes
//! meanwhile goes together with the next.

use std::collections::{BTreeMap, VecDeque};

use countersign_core::journal::Room;
use countersign_protocol::UnixMillis;
use countersign_protocol::approval::{Ack, Ask, Claim, Outcome};
use countersign_protocol::evidence::{Lane, Record};

use super::queue::Queue;
use crate::metrics::{self, Metric};

/// Most bytes of questions in one call; a single one may be larger.
const ASKS: usize = 4 << 20;
/// Most bytes of held-lane records in one call. A claim waits until a call can carry its record, and inside JSON
/// a line may double: a call stays far below 16 MiB even so.
const HELD: usize = 3 << 20;
/// Most bytes of plain-lane records in one call: requests wait while it is put together, and it should fit into
/// the processor's cache.
const PLAIN: usize = 256 << 10;
/// How long records may lie before they are sent on their own, milliseconds.
const FLUSH_EVERY: i64 = 1_000;
/// The first and the longest pause after a call that failed, milliseconds.
const PAUSE: (i64, i64) = (250, 4_000);

/// The kinds of calls; there is at most one of each in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Ask,
    Claim,
    Wait,
    Outcome,
    Evidence,
}

impl Kind {
    /// Its name, stable, for metrics.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Claim => "claim",
            Self::Wait => "wait",
            Self::Outcome => "outcome",
            Self::Evidence => "evidence",
        }
    }
}

/// Queues, and when each kind of call may be made again.
#[derive(Debug)]
pub(super) struct Outbox {
    asks: VecDeque<(u32, Ask, usize)>,
    claims: Vec<(u32, Claim, UnixMillis)>,
    outcomes: Vec<Outcome>,
    held: Queue,
    plain: Queue,
    flushed_at: UnixMillis,
    pauses: BTreeMap<Kind, Pause>,
    /// Records that the service ever acknowledged.
    delivered: u64,
}

#[derive(Debug, Clone, Copy)]
struct Pause {
    until: UnixMillis,
    length: i64,
}

impl Outbox {
    pub(super) fn new(now: UnixMillis) -> Self {
        Self {
            asks: VecDeque::new(),
            claims: Vec::new(),
            outcomes: Vec::new(),
            held: Queue::new(HELD),
            plain: Queue::new(PLAIN),
            flushed_at: now,
            pauses: BTreeMap::new(),
            delivered: 0,
        }
    }

    pub(super) fn keep(&mut self, records: impl IntoIterator<Item = Record>) {
        for record in records {
            match record.envelope.lane {
                Lane::Held => self.held.push(record),
                Lane::Plain => self.plain.push(record),
            }
        }
    }

    /// Somebody waits for a record to be kept: it is sent with the next turn.
    pub(super) fn hurry(&mut self) {
        self.flushed_at = UnixMillis::MIN;
    }

    /// Whether nothing waits to be taken: no evidence, no outcome.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.plain.is_empty() && self.outcomes.is_empty()
    }

    /// Half is room enough to hold something new: what is held already makes more records before it ends.
    pub(super) fn room(&self) -> Room {
        Room { held: self.held.percent() < 50, plain: self.plain.percent() < 100 }
    }

    /// Bytes of both lanes, and how near that is to where [`Self::room`] ends, in per cent.
    pub(super) fn levels(&self) -> ([u64; 2], [u64; 2]) {
        let (held, plain) = (self.held.percent().saturating_mul(2), self.plain.percent());
        ([self.held.bytes() as u64, self.plain.bytes() as u64], [held as u64, plain as u64])
    }

    /// `weight` is the question's size in bytes.
    pub(super) fn ask(&mut self, id: u32, ask: Ask, weight: usize) {
        self.asks.push_back((id, ask, weight));
    }

    /// The request is over: nobody is asked, and no approval is used, for a client that left.
    pub(super) fn forget(&mut self, id: u32) {
        self.asks.retain(|(about, ..)| *about != id);
        self.claims.retain(|(about, ..)| *about != id);
    }

    pub(super) fn claim(&mut self, id: u32, claim: Claim, not_before: UnixMillis) {
        self.claims.push((id, claim, not_before));
    }

    pub(super) fn tell(&mut self, outcomes: impl IntoIterator<Item = Outcome>) {
        self.outcomes.extend(outcomes);
    }

    /// Whether nothing waits that could be urgent: plain evidence is not.
    pub(super) fn is_calm(&self) -> bool {
        self.asks.is_empty()
            && self.outcomes.is_empty()
            && self.claims.is_empty()
            && self.flushed_at != UnixMillis::MIN
    }

    /// Whether something should be sent at once rather than at the next tick.
    pub(super) fn urgent(&self, now: UnixMillis) -> bool {
        let ready = |kind| self.may(kind, now);
        (!self.asks.is_empty() && ready(Kind::Ask))
            || (!self.outcomes.is_empty() && ready(Kind::Outcome))
            || (self.flushed_at == UnixMillis::MIN && ready(Kind::Evidence))
            || self.claims.iter().any(|(_, _, not_before)| is_due(*not_before, now))
    }

    /// The oldest questions, as many as one call takes.
    pub(super) fn take_asks(&mut self) -> Vec<(u32, Ask)> {
        let mut bytes = 0_usize;
        let fits = self.asks.iter().take_while(|(.., weight)| {
            bytes = bytes.saturating_add(*weight);
            bytes <= ASKS
        });
        let count = fits.count().max(1).min(self.asks.len());
        self.asks.drain(..count).map(|(id, ask, _)| (id, ask)).collect()
    }

    /// The claims whose time has come and whose records the same call can carry.
    pub(super) fn take_claims(&mut self, now: UnixMillis) -> Vec<(u32, Claim)> {
        let beyond = self.held.beyond_batch();
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.claims)
            .into_iter()
            .partition(|(_, claim, not_before)| is_due(*not_before, now) && !beyond.contains(&claim.record));
        self.claims = later;
        due.into_iter().map(|(id, claim, _)| (id, claim)).collect()
    }

    pub(super) fn take_outcomes(&mut self) -> Vec<Outcome> {
        std::mem::take(&mut self.outcomes)
    }

    /// The oldest held-lane records that are not acknowledged yet.
    pub(super) fn held_lines(&self) -> Vec<String> {
        self.held.batch().map(str::to_owned).collect()
    }

    /// Records that lay long enough, or are many: both lanes, each in order, one a line.
    pub(super) fn take_lines(&mut self, now: UnixMillis) -> Option<String> {
        let many = self.plain.fills_a_batch() || self.held.fills_a_batch();
        let due = many || !(0..FLUSH_EVERY).contains(&now.saturating_sub(self.flushed_at));
        if !due || (self.plain.is_empty() && self.held.is_empty()) {
            return None;
        }
        self.flushed_at = now;
        let mut lines = String::with_capacity(self.held.bytes().min(HELD) + self.plain.bytes().min(PLAIN));
        self.held.batch().chain(self.plain.batch()).for_each(|line| lines.extend([line, "\n"]));
        Some(lines)
    }

    /// Forgets what the service keeps now.
    pub(super) fn acknowledge(&mut self, acked: &[Ack]) {
        for ack in acked {
            let kept = match ack.lane {
                Lane::Held => self.held.acknowledge(ack),
                Lane::Plain => self.plain.acknowledge(ack),
            };
            metrics::count(Metric::Acknowledged(ack.lane), kept);
            self.delivered = self.delivered.saturating_add(kept);
        }
    }

    /// How many records the service ever acknowledged.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    pub(super) fn may(&self, kind: Kind, now: UnixMillis) -> bool {
        self.pauses.get(&kind).is_none_or(|pause| is_due(pause.until, now))
    }

    /// A call went well: the next may follow at once.
    pub(super) fn succeeded(&mut self, kind: Kind) {
        self.pauses.remove(&kind);
    }

    /// A call failed: the next waits, twice as long as the last time.
    pub(super) fn failed(&mut self, kind: Kind, now: UnixMillis) {
        let length = self.pauses.get(&kind).map_or(PAUSE.0, |pause| (pause.length * 2).min(PAUSE.1));
        self.pauses.insert(kind, Pause { until: now.saturating_add(length), length });
    }
}

/// Whether a short wait is over. One that is longer than any began before the clock was set back.
fn is_due(until: UnixMillis, now: UnixMillis) -> bool {
    !(1..=PAUSE.1).contains(&until.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use countersign_core::journal::{Journal, Members};
    use countersign_protocol::Token;

    use super::*;

    #[test]
    fn a_clock_that_is_set_back_stops_nothing() {
        let noon = 43_200_000;
        assert!(is_due(noon, noon) && !is_due(noon + PAUSE.1, noon) && is_due(noon + PAUSE.1 + 1, noon));
        let mut outbox = Outbox::new(noon);
        outbox.keep([Journal::new(Token([7; 16])).held(noon, "asked", Members::default())]);
        outbox.failed(Kind::Ask, noon);
        assert!(!outbox.may(Kind::Ask, noon + 1) && outbox.take_lines(noon + 1).is_none());
        assert!(outbox.may(Kind::Ask, 0) && outbox.take_lines(0).is_some_and(|lines| lines.ends_with("}\n")));
    }
}
