//! Medians, spread, percentiles and ratios: what a figure of the benchmark is made of.

use serde::Serialize;

/// A figure that was measured several times in one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Spread {
    /// The middle one.
    pub(super) median: f64,
    /// The smallest.
    pub(super) min: f64,
    /// The largest.
    pub(super) max: f64,
    /// All, in the order of measuring.
    pub(super) rounds: Vec<f64>,
}

impl Spread {
    /// The spread of `rounds`; nothing when there are none.
    #[must_use]
    pub(super) fn of(rounds: Vec<f64>) -> Option<Self> {
        let sorted = sorted(&rounds);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        Some(Self { median: middle(&sorted)?, min, max, rounds })
    }

    /// How this one compares to `base`: the rounds divided one by one, because what disturbs a round
    /// disturbs both; rounds without a partner or with a base of 0 are left out.
    #[must_use]
    pub(super) fn over(&self, base: &Self) -> Option<Self> {
        let pairs = self.rounds.iter().zip(&base.rounds).filter(|(_, base)| **base != 0.0);
        Self::of(pairs.map(|(one, base)| one / base).collect())
    }
}

/// The smallest value that at least `percent` of all do not exceed (nearest rank).
#[must_use]
pub(super) fn percentile(values: &[f64], percent: usize) -> Option<f64> {
    let rank = values.len().saturating_mul(percent).div_ceil(100).max(1);
    sorted(values).get(rank.saturating_sub(1)).copied()
}

/// A count or a number of bytes as a figure.
#[must_use]
pub(super) fn float(number: u64) -> f64 {
    // Exact below 2⁵³.
    number as f64
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Of an even number the mean of the two in the middle.
fn middle(sorted: &[f64]) -> Option<f64> {
    let half = sorted.len() / 2;
    let upper = *sorted.get(half)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(*sorted.get(half.checked_sub(1)?)?, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(rounds: &[f64]) -> Spread {
        Spread::of(rounds.to_vec()).unwrap()
    }

    #[test]
    fn the_median_is_the_middle_one_whatever_the_order() {
        let odd = spread(&[30.0, 10.0, 20.0]);
        assert_eq!((odd.median, odd.min, odd.max), (20.0, 10.0, 30.0));
        assert_eq!(odd.rounds, [30.0, 10.0, 20.0]);
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert_eq!(spread(&[7.0]).median, 7.0);
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        let (one, base) = (spread(&[50.0, 5.0, 80.0]), spread(&[100.0, 10.0, 100.0]));
        let ratio = one.over(&base).unwrap();
        assert_eq!(ratio.rounds, [0.5, 0.5, 0.8]);
        // Not 50 / 100 of medians by chance: a slow round counts with its own base.
        assert_eq!((ratio.median, ratio.min, ratio.max), (0.5, 0.5, 0.8));
        assert_eq!(one.over(&spread(&[0.0, 10.0])).unwrap().rounds, [0.5]);
        assert_eq!(one.over(&spread(&[0.0])), None);
    }

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(percentile(&values, 50), Some(100.0));
        assert_eq!(percentile(&values, 99), Some(198.0));
        assert_eq!(percentile(&values, 100), Some(200.0));
        assert_eq!(percentile(&[3.0], 99), Some(3.0));
        assert_eq!(percentile(&[], 50), None);
    }
}
