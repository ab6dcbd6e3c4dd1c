//! What a replay came to: counts of everything, and the first failures in full.

use std::collections::BTreeMap;
use std::path::PathBuf;

use countersign_protocol::recording::{Entry, Expect};
use serde::Serialize;

use super::verify::differences;
use super::{Chunking, Decisions, Finding, OverTime, Played, Sum, word};

/// Failures that are kept in full.
const SHOWN: usize = 20;

/// A request of which something is not as it must be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failure {
    /// The recording.
    pub recording: PathBuf,
    /// The entry's id.
    pub id: String,
    /// The entry's place among all, from 0.
    pub number: u64,
    /// What is not as it must be.
    pub findings: Vec<Finding>,
    /// What was decided.
    pub decision: &'static str,
    /// What the client got.
    pub status: u16,
    /// The code of the refusal.
    pub reason: Option<String>,
    /// What the client was told, in a sentence.
    pub detail: Option<String>,
    /// The policies that decided.
    pub policies: Vec<String>,
    /// The kinds of its evidence.
    pub records: Vec<String>,
}

/// One entry that had expectations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Case {
    /// The recording.
    pub recording: PathBuf,
    /// The entry's id.
    pub id: String,
    /// What is not as it must be, in a line each.
    pub findings: Vec<String>,
}

/// What a replay came to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Tally {
    /// All that was decided.
    pub decisions: Decisions,
    /// Entries that were not replayed, because the source did not keep their whole body.
    pub partial: u64,
    /// Entries that had expectations.
    pub expected: u64,
    /// Entries of which something is not as it must be.
    pub failing: u64,
    /// The first of them.
    pub failures: Vec<Failure>,
    /// Whether something is broken of any of them, and not only other than was expected.
    pub broken: bool,
    /// What went wrong with filter, evidence or harness.
    pub faults: Vec<String>,
    /// Whether the filter trapped.
    pub trapped: bool,
    /// The evidence of each gateway: one for each job of each recording.
    pub evidence: Vec<Sum>,
    /// Linear memory of each worker, bytes.
    pub memory: Vec<usize>,
    /// Decisions by time, from the beginning of each span.
    pub over_time: OverTime,
    /// Every entry that had expectations; only when they are asked for.
    #[serde(skip)]
    pub cases: Option<Vec<Case>>,
    /// What came of every entry, as an expectation, by number; only when they are asked for.
    #[serde(skip)]
    pub came: Option<BTreeMap<u64, Expect>>,
}

impl Tally {
    /// Counts an entry of that recording.
    pub fn add(&mut self, recording: &std::path::Path, played: &Played, findings: Vec<Finding>) {
        let decision = played.decision();
        self.decisions.add(decision);
        self.over_time.add(played.entry.ts, decision);
        self.expected += u64::from(played.entry.expect.is_some());
        if let Some(cases) =
            self.cases.as_mut().filter(|_| played.entry.expect.is_some() || !findings.is_empty())
        {
            let findings = findings.iter().map(ToString::to_string).collect();
            cases.push(Case { recording: recording.into(), id: played.entry.id.clone(), findings });
        }
        if let Some(came) = &mut self.came {
            came.insert(played.number, played.came());
        }
        if findings.is_empty() {
            return;
        }
        self.fail(Failure::new(recording, played, findings));
    }

    /// Counts an entry that cannot be replayed; that something is expected of it is a failure.
    pub fn skip(&mut self, recording: &std::path::Path, number: u64, entry: &Entry) {
        self.partial += 1;
        if entry.expect.is_none() {
            return;
        }
        self.expected += 1;
        let finding = Finding::Broken("it was not replayed, because its body was not recorded whole".into());
        if let Some(cases) = &mut self.cases {
            let findings = vec![finding.to_string()];
            cases.push(Case { recording: recording.into(), id: entry.id.clone(), findings });
        }
        let failure = Failure { findings: vec![finding], ..Failure::none(recording, number, entry) };
        self.fail(failure);
    }

    fn fail(&mut self, failure: Failure) {
        self.failing += 1;
        self.broken |= failure.findings.iter().any(|finding| matches!(finding, Finding::Broken(_)));
        if self.failures.len() < SHOWN {
            self.failures.push(failure);
        }
    }

    /// Adds what another job counted.
    pub fn join(&mut self, other: Self) {
        self.decisions.join(other.decisions);
        self.partial += other.partial;
        self.expected += other.expected;
        self.failing += other.failing;
        self.broken |= other.broken;
        self.failures.extend(other.failures);
        self.failures.sort_by_key(|failure| failure.number);
        self.failures.truncate(SHOWN);
        self.faults.extend(other.faults);
        self.trapped |= other.trapped;
        self.evidence.extend(other.evidence);
        self.memory.extend(other.memory);
        self.over_time.join(other.over_time);
        self.cases = self
            .cases
            .take()
            .map(|cases| cases.into_iter().chain(other.cases.into_iter().flatten()).collect());
        if let Some(came) = &mut self.came {
            came.extend(other.came.into_iter().flatten());
        }
    }

