//! What the requests cost that people are asked about: their number and bytes, kept as they change.

use std::collections::BTreeMap;

/// Bytes by request, and their sum.
#[derive(Debug, Default)]
pub(super) struct Load {
    bytes: BTreeMap<u32, usize>,
    total: usize,
}

impl Load {
    /// A request, asked about once or again, costs `bytes`.
    pub(super) fn add(&mut self, id: u32, bytes: usize) {
        self.remove(id);
        self.bytes.insert(id, bytes);
        self.total = self.total.saturating_add(bytes);
    }

    pub(super) fn remove(&mut self, id: u32) {
        let freed = self.bytes.remove(&id).unwrap_or_default();
        self.total = self.total.saturating_sub(freed);
    }

    /// Their number and bytes, and how near that is to the limits, in per cent.
    pub(super) fn levels(&self, number: usize, bytes: usize) -> (u64, u64, u64) {
        let (held, weight) = (self.bytes.len() as u64, self.total as u64);
        let share =
            |part: u64, limit: usize| part.saturating_mul(100).checked_div(limit as u64).unwrap_or(100);
        (held, weight, share(held, number).max(share(weight, bytes)))
    }

    /// Whether another one fits.
    pub(super) fn is_below(&self, number: usize, bytes: usize) -> bool {
        self.bytes.len() < number && self.total < bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_follows_what_comes_and_goes() {
        let mut load = Load::default();
        load.add(1, 10);
        load.add(2, 20);
        load.add(1, 5);
        assert!(load.is_below(3, 26) && !load.is_below(3, 25) && !load.is_below(2, 26));
        assert_eq!(load.levels(10, 50), (2, 25, 50));
        assert_eq!(load.levels(0, 500), (2, 25, 100));
        load.remove(2);
        load.remove(2);
        assert!(load.is_below(2, 6) && !load.is_below(2, 5));
    }
}
