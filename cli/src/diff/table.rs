//! Decisions before and after a change of policies, counted against each other.

mod json;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use countersign_protocol::UnixMillis;
use countersign_protocol::recording::{Decision, Entry};
use serde::Serialize;

use super::terms::Shift;
use crate::output::word;
use crate::replay::{About, OverTime, Played};

/// Requests that are kept as samples of a cell.
const SAMPLES: usize = 3;

/// Characters of a sample's path that people are shown.
const LONGEST: usize = 200;

/// Most groups and policy changes that are kept for each cell.
const GROUPS: usize = 10_000;

/// What became of a request, as far as a change of policies matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Allowed.
    Allow,
    /// People were asked.
    Ask,
    /// Denied.
    Deny,
    /// Denied, because a policy could not be evaluated or the request does not fit the schema.
    Error,
    /// There is no evidence of what was decided.
    Unknown,
}

impl Kind {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 5] = [Self::Allow, Self::Ask, Self::Deny, Self::Error, Self::Unknown];

    pub(super) fn of(played: &Played) -> Self {
        match played.decision() {
            Some(Decision::Allow) => Self::Allow,
            Some(Decision::Ask) => Self::Ask,
            Some(Decision::Deny) if played.reason() == Some("policy_error") => Self::Error,
            Some(Decision::Deny) => Self::Deny,
            None => Self::Unknown,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
            Self::Error => "error",
            Self::Unknown => "unknown",
        }
    }

    /// Whether a request can go on with it, if people say yes.
    fn may_pass(self) -> bool {
        matches!(self, Self::Allow | Self::Ask)
    }
}

/// What a change means for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// What could not pass now can, at once or when people say yes.
    Gained,
    /// What needed people's yes now passes without.
    Ungated,
    /// What passed at once now needs people's yes.
    Gated,
    /// What could pass now cannot.
    Lost,
    /// What was decided now ends in an error, or is not known.
    Failed,
    /// People are still asked, but less of them is needed, or their yes does more.
    Weakened,
    /// People are still asked, and more of them is needed, or their yes does less.
    Strengthened,
    /// People are still asked, in other words or for another time.
    Changed,
}

impl Change {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::Gained,
        Self::Ungated,
        Self::Weakened,
        Self::Gated,
        Self::Lost,
        Self::Strengthened,
        Self::Changed,
        Self::Failed,
    ];

    /// What a change from one decision to another means; nothing when it means nothing.
    #[must_use]
    pub fn of(old: Kind, new: Kind) -> Option<Self> {
        match (old, new) {
            _ if old == new => None,
            (_, Kind::Error | Kind::Unknown) => Some(Self::Failed),
            (Kind::Ask, Kind::Allow) => Some(Self::Ungated),
            (Kind::Allow, Kind::Ask) => Some(Self::Gated),
            _ if new.may_pass() => Some(Self::Gained),
            _ if old.may_pass() => Some(Self::Lost),
            _ => None,
        }
    }

    /// Whether less stands between a request and the upstream.
    pub(super) fn is_grave(self) -> bool {
        matches!(self, Self::Gained | Self::Ungated | Self::Weakened | Self::Failed)
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Gained => "gained",
            Self::Ungated => "ungated",
            Self::Gated => "gated",
            Self::Lost => "lost",
            Self::Failed => "failed",
            Self::Weakened => "weakened",
            Self::Strengthened => "strengthened",
            Self::Changed => "changed",
        }
    }
}

/// A request, named so that it can be found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// The recording.
    pub recording: String,
    /// Its id there.
    pub id: String,
    /// Its method.
    pub method: String,
    /// Its path with its query.
    pub path: String,
}

impl Sample {
    fn of(recording: &Path, entry: &Entry) -> Self {
        let field = |name: &str| {
            let found = entry.request.headers.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| String::from_utf8_lossy(&value.0).into_owned()).unwrap_or_default()
        };
        Self {
            recording: recording.display().to_string(),
            id: entry.id.clone(),
            method: field(":method"),
            path: field(":path"),
        }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [recording, id, method, path] =
            [&self.recording, &self.id, &self.method, &self.path].map(|part| word(part));
        let more = if path.chars().nth(LONGEST).is_some() { "…" } else { "" };
        write!(f, "{recording}#{id}: {method} {path:.LONGEST$}{more}")
    }
}