    /// Takes over what another way of sending the same bodies came to, where it is something else.
    pub(super) fn compare(&mut self, way: Chunking, other: &Self) {
        let mut other = other.clone();
        let pairs = other.came.iter().flatten();
        let pairs = pairs.filter_map(|(number, came)| Some((number, self.came.as_ref()?.get(number)?, came)));
        let differing: Vec<_> = pairs.filter(|(_, here, came)| here != came).collect();
        let told = differing.iter().take(SHOWN).map(|(number, here, came)| {
            let place = *number + 1;
            format!("request {place} of all, with its body sent {way}: {}", differing_in(here, came))
        });
        let more = differing.len().saturating_sub(SHOWN);
        let more = (more > 0)
            .then(|| format!("{more} more requests come to something else with their bodies sent {way}"));
        self.faults.extend(told.chain(more).collect::<Vec<_>>());
        self.failing += other.failing;
        self.broken |= other.broken;
        self.failures.append(&mut other.failures);
        self.failures.truncate(SHOWN);
        self.faults.append(&mut other.faults);
        self.trapped |= other.trapped;
    }

    /// Whether everything is as it must be.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failing == 0 && self.faults.is_empty()
    }

    /// Whether what came can be what is expected from now on: nothing is broken.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        !self.broken && self.faults.is_empty() && !self.trapped
    }
}

/// In what two things differ that came of a request.
fn differing_in(here: &Expect, there: &Expect) -> String {
    // What is not there is not looked at in an expectation.
    let whole = |came: &Expect| {
        let reason = came.reason.clone().unwrap_or_else(|| "none".into());
        Expect { reason: Some(reason), ..came.clone() }
    };
    let found: Vec<_> = differences(&whole(here), &whole(there)).iter().map(ToString::to_string).collect();
    if found.is_empty() { "it is not known in both what was decided".into() } else { found.join("; ") }
}

impl Failure {
    /// Of an entry of which nothing came.
    fn none(recording: &std::path::Path, number: u64, entry: &Entry) -> Self {
        Self {
            recording: recording.into(),
            id: entry.id.clone(),
            number,
            findings: Vec::new(),
            decision: word(None),
            status: 0,
            reason: None,
            detail: None,
            policies: Vec::new(),
            records: Vec::new(),
        }
    }

    fn new(recording: &std::path::Path, played: &Played, findings: Vec<Finding>) -> Self {
        Self {
            findings,
            decision: word(played.decision()),
            status: played.seen.response.status(),
            reason: played.reason().map(str::to_owned),
            detail: played.detail(),
            policies: played.policies().to_vec(),
            records: played.records.iter().map(|said| said.kind.clone()).collect(),
            ..Self::none(recording, played.number, &played.entry)
        }
    }
}

impl Played {
    /// What the client was told, in a sentence: the `detail` of a problem (RFC 9457).
    #[must_use]
    pub fn detail(&self) -> Option<String> {
        let problem: serde_json::Value = serde_json::from_slice(&self.seen.response.body).ok()?;
        Some(problem.get("detail")?.as_str()?.to_owned())
    }

    /// What came of it, as an expectation.
    #[must_use]
    pub fn came(&self) -> Expect {
        let mut policies = self.policies().to_vec();
        policies.sort();
        Expect {
            decision: self.decision(),
            status: Some(self.seen.response.status()),
            reason: self.reason().map(str::to_owned),
            policies: Some(policies),
            upstream: Some(self.seen.forwarded.is_some()),
            records: Some(self.records.iter().map(|said| said.kind.clone()).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_that_come_to_something_else_are_told_in_words_and_not_without_end() {
        let came = |status, reason: Option<&str>| {
            let expect =
                Expect { status: Some(status), reason: reason.map(str::to_owned), ..Expect::default() };
            let came = (0..25).map(|number| (number, expect.clone())).collect();
            Tally { came: Some(came), ..Tally::default() }
        };
        let mut tally = came(200, None);
        tally.compare(Chunking::Parts(1), &came(200, None));
        assert!(tally.is_clean());
        tally.compare(Chunking::Parts(1), &came(403, Some("forbidden")));
        let first = "request 1 of all, with its body sent one byte at a time: \
                     status: expected 200, found 403; reason: expected none, found forbidden";
        let last = "5 more requests come to something else with their bodies sent one byte at a time";
        assert_eq!((tally.faults.len(), tally.faults[0].as_str()), (SHOWN + 1, first));
        assert_eq!(tally.faults[SHOWN], last);
    }
}
