//! How a replay ended, besides its entries.

use std::collections::BTreeMap;

use countersign_host_test::approvals::Break;

use super::evidence::Sum;

/// Breaks that are told one by one.
const SHOWN: usize = 20;

/// How a replay ended, besides its entries.
#[derive(Debug, Default)]
pub struct Ending {
    /// Where the evidence does not hold together.
    pub breaks: Vec<Break>,
    /// Why the filter trapped, each time.
    pub traps: Vec<String>,
    /// What else went wrong with filter or harness.
    pub faults: Vec<String>,
    /// All evidence that came.
    pub evidence: Sum,
    /// Linear memory of each worker, bytes.
    pub memory: Vec<usize>,
}

impl Ending {
    /// All that is not as it must be, in words; a trap that comes again and again is told once.
    pub fn all(&self) -> impl Iterator<Item = String> {
        let breaks = self
            .breaks
            .iter()
            .take(SHOWN)
            .map(|found| format!("the evidence does not hold together: {found}"));
        let more = self.breaks.len().saturating_sub(SHOWN);
        let more = (more > 0).then(|| format!("the evidence does not hold together in {more} more places"));
        let mut traps: BTreeMap<&str, usize> = BTreeMap::new();
        self.traps.iter().for_each(|why| *traps.entry(why).or_default() += 1);
        let trap = |(why, times)| match times {
            1 => format!("the filter traps in {why}"),
            _ => format!("the filter traps in {why} ({times} times)"),
        };
        breaks.chain(more).chain(traps.into_iter().map(trap)).chain(self.faults.iter().cloned())
    }
}

#[cfg(test)]
mod tests {
    use countersign_host_test::approvals::Why;
    use countersign_protocol::Token;
    use countersign_protocol::evidence::Lane;

    use super::*;

    #[test]
    fn what_is_broken_is_told_in_words_and_not_without_end() {
        let found = |seq| Break { producer: Token([1; 16]), lane: Lane::Held, seq, why: Why::Missing };
        let traps = vec!["`a`: x".into(), "`a`: x".into(), "`b`: y".into()];
        let ending = Ending { breaks: (0..25).map(found).collect(), traps, ..Ending::default() };
        let all: Vec<_> = ending.all().collect();
        let producer = "01".repeat(16);
        let first = format!(
            "the evidence does not hold together: record 0 in the held lane of producer `{producer}`: the record before it \
             did not come"
        );
        assert_eq!((all.len(), &all[0]), (SHOWN + 3, &first));
        let rest = [
            "the evidence does not hold together in 5 more places",
            "the filter traps in `a`: x (2 times)",
            "the filter traps in `b`: y",
        ];
        assert_eq!(all[SHOWN..], rest);
    }
}