/// Requests with the same decision before and the same after.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Cell {
    /// How many.
    pub count: u64,
    /// The first of them; only where the decision changed.
    pub samples: Vec<Sample>,
    /// How many by principal, action and resource; only where the decision changed.
    #[serde(serialize_with = "json::groups")]
    pub groups: BTreeMap<About, u64>,
    /// How many by the policies that decided, before and after; only where the decision changed.
    #[serde(serialize_with = "json::policies")]
    pub policies: BTreeMap<(Vec<String>, Vec<String>), u64>,
    /// How many by what people are asked for otherwise than before.
    pub terms: BTreeMap<String, u64>,
}

/// Decisions before and after, and what the change of them, or of what people are asked for, means.
type Key = (Kind, Kind, Option<Change>);

/// Decisions before and after.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Table {
    /// By decision before and after, and by what the change means.
    #[serde(serialize_with = "json::cells")]
    pub cells: BTreeMap<Key, Cell>,
    /// How often each group of reviewers was asked before, and would be asked after.
    pub asked: BTreeMap<String, (u64, u64)>,
    /// What was decided by time, before and after.
    pub over_time: [OverTime; 2],
    /// The first and the last request's time of each recording in which there are any.
    pub spans: Vec<(UnixMillis, UnixMillis)>,
    /// Whether the next request is the first of its recording.
    #[serde(skip)]
    begun: bool,
}

impl Table {
    /// What is counted from now on is of another recording.
    pub fn begin(&mut self) {
        self.begun = false;
    }

    /// Counts a request of a recording.
    pub fn add(&mut self, recording: &Path, old: &Played, new: &Played) {
        let kinds = (Kind::of(old), Kind::of(new));
        let ts = old.entry.ts;
        match self.spans.last_mut().filter(|_| self.begun) {
            Some((first, last)) => (*first, *last) = (ts.min(*first), ts.max(*last)),
            None => self.spans.push((ts, ts)),
        }
        self.begun = true;
        for (over_time, played) in self.over_time.iter_mut().zip([old, new]) {
            over_time.add(ts, played.decision());
        }
        let shift = (kinds == (Kind::Ask, Kind::Ask)).then(|| Shift::of(old, new)).flatten();
        let change = Change::of(kinds.0, kinds.1).or_else(|| shift.as_ref()?.change());
        let cell = self.cells.entry((kinds.0, kinds.1, change)).or_default();
        cell.count += 1;
        if kinds.0 != kinds.1 || change.is_some() {
            cell.add(recording, old, new);
        }
        if let Some(shift) = shift.filter(|_| change.is_some()) {
            let words = shift.words();
            if cell.terms.len() < GROUPS || cell.terms.contains_key(&words) {
                *cell.terms.entry(words).or_default() += 1;
            }
        }
        for group in groups_asked(old) {
            self.asked.entry(group).or_default().0 += 1;
        }
        for group in groups_asked(new) {
            self.asked.entry(group).or_default().1 += 1;
        }
    }

    /// Requests that a change means this for.
    #[must_use]
    pub fn count(&self, change: Change) -> u64 {
        let of = |(_, _, found): &Key| *found == Some(change);
        self.cells.iter().filter(|(key, _)| of(key)).map(|(_, cell)| cell.count).sum()
    }

    /// Requests with these decisions.
    #[must_use]
    pub fn at(&self, old: Kind, new: Kind) -> u64 {
        let of = |key: &Key| (key.0, key.1) == (old, new);
        self.cells.iter().filter(|(key, _)| of(key)).map(|(_, cell)| cell.count).sum()
    }

