//! What must hold from one entry to the next.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use countersign_protocol::recording::Entry;

/// What was seen so far: 16 bytes an id, whatever its length. Two ids are taken for the same by mistake about once in
/// 10²⁶ recordings of a million entries.
#[derive(Default)]
pub(crate) struct Seen {
    hashers: [RandomState; 2],
    ids: HashSet<u128>,
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
        if !self.ids.insert(hash) {
            return Err(format!("`id` `{}` is used before: give each entry its own", entry.id));
        }
        self.last = Some(entry.ts);
        Ok(())
    }
}
