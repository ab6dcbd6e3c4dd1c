//! What must hold from one entry to the next.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use countersign_protocol::recording::Entry;

/// How many entries back an id is remembered at least: the memory that this takes has a bound, however long a recording is.
const REMEMBERED: usize = 100_000;

/// What was seen so far. Of an id 16 bytes are kept, whatever its length: two are taken for the same by mistake about
/// once in 10²⁸ recordings of a million entries.
#[derive(Default)]
pub(crate) struct Seen {
    hashers: [RandomState; 2],
    /// The last ones, and up to as many before them.
    ids: [HashSet<u128>; 2],
    last: Option<i64>,
}

impl Seen {
    /// Takes the next entry, or says what is wrong with it and what to do.
    pub(crate) fn take(&mut self, entry: &Entry) -> Result<(), String> {
        if entry.id.is_empty() {
            return Err("`id` is empty: name the entry".into());
        }
        if let Some(last) = self.last.filter(|last| entry.ts < *last) {
            return Err(format!(
                "`ts` {} is before that of the entry before it, {last}: sort the entries by `ts`",
                entry.ts
            ));
        }
        let [first, second] = &self.hashers;
        let hash = u128::from(first.hash_one(&entry.id)) << 64 | u128::from(second.hash_one(&entry.id));
        let [ids, before] = &mut self.ids;
        if before.contains(&hash) || !ids.insert(hash) {
            return Err(format!("`id` `{}` is used before: give each entry its own", entry.id));
        }
        if ids.len() >= REMEMBERED {
            *before = std::mem::take(ids);
        }
        self.last = Some(entry.ts);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_remembered_for_long_and_not_for_ever() {
        let mut seen = Seen::default();
        let line = r#"{"v":1,"id":"","ts":5,"fidelity":"client","request":{"headers":[]}}"#;
        let mut entry: Entry = serde_json::from_str(line).unwrap();
        let mut take = |number: usize| {
            entry.id = number.to_string();
            seen.take(&entry)
        };
        (0..=REMEMBERED).for_each(|number| take(number).unwrap());
        for known in [0, 1, REMEMBERED] {
            assert!(take(known).unwrap_err().contains("used before"), "{known}");
        }
        (REMEMBERED + 1..3 * REMEMBERED).for_each(|number| take(number).unwrap());
        take(0).unwrap();
        assert!(seen.ids.iter().all(|ids| ids.len() <= REMEMBERED));
    }
}
