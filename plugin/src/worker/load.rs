//! What the requests cost that people are asked about: their number and bytes, in all and for each principal,
//! kept as they change.

use std::collections::BTreeMap;
use std::rc::Rc;

use countersign_core::config::Limits;

/// Most requests that are asked about without being held: above the caps, and for as long as a question takes. In
/// all, and of one principal.
const PASSING: Sum = Sum { number: 1_000, bytes: 64 << 20 };
const PASSING_OWN: Sum = Sum { number: 100, bytes: 8 << 20 };

/// A number of requests, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    number: usize,
    bytes: usize,
}

impl Sum {
    fn add(&mut self, bytes: usize) {
        self.number = self.number.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn remove(&mut self, bytes: usize) {
        self.number = self.number.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Whether another one fits.
    fn is_below(self, limit: Self) -> bool {
        self.number < limit.number && self.bytes < limit.bytes
    }
}

/// Requests of one kind: the sum of all and of each principal.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sums {
    all: Sum,
    own: BTreeMap<Rc<str>, Sum>,
}

impl Sums {
    fn add(&mut self, principal: &Rc<str>, bytes: usize) {
        self.all.add(bytes);
        self.own.entry(Rc::clone(principal)).or_default().add(bytes);
    }

    fn remove(&mut self, principal: &str, bytes: usize) {
        self.all.remove(bytes);
        if let Some(own) = self.own.get_mut(principal) {
            own.remove(bytes);
            if own.number == 0 {
                self.own.remove(principal);
            }
        }
    }

    /// Whether another one of `principal` fits.
    fn are_below(&self, principal: &str, all: Sum, own: Sum) -> bool {
        self.all.is_below(all) && self.own.get(principal).copied().unwrap_or_default().is_below(own)
    }
}

/// What may become of a request that people are to be asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is held.
    Hold,
    /// People are asked, and its client is told at once to come back.
    Pass,
    /// Its principal has too many questions under way as it is.
    Refuse,
}

/// One request's place in the sums.
#[derive(Debug)]
struct Place {
    principal: Rc<str>,
    bytes: usize,
    /// Held, or about to be; otherwise asked about and answered as pending at once.
    held: bool,
}

/// The requests that people are asked about, and their sums.
#[derive(Debug, Default)]
pub(super) struct Load {
    requests: BTreeMap<u32, Place>,
    held: Sums,
    passing: Sums,
}

impl Load {
    /// A request of `principal`, asked about once or again, costs `bytes`. Counts it, unless it is refused.
    pub(super) fn add(&mut self, id: u32, principal: &str, bytes: usize, limits: &Limits) -> Admission {
        self.remove(id);
        let all = Sum { number: limits.held, bytes: limits.held_bytes };
        let own = Sum { number: limits.held_per_principal, bytes: limits.held_bytes_per_principal };
        let held = self.held.are_below(principal, all, own);
        if !held && !self.passing.are_below(principal, PASSING, PASSING_OWN) {
            return Admission::Refuse;
        }
        let principal: Rc<str> = principal.into();
        self.sums(held).add(&principal, bytes);
        self.requests.insert(id, Place { principal, bytes, held });
        if held { Admission::Hold } else { Admission::Pass }
    }

    pub(super) fn remove(&mut self, id: u32) {
        if let Some(Place { principal, bytes, held }) = self.requests.remove(&id) {
            self.sums(held).remove(&principal, bytes);
        }
    }

    fn sums(&mut self, held: bool) -> &mut Sums {
        if held { &mut self.held } else { &mut self.passing }
    }

    /// The number and bytes of what is held, and how near that is to the limits, in per cent.
    pub(super) fn levels(&self, limits: &Limits) -> (u64, u64, u64) {
        let (held, weight) = (self.held.all.number as u64, self.held.all.bytes as u64);
        let share =
            |part: u64, limit: usize| part.saturating_mul(100).checked_div(limit as u64).unwrap_or(100);
        (held, weight, share(held, limits.held).max(share(weight, limits.held_bytes)))
    }

    /// Whether another request may be asked about at all.
    pub(super) fn has_room(&self) -> bool {
        self.passing.all.is_below(PASSING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: fn() -> Limits = || Limits {
        held: 3,
        held_bytes: 100,
        held_per_principal: 2,
        held_bytes_per_principal: 50,
        ..Limits::default()
    };

    fn add(load: &mut Load, id: u32, principal: &str, bytes: usize) -> Admission {
        load.add(id, principal, bytes, &LIMITS())
    }

    #[test]
    fn what_does_not_fit_passes_and_what_leaves_makes_room() {
        let mut load = Load::default();
        assert_eq!([1, 2].map(|id| add(&mut load, id, "a", 10)), [Admission::Hold; 2]);
        assert_eq!(add(&mut load, 3, "a", 10), Admission::Pass, "a holds as many as it may");
        assert_eq!(add(&mut load, 4, "b", 10), Admission::Hold);
        assert_eq!(add(&mut load, 5, "c", 10), Admission::Pass, "the worker holds as many as it may");
        let sums = (load.held.all, load.passing.all);
        assert_eq!(sums, (Sum { number: 3, bytes: 30 }, Sum { number: 2, bytes: 20 }));
        assert_eq!(load.levels(&LIMITS()), (3, 30, 100));
        assert_eq!(load.levels(&Limits { held: 10, ..LIMITS() }), (3, 30, 30));
        load.remove(1);
        load.remove(1);
        assert_eq!(add(&mut load, 3, "a", 10), Admission::Hold, "asked about again");
        for id in 1..=5 {
            load.remove(id);
        }
        assert_eq!((load.held, load.passing), (Sums::default(), Sums::default()));
    }

    #[test]
    fn bytes_count_as_well() {
        let mut load = Load::default();
        assert_eq!(add(&mut load, 1, "a", 60), Admission::Hold, "one may be larger than what is left");
        assert_eq!(add(&mut load, 2, "a", 1), Admission::Pass);
        assert_eq!(add(&mut load, 3, "b", 60), Admission::Hold);
        assert_eq!(add(&mut load, 4, "c", 1), Admission::Pass);
    }

    #[test]
    fn what_only_passes_is_bounded_too() {
        let (mut load, limits) = (Load::default(), Limits { held: 0, ..LIMITS() });
        assert_eq!(load.add(1, "a", PASSING_OWN.bytes, &limits), Admission::Pass);
        assert_eq!(load.add(2, "a", 1, &limits), Admission::Refuse, "others come to their turn");
        assert_eq!(load.add(3, "b", PASSING.bytes, &limits), Admission::Pass);
        assert!(!load.has_room());
        load.remove(3);
        assert!(load.has_room());
    }
}
