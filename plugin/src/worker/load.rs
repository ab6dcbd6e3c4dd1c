//! What the requests cost that people are asked about: their number and bytes, in all and for each principal,
//! kept as they change.

use std::collections::BTreeMap;
use std::rc::Rc;

use countersign_core::config::Limits;

/// Most requests that are asked about without being held: above the caps, and for as long as a question takes.
const PASSING: Sum = Sum { number: 1_000, bytes: 64 << 20 };

/// A number of requests, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    number: usize,
    bytes: usize,
}

/// One request's place in the sums.
#[derive(Debug)]
enum Place {
    /// Held, or about to be, in the name of this principal.
    Held(Rc<str>, usize),
    /// Asked about, and answered as pending at once.
    Passing(usize),
}

/// The requests that people are asked about, and their sums.
#[derive(Debug, Default)]
pub(super) struct Load {
    requests: BTreeMap<u32, Place>,
    held: Sum,
    passing: Sum,
    by_principal: BTreeMap<Rc<str>, Sum>,
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
    fn is_below(self, number: usize, bytes: usize) -> bool {
        self.number < number && self.bytes < bytes
    }
}

impl Load {
    /// A request of `principal`, asked about once or again, costs `bytes`. Says whether it may be held; otherwise
    /// it is counted as one that only passes.
    pub(super) fn add(&mut self, id: u32, principal: &str, bytes: usize, limits: &Limits) -> bool {
        self.remove(id);
        let own = self.by_principal.get(principal).copied().unwrap_or_default();
        let fits = self.held.is_below(limits.held, limits.held_bytes)
            && own.is_below(limits.held_per_principal, limits.held_bytes_per_principal);
        if fits {
            let principal: Rc<str> = principal.into();
            self.held.add(bytes);
            self.by_principal.entry(Rc::clone(&principal)).or_default().add(bytes);
            self.requests.insert(id, Place::Held(principal, bytes));
        } else {
            self.passing.add(bytes);
            self.requests.insert(id, Place::Passing(bytes));
        }
        fits
    }

    pub(super) fn remove(&mut self, id: u32) {
        match self.requests.remove(&id) {
            None => {}
            Some(Place::Passing(bytes)) => self.passing.remove(bytes),
            Some(Place::Held(principal, bytes)) => {
                self.held.remove(bytes);
                if let Some(own) = self.by_principal.get_mut(&principal) {
                    own.remove(bytes);
                    if own.number == 0 {
                        self.by_principal.remove(&principal);
                    }
                }
            }
        }
    }

    /// The number and bytes of what is held, and how near that is to the limits, in per cent.
    pub(super) fn levels(&self, limits: &Limits) -> (u64, u64, u64) {
        let (held, weight) = (self.held.number as u64, self.held.bytes as u64);
        let share =
            |part: u64, limit: usize| part.saturating_mul(100).checked_div(limit as u64).unwrap_or(100);
        (held, weight, share(held, limits.held).max(share(weight, limits.held_bytes)))
    }

    /// Whether another request may be asked about at all.
    pub(super) fn has_room(&self) -> bool {
        self.passing.is_below(PASSING.number, PASSING.bytes)
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

    #[test]
    fn what_does_not_fit_passes_and_what_leaves_makes_room() {
        let (mut load, limits) = (Load::default(), LIMITS());
        assert!(load.add(1, "a", 10, &limits) && load.add(2, "a", 10, &limits));
        assert!(!load.add(3, "a", 10, &limits), "a holds as many as it may");
        assert!(load.add(4, "b", 10, &limits));
        assert!(!load.add(5, "c", 10, &limits), "the worker holds as many as it may");
        assert_eq!((load.held, load.passing), (Sum { number: 3, bytes: 30 }, Sum { number: 2, bytes: 20 }));
        assert_eq!(load.levels(&limits), (3, 30, 100));
        assert_eq!(load.levels(&Limits { held: 10, ..limits }), (3, 30, 30));
        load.remove(1);
        load.remove(1);
        assert!(load.add(3, "a", 10, &limits), "asked about again");
        for id in 1..=5 {
            load.remove(id);
        }
        assert_eq!((load.held, load.passing), (Sum::default(), Sum::default()));
        assert!(load.by_principal.is_empty());
    }

    #[test]
    fn bytes_count_as_well() {
        let (mut load, limits) = (Load::default(), LIMITS());
        assert!(load.add(1, "a", 60, &limits), "one may be larger than what is left");
        assert!(!load.add(2, "a", 1, &limits));
        assert!(load.add(3, "b", 60, &limits));
        assert!(!load.add(4, "c", 1, &limits));
    }

    #[test]
    fn what_only_passes_is_bounded_too() {
        let (mut load, limits) = (Load::default(), Limits { held: 0, ..LIMITS() });
        assert!(load.has_room());
        assert!(!load.add(1, "a", PASSING.bytes, &limits));
        assert!(!load.has_room());
        load.remove(1);
        assert!(load.has_room());
    }
}
