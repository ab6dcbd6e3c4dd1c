//! Evidence: audit records as they came, and where their lanes do not hold together.

mod chain;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use countersign_protocol::approval::{Ack, Acked};
use countersign_protocol::evidence::{Lane, Record, RecordError};
use countersign_protocol::{Hash, Token};
use serde::{Deserialize, Serialize};

use super::log::Happened;
use super::service::Service;
use chain::Chain;

/// A place where a lane does not hold together, or where it was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Break {
    /// Whose.
    pub producer: Token,
    /// Which lane.
    pub lane: Lane,
    /// The record that does not fit; for [`Why::CutOff`] the first that did not come.
    pub seq: u64,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The record before it is not kept.
    Missing,
    /// The record before it is kept, but has another hash.
    Broken,
    /// Other bytes were sent under the same number.
    Conflict,
    /// The producer stopped and counted more records than came.
    CutOff,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lane = match self.lane {
            Lane::Held => "held",
            Lane::Plain => "plain",
        };
        let why = match self.why {
            Why::Missing => "the record before it did not come",
            Why::Broken => "the record before it has another hash than it says",
            Why::Conflict => "it came a second time with other bytes",
            Why::CutOff => "it did not come, and its producer counted it when it stopped",
        };
        write!(f, "record {} in the {lane} lane of producer `{}`: {why}", self.seq, self.producer)
    }
}

/// Why a batch of evidence is not kept. None of it is then, nor of what it came with.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    #[error("{0}")]
    Malformed(#[from] RecordError),
    #[error("record {} of producer `{}` is kept with other bytes", .0.envelope.seq, .0.envelope.producer)]
    Conflict(Box<Record>),
}

type LaneId = (Token, Lane);

/// All records that are kept.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    lanes: BTreeMap<LaneId, Chain>,
    pub(super) records: Vec<Record>,
    hashes: BTreeSet<Hash>,
    stopped: BTreeSet<Token>,
    conflicts: BTreeSet<(Break, Hash)>,
}

/// How many records each lane has, as heartbeats and stops count them.
#[derive(Default, Deserialize)]
struct Counted {
    held_records: Option<u64>,
    plain_records: Option<u64>,
}

impl Evidence {
    /// Whether the record with that hash is kept.
    pub(super) fn has(&self, hash: Hash) -> bool {
        self.hashes.contains(&hash)
    }

    /// Where what is kept does not hold together.
    pub(super) fn breaks(&self) -> Vec<Break> {
        let mut breaks: Vec<Break> = self.conflicts.iter().map(|(conflict, _)| *conflict).collect();
        for ((producer, lane), chain) in &self.lanes {
            let (producer, lane) = (*producer, *lane);
            breaks.extend(chain.breaks().map(|(seq, why)| Break { producer, lane, seq, why }));
            if chain.said > chain.ends && self.stopped.contains(&producer) {
                breaks.push(Break { producer, lane, seq: chain.ends, why: Why::CutOff });
            }
        }
        breaks.sort();
        breaks
    }

    /// How many producers stopped, and those of which no `stop` came.
    pub(super) fn ends(&self) -> (usize, Vec<Token>) {
        let producers: BTreeSet<Token> = self.lanes.keys().map(|(producer, _)| *producer).collect();
        (self.stopped.len(), producers.difference(&self.stopped).copied().collect())
    }

    /// Hands the records over and forgets them, but for what continuity needs of the last ones.
    pub(super) fn take(&mut self) -> Vec<Record> {
        for chain in self.lanes.values_mut() {
            for hash in chain.forget() {
                self.hashes.remove(&hash);
            }
        }
        std::mem::take(&mut self.records)
    }

    /// Reads lines; nothing is kept before all can be.
    fn read(&self, lines: Vec<String>) -> Result<Vec<Record>, KeepError> {
        let mut fresh: BTreeMap<(LaneId, u64), Hash> = BTreeMap::new();
        let mut records = Vec::with_capacity(lines.len());
        for line in lines {
            let record = Record::parse(line)?;
            let (lane, seq) = (lane_of(&record), record.envelope.seq);
            let kept = self.lanes.get(&lane).and_then(|chain| chain.hash(seq));
            let kept = kept.unwrap_or_else(|| *fresh.entry((lane, seq)).or_insert(record.hash));
            if kept != record.hash {
                return Err(KeepError::Conflict(Box::new(record)));
            }
            records.push(record);
        }
        Ok(records)
    }

    fn keep(&mut self, records: Vec<Record>) -> Vec<Ack> {
        // Each lane with the first of its records that is sent.
        let mut sent: BTreeMap<LaneId, u64> = BTreeMap::new();
        for record in records {
            let (lane, seq) = (lane_of(&record), record.envelope.seq);
            let first = sent.entry(lane).or_insert(seq);
            *first = seq.min(*first);
            self.note_end(&record);
            if self.lanes.entry(lane).or_default().add(seq, record.hash, record.envelope.prev) {
                self.hashes.insert(record.hash);
                self.records.push(record);
            }
        }
        let ack = |((producer, lane), first): (LaneId, u64)| {
            let next = self.lanes.entry((producer, lane)).or_default().advance(first);
            next.checked_sub(1).map(|seq| Ack { producer, lane, seq })
        };
        sent.into_iter().filter_map(ack).collect()
    }

    /// Notes what a record says about the lanes of its producer, if it is one that does.
    fn note_end(&mut self, record: &Record) {
        let envelope = &record.envelope;
        let stop = envelope.kind == "stop";
        if envelope.lane != Lane::Plain || !(stop || envelope.kind == "heartbeat") {
            return;
        }
        let counted: Counted = serde_json::from_str(&record.line).unwrap_or_default();
        for (lane, said) in [(Lane::Held, counted.held_records), (Lane::Plain, counted.plain_records)] {
            if let Some(said) = said {
                let chain = self.lanes.entry((envelope.producer, lane)).or_default();
                chain.said = chain.said.max(said);
            }
        }
        if stop {
            self.stopped.insert(envelope.producer);
        }
    }

    fn conflict(&mut self, record: &Record) {
        let (producer, lane) = lane_of(record);
        let conflict = Break { producer, lane, seq: record.envelope.seq, why: Why::Conflict };
        self.conflicts.insert((conflict, record.hash));
    }
}

fn lane_of(record: &Record) -> LaneId {
    (record.envelope.producer, record.envelope.lane)
}

impl Service {
    /// Keeps lines and says how far each of their lanes is kept without a gap.
    pub(super) fn keep(&mut self, lines: Vec<String>) -> Result<Vec<Ack>, KeepError> {
        match self.evidence.read(lines) {
            Ok(records) => Ok(self.evidence.keep(records)),
            Err(error) => {
                if let KeepError::Conflict(record) = &error {
                    self.evidence.conflict(record);
                }
                self.note(Happened::new(self.now, "evidence_refused").detail(error.to_string()));
                Err(error)
            }
        }
    }

    /// Keeps evidence that came on its own.
    pub(super) fn keep_lines(&mut self, text: &str) -> Result<Acked, KeepError> {
        // Nothing but the line feed ends a line: the hash of a record is over its very bytes.
        let lines = text.split('\n').filter(|line| !line.is_empty());
        Ok(Acked { acked: self.keep(lines.map(str::to_owned).collect())? })
    }
}
