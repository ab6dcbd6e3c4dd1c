//! One lane's records until the service keeps them.

use std::collections::{BTreeSet, VecDeque};

use countersign_protocol::Hash;
use countersign_protocol::approval::Ack;
use countersign_protocol::evidence::Record;

/// Most bytes of records that are kept for delivery.
const CAPACITY: usize = 32 << 20;

/// Records in order, oldest first.
#[derive(Debug)]
pub(super) struct Queue {
    records: VecDeque<Record>,
    bytes: usize,
    /// Most bytes of records in one call.
    batch: usize,
}

impl Queue {
    /// An empty lane of which one call takes `batch` bytes, and at least one record.
    pub(super) fn new(batch: usize) -> Self {
        Self { records: VecDeque::new(), bytes: 0, batch }
    }

    pub(super) fn push(&mut self, record: Record) {
        self.bytes = self.bytes.saturating_add(record.line.len());
        self.records.push_back(record);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// How much waits.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How full it is, from 0 to 100 and beyond.
    pub(super) fn percent(&self) -> usize {
        self.bytes / (CAPACITY / 100)
    }

    /// Whether one call cannot take all.
    pub(super) fn fills_a_batch(&self) -> bool {
        self.bytes >= self.batch
    }

    /// The oldest lines, as many as one call takes, at least one.
    pub(super) fn batch(&self) -> impl Iterator<Item = &str> {
        self.records.iter().take(self.batch_length()).map(|record| record.line.as_str())
    }

    /// Records that one call does not take: what stands on them must wait.
    pub(super) fn beyond_batch(&self) -> BTreeSet<Hash> {
        self.records.iter().skip(self.batch_length()).map(|record| record.hash).collect()
    }

    fn batch_length(&self) -> usize {
        let mut bytes = 0_usize;
        let fits = self.records.iter().take_while(|record| {
            bytes = bytes.saturating_add(record.line.len());
            bytes <= self.batch
        });
        fits.count().max(1)
    }

    /// Forgets what the service keeps now, and says how many records that is.
    pub(super) fn acknowledge(&mut self, ack: &Ack) -> u64 {
        let kept = |first: &Record| {
            first.envelope.producer == ack.producer
                && first.envelope.lane == ack.lane
                && first.envelope.seq <= ack.seq
        };
        let mut number = 0;
        while let Some(record) = self.records.pop_front_if(|first| kept(first)) {
            self.bytes = self.bytes.saturating_sub(record.line.len());
            number += 1;
        }
        number
    }
}