    /// All requests.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.cells.values().map(|cell| cell.count).sum()
    }

    /// The cells in which something changed.
    pub fn changed(&self) -> impl Iterator<Item = (Kind, Kind, Option<Change>, &Cell)> {
        let changed = self.cells.iter().filter(|((old, new, change), _)| old != new || change.is_some());
        changed.map(|((old, new, change), cell)| (*old, *new, *change, cell))
    }

    /// How long the traffic is, seconds: each recording from its first request to its last, and nothing between them.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        let millis: i64 = self.spans.iter().map(|(first, last)| last.saturating_sub(*first)).sum();
        u64::try_from(millis / 1_000).unwrap_or_default()
    }

    /// How many times a day something happens that happens `count` times in this traffic; nothing when it is shorter
    /// than an hour, of which no day can be told.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate does not show the difference")]
    pub fn daily(&self, count: u64) -> Option<f64> {
        let seconds = self.seconds();
        (seconds >= 3_600).then(|| count as f64 * 86_400.0 / seconds as f64)
    }

    /// How often a day each group of reviewers was asked before, and would be asked after; see [`Self::daily`].
    #[must_use]
    pub fn asked_daily(&self) -> Option<BTreeMap<String, (f64, f64)>> {
        let rates = self
            .asked
            .iter()
            .map(|(group, (old, new))| Some((group.clone(), (self.daily(*old)?, self.daily(*new)?))));
        rates.collect()
    }
}

impl Cell {
    fn add(&mut self, recording: &Path, old: &Played, new: &Played) {
        if self.samples.len() < SAMPLES {
            self.samples.push(Sample::of(recording, &old.entry));
        }
        let known = |about: About| (!about.principal.is_empty() || !about.action.is_empty()).then_some(about);
        if let Some(about) = known(new.about()).or_else(|| known(old.about()))
            && (self.groups.len() < GROUPS || self.groups.contains_key(&about))
        {
            *self.groups.entry(about).or_default() += 1;
        }
        let policies = (sorted(old.policies()), sorted(new.policies()));
        if self.policies.len() < GROUPS || self.policies.contains_key(&policies) {
            *self.policies.entry(policies).or_default() += 1;
        }
    }
}

fn groups_asked(played: &Played) -> Vec<String> {
    let asked = played.records.iter().find(|said| said.kind == "needs_approval");
    let mut groups: Vec<_> = asked.into_iter().flat_map(|said| said.groups()).map(str::to_owned).collect();
    groups.sort();
    groups.dedup();
    groups
}

fn sorted(policies: &[String]) -> Vec<String> {
    let mut policies = policies.to_vec();
    policies.sort();
    policies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_told_of_an_hour_and_more() {
        let over = |spans: &[(i64, i64)]| Table {
            spans: spans.iter().map(|(first, last)| (first * 3_600_000, last * 3_600_000)).collect(),
            ..Table::default()
        };
        assert_eq!(over(&[]).daily(5), None);
        assert_eq!(over(&[(0, 6)]).daily(5), Some(20.0));
        assert_eq!(over(&[(0, 48)]).daily(5), Some(2.5));
        assert_eq!(over(&[(0, 2), (1_000, 1_004)]).daily(5), Some(20.0), "nothing was recorded between them");
    }

    #[test]
    fn a_change_is_named_for_what_it_lets_happen() {
        use Change::{Failed, Gained, Gated, Lost, Ungated};
        use Kind::{Allow, Ask, Deny, Error, Unknown};
        for (old, new, change) in [
            (Allow, Allow, None),
            (Deny, Allow, Some(Gained)),
            (Deny, Ask, Some(Gained)),
            (Error, Ask, Some(Gained)),
            (Ask, Allow, Some(Ungated)),
            (Allow, Ask, Some(Gated)),
            (Allow, Deny, Some(Lost)),
            (Ask, Deny, Some(Lost)),
            (Error, Deny, None),
            (Allow, Error, Some(Failed)),
            (Deny, Unknown, Some(Failed)),
        ] {
            assert_eq!(Change::of(old, new), change, "{old:?} {new:?}");
        }
    }
}
