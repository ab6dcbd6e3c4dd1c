//! Which entries may be on their way together: recorded time is not waited for, but what depends on it is kept apart.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_host_test::approvals::Key;
use countersign_protocol::recording::Entry;

use crate::replay::request;

/// The order in which entries are played.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    /// Those that need nobody to be out of the way, by number.
    pub(super) together: Vec<Follower>,
    /// Those that come one after another, when all others are over: a failure of the service concerns everybody.
    pub(super) alone: Vec<usize>,
}

/// An entry and the one before it about the same request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Follower {
    pub(super) number: usize,
    /// That one, and how long after it this one came: it does not come sooner unless that one has ended.
    pub(super) after: Option<(usize, Duration)>,
}

/// Sorts entries. A request is known by what people are shown of it: the second of two like it may find the
/// approval of the first.
pub(super) fn order(entries: &[Entry]) -> Order {
    let keys: Vec<Key> = entries.iter().map(request::key).collect();
    let endless = |entry: &Entry| entry.service.iter().any(|trouble| trouble.to.is_none());
    let last = entries.iter().position(endless).unwrap_or(usize::MAX);
    let troubled: Vec<&Key> = entries
        .iter()
        .zip(&keys)
        .filter(|(entry, _)| !entry.service.is_empty())
        .map(|(_, key)| key)
        .collect();
    let mut order = Order::default();
    let mut before: BTreeMap<&Key, (usize, i64)> = BTreeMap::new();
    for (number, (entry, key)) in entries.iter().zip(&keys).enumerate() {
        if number >= last || troubled.contains(&key) {
            order.alone.push(number);
            continue;
        }
        let gap = |since: i64| Duration::from_millis(u64::try_from(entry.ts - since).unwrap_or_default());
        let after = before.insert(key, (number, entry.ts)).map(|(number, since)| (number, gap(since)));
        order.together.push(Follower { number, after });
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_request_keeps_its_order_and_failures_are_alone() {
        let entry = |path: &str, ts: i64, service: &str| -> Entry {
            let line = format!(
                r#"{{"v":1,"id":"a","ts":{ts},"fidelity":"client","request":{{"headers":[[":path","{path}"]]}},"service":[{service}]}}"#
            );
            serde_json::from_str(&line).unwrap()
        };
        let down = r#"{"is":"down","to":"1s"}"#;
        let entries = [
            entry("/a", 0, ""),
            entry("/b", 1, ""),
            entry("/c", 2, down),
            entry("/a", 9, ""),
            entry("/c", 9, ""),
        ];
        let follower = |number, after| Follower { number, after };
        let nine = Duration::from_millis(9);
        assert_eq!(
            order(&entries),
            Order {
                together: vec![follower(0, None), follower(1, None), follower(3, Some((0, nine)))],
                alone: vec![2, 4],
            }
        );
        let endless = [entry("/a", 0, r#"{"is":"down"}"#), entry("/b", 1, "")];
        assert_eq!(order(&endless), Order { together: Vec::new(), alone: vec![0, 1] });
    }
}
