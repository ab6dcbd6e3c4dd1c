//! How a replay ended, besides its entries.

use std::collections::BTreeMap;

use countersign_host_test::approvals::Break;

use super::evidence::Sum;

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
        let breaks =
            self.breaks.iter().map(|found| format!("the evidence does not hold together: {found:?}"));
        let mut traps: BTreeMap<&str, usize> = BTreeMap::new();
        self.traps.iter().for_each(|why| *traps.entry(why).or_default() += 1);
        let trap = |(why, times)| match times {
            1 => format!("the filter traps in {why}"),
            _ => format!("the filter traps in {why} ({times} times)"),
        };
        breaks.chain(traps.into_iter().map(trap)).chain(self.faults.iter().cloned())
    }
}
