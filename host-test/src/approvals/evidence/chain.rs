//! One lane of one producer: which of its records are kept, and whether each names the one before it.

use std::collections::BTreeMap;

use countersign_protocol::Hash;

use super::Why;

/// How many records behind the last acknowledged one are remembered when they are handed over: a filter sends
/// again what it has no acknowledgement for, and nothing older.
const REMEMBERED: u64 = 16_384;

/// One lane.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// All below are kept, or were acknowledged elsewhere.
    next: u64,
    /// One more than the highest number that is kept.
    pub(super) ends: u64,
    /// How many records its producer counts.
    pub(super) said: u64,
    links: BTreeMap<u64, Link>,
    /// Records below are handed over and forgotten; the first that is remembered only stands for its hash.
    forgotten: u64,
    /// Where what is forgotten did not hold together.
    broken: Vec<(u64, Why)>,
}

#[derive(Debug)]
struct Link {
    hash: Hash,
    prev: Hash,
}

impl Chain {
    /// The hash of a record that is kept.
    pub(super) fn hash(&self, seq: u64) -> Option<Hash> {
        self.links.get(&seq).map(|link| link.hash)
    }

    /// Adds a record; `false` when it is kept already.
    pub(super) fn add(&mut self, seq: u64, hash: Hash, prev: Hash) -> bool {
        if seq < self.forgotten || self.links.contains_key(&seq) {
            return false;
        }
        self.links.insert(seq, Link { hash, prev });
        self.ends = self.ends.max(seq.saturating_add(1));
        true
    }

    /// Moves on over all that follows `first` without a gap. A filter sends what was not acknowledged, from its
    /// first on: what is not kept below that is a break for ever.
    pub(super) fn advance(&mut self, first: u64) -> u64 {
        self.next = self.next.max(first);
        while self.links.contains_key(&self.next) {
            self.next += 1;
        }
        self.next
    }

    /// Where it does not hold together, in order.
    pub(super) fn breaks(&self) -> impl Iterator<Item = (u64, Why)> {
        self.broken_until(u64::MAX)
    }

    /// The same, of the records up to this one.
    fn broken_until(&self, last: u64) -> impl Iterator<Item = (u64, Why)> {
        let from = if self.forgotten == 0 { 0 } else { self.forgotten + 1 };
        let kept = self.links.range(from..=last.max(from));
        let kept = kept.filter_map(|(seq, link)| Some((*seq, self.fault(*seq, link)?)));
        self.broken.iter().copied().chain(kept)
    }

    fn fault(&self, seq: u64, link: &Link) -> Option<Why> {
        let before = match seq.checked_sub(1) {
            None => Some(Hash::ZERO),
            Some(before) => self.hash(before),
        };
        match before {
            None => Some(Why::Missing),
            Some(hash) if hash != link.prev => Some(Why::Broken),
            Some(_) => None,
        }
    }

    /// Forgets what lies far enough behind; gives the hashes of what is forgotten.
    pub(super) fn forget(&mut self) -> Vec<Hash> {
        let keep = self.next.saturating_sub(REMEMBERED);
        if keep <= self.forgotten || !self.links.contains_key(&keep) {
            return Vec::new();
        }
        self.broken = self.broken_until(keep).collect();
        self.forgotten = keep;
        let later = self.links.split_off(&keep);
        let gone = std::mem::replace(&mut self.links, later);
        gone.into_values().map(|link| link.hash).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_is_still_known_to_be_broken() {
        let mut chain = Chain::default();
        let hash = |seq: u64| Hash::of(&seq.to_be_bytes());
        for seq in 0..3 * REMEMBERED {
            let prev = match seq {
                0 => Hash::ZERO,
                7 => hash(1_000),
                _ => hash(seq - 1),
            };
            assert!(chain.add(seq, hash(seq), prev));
            chain.advance(seq);
            if seq % 1_000 == 0 {
                chain.forget();
            }
        }
        assert!(chain.links.len() < 2 * REMEMBERED as usize);
        assert_eq!(chain.breaks().collect::<Vec<_>>(), [(7, Why::Broken)]);
        assert!(!chain.add(3, hash(3), hash(2)), "an old record is no new one");
    }
}
