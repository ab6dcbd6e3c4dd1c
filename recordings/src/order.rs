//! Entries in the order of their times, when a source has them only nearly so.

use std::collections::{BTreeMap, VecDeque};

use countersign_protocol::recording::{Entry, lost};

use crate::open::{ImportError, Imported};

/// How many entries are held, and how many bytes of their bodies.
const WINDOW: usize = 4096;
const WEIGHT: usize = 64 * 1024 * 1024;

/// See [`in_order`].
pub struct InOrder<I> {
    items: I,
    held: BTreeMap<(i64, u64), Box<Entry>>,
    weight: usize,
    taken: u64,
    last: Option<i64>,
    /// Notes go by; an error comes after what is held.
    ready: VecDeque<Result<Imported, ImportError>>,
    over: bool,
}

/// Puts entries in the order of their times, as the native form wants them. It holds 4,096 of them, or 64 MiB of
/// bodies; an entry that comes later still gets the time of the one before it, and `time` is noted as lost.
pub fn in_order<I: Iterator<Item = Result<Imported, ImportError>>>(items: I) -> InOrder<I> {
    let (held, ready) = (BTreeMap::new(), VecDeque::new());
    InOrder { items, held, weight: 0, taken: 0, last: None, ready, over: false }
}

fn weight(entry: &Entry) -> usize {
    entry.request.body.as_ref().map_or(0, |body| body.0.len())
}

impl<I: Iterator<Item = Result<Imported, ImportError>>> InOrder<I> {
    fn fill(&mut self) {
        while !self.over && self.ready.is_empty() && self.held.len() < WINDOW && self.weight < WEIGHT {
            match self.items.next() {
                Some(Ok(Imported::Entry(entry))) => {
                    self.weight += weight(&entry);
                    self.held.insert((entry.ts, self.taken), entry);
                    self.taken += 1;
                }
                Some(Ok(note)) => self.ready.push_back(Ok(note)),
                Some(Err(error)) => {
                    self.release_all();
                    self.ready.push_back(Err(error));
                    self.over = true;
                }
                None => self.over = true,
            }
        }
    }

    fn release(&mut self) -> Option<Box<Entry>> {
        let (_, mut entry) = self.held.pop_first()?;
        self.weight -= weight(&entry);
        if let Some(last) = self.last.filter(|last| entry.ts < *last) {
            entry.ts = last;
            entry.lose(lost::TIME);
        }
        self.last = Some(entry.ts);
        Some(entry)
    }

    fn release_all(&mut self) {
        while let Some(entry) = self.release() {
            self.ready.push_back(Ok(Imported::Entry(entry)));
        }
    }
}

impl<I: Iterator<Item = Result<Imported, ImportError>>> Iterator for InOrder<I> {
    type Item = Result<Imported, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.fill();
        self.ready.pop_front().or_else(|| self.release().map(|entry| Ok(Imported::Entry(entry))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(ts: i64) -> Result<Imported, ImportError> {
        let text =
            format!(r#"{{"v":1,"id":"{ts}","ts":{ts},"fidelity":"client","request":{{"headers":[]}}}}"#);
        Ok(Imported::Entry(Box::new(serde_json::from_str(&text).unwrap())))
    }

    fn times(items: impl Iterator<Item = Result<Imported, ImportError>>) -> Vec<Option<i64>> {
        let time = |item| match item {
            Ok(Imported::Entry(entry)) => Some(Entry::clone(&entry).ts),
            _ => None,
        };
        in_order(items).map(time).collect()
    }

    #[test]
    fn entries_are_put_in_order() {
        assert_eq!(times([3, 1, 2].into_iter().map(entry)), [Some(1), Some(2), Some(3)]);
        let late = times((1..=5000).chain([0]).map(entry));
        assert!(late.is_sorted());
        assert_eq!(late.len(), 5001);
    }

    #[test]
    fn an_error_comes_last() {
        let broken = || Err(ImportError::UnknownFormat { name: "a".into() });
        assert_eq!(times([entry(2), entry(1), broken(), entry(0)].into_iter()), [Some(1), Some(2), None]);
    }
}
