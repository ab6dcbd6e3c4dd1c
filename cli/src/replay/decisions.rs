//! Decisions, counted, and counted over time.

use std::collections::BTreeMap;

use countersign_protocol::UnixMillis;
use countersign_protocol::recording::Decision;
use serde::Serialize;

/// Most moments of the plot of decisions over time.
const MOMENTS: usize = 120;

/// Decisions, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Decisions {
    /// Allowed.
    pub allow: u64,
    /// People were asked.
    pub ask: u64,
    /// Denied.
    pub deny: u64,
    /// There is no evidence of what was decided.
    pub unknown: u64,
}

/// Decisions by time.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub struct OverTime {
    /// From the beginning of each span.
    pub spans: BTreeMap<UnixMillis, Decisions>,
    /// How long each is, milliseconds.
    #[serde(skip)]
    length: UnixMillis,
}

impl Decisions {
    /// Counts one.
    pub fn add(&mut self, decision: Option<Decision>) {
        match decision {
            Some(Decision::Allow) => self.allow += 1,
            Some(Decision::Ask) => self.ask += 1,
            Some(Decision::Deny) => self.deny += 1,
            None => self.unknown += 1,
        }
    }

    /// All of them.
    #[must_use]
    pub fn total(self) -> u64 {
        self.allow + self.ask + self.deny + self.unknown
    }

    pub(super) fn join(&mut self, other: Self) {
        self.allow += other.allow;
        self.ask += other.ask;
        self.deny += other.deny;
        self.unknown += other.unknown;
    }
}

impl OverTime {
    /// Counts one.
    pub fn add(&mut self, ts: UnixMillis, decision: Option<Decision>) {
        self.at(ts).add(decision);
    }

    /// Adds what was counted elsewhere.
    pub fn join(&mut self, other: Self) {
        for (at, decisions) in other.spans {
            self.at(at).join(decisions);
        }
    }

    /// The span of time that a moment is in. Spans grow, so that there are never many.
    fn at(&mut self, ts: UnixMillis) -> &mut Decisions {
        self.length = self.length.max(1_000);
        while self.spans.len() >= MOMENTS && !self.spans.contains_key(&floor(ts, self.length)) {
            self.length *= 2;
            for (at, decisions) in std::mem::take(&mut self.spans) {
                self.spans.entry(floor(at, self.length)).or_default().join(decisions);
            }
        }
        self.spans.entry(floor(ts, self.length)).or_default()
    }
}

fn floor(ts: UnixMillis, span: UnixMillis) -> UnixMillis {
    ts.saturating_sub(ts.rem_euclid(span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time_grow_with_the_recording() {
        let mut over_time = OverTime::default();
        for second in 0..100_000_i64 {
            over_time.add(second * 1_000, Some(Decision::Allow));
        }
        assert!(over_time.spans.len() <= MOMENTS);
        assert_eq!(over_time.spans.values().map(|decisions| decisions.allow).sum::<u64>(), 100_000);
    }
}
