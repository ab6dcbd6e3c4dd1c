//! What people would be asked for, before and after a change of policies: more, less, or something else.

use std::collections::{BTreeMap, BTreeSet};

use countersign_protocol::request::{Gate, Question};

use super::Change;
use crate::explain::duration;
use crate::replay::Played;

/// How a question became another one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shift {
    weaker: Vec<String>,
    stronger: Vec<String>,
    other: Vec<String>,
}

impl Shift {
    /// What differs between the questions about a request; nothing when people were not asked before and after.
    pub(super) fn of(old: &Played, new: &Played) -> Option<Self> {
        let question = |played: &'_ Played| -> Option<Question> {
            Some(played.core.as_ref()?.question.as_ref()?.question.clone())
        };
        Some(Self::between(&question(old)?, &question(new)?))
    }

    fn between(old: &Question, new: &Question) -> Self {
        let mut shift = Self::default();
        shift.groups(&old.gates, &new.gates);
        let (before, after) = (&old.terms, &new.terms);
        shift.number("severity", before.severity, after.severity, |severity| {
            format!("{severity:?}").to_lowercase()
        });
        // What lets a yes do more is weaker.
        let less = |value: i64| -value;
        let shown = |value: &i64| duration(-value);
        shift.number("uses", less(before.uses.into()), less(after.uses.into()), |uses| (-uses).to_string());
        shift.number("time to use a yes", less(before.use_within_ms), less(after.use_within_ms), shown);
        shift.number("time to answer", less(before.expires_ms), less(after.expires_ms), shown);
        if before.hold_ms != after.hold_ms {
            shift.other.push(format!("hold: {} -> {}", duration(before.hold_ms), duration(after.hold_ms)));
        }
        let gates = |question: &Question| -> Vec<_> {
            question.gates.iter().map(|gate| (gate.gate.clone(), gate.group.clone())).collect()
        };
        if shift == Self::default() && gates(old) != gates(new) {
            shift.other.push("gates of another wording".into());
        }
        shift
    }

    /// How many people of which groups must say yes: each gate has its own quorum, and nobody counts twice.
    fn groups(&mut self, old: &[Gate], new: &[Gate]) {
        let (before, after) = (people(old), people(new));
        for (group, was) in &before {
            match after.get(group) {
                None => self.weaker.push(format!("nobody of `{group}` has to say yes")),
                Some(is) => self.number(&format!("quorum of `{group}`"), *was, *is, u32::to_string),
            }
        }
        let fresh = after.keys().filter(|group| !before.contains_key(*group));
        self.stronger.extend(fresh.map(|group| format!("`{group}` has to say yes, too")));
        let (before, after) = (alone(old), alone(new));
        self.weaker.extend(after.difference(&before).map(|group| format!("`{group}` may open it alone")));
        self.stronger
            .extend(before.difference(&after).map(|group| format!("`{group}` may not open it alone")));
    }

    /// Something of which more is stronger.
    fn number<T: Ord>(&mut self, what: &str, old: T, new: T, show: impl Fn(&T) -> String) {
        let words = || format!("{what}: {} -> {}", show(&old), show(&new));
        match new.cmp(&old) {
            std::cmp::Ordering::Less => self.weaker.push(words()),
            std::cmp::Ordering::Greater => self.stronger.push(words()),
            std::cmp::Ordering::Equal => {}
        }
    }

    /// What it comes to: what is weaker in anything is weaker.
    pub(super) fn change(&self) -> Option<Change> {
        match (self.weaker.is_empty(), self.stronger.is_empty(), self.other.is_empty()) {
            (false, ..) => Some(Change::Weakened),
            (true, false, _) => Some(Change::Strengthened),
            (true, true, false) => Some(Change::Changed),
            (true, true, true) => None,
        }
    }

    /// All that differs, in words.
    pub(super) fn words(self) -> String {
        let all: Vec<_> = self.weaker.into_iter().chain(self.stronger).chain(self.other).collect();
        all.join(", ")
    }
}

fn people(gates: &[Gate]) -> BTreeMap<&str, u32> {
    let mut people = BTreeMap::new();
    for gate in gates {
        *people.entry(gate.group_name.as_str()).or_default() += u32::from(gate.quorum);
    }
    people
}

/// The groups of which one alone may open a gate.
fn alone(gates: &[Gate]) -> BTreeSet<&str> {
    gates.iter().filter_map(|gate| Some(gate.break_glass.as_ref()?.group_name.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(change: impl Fn(&mut serde_json::Value)) -> Question {
        let gate = |id: &str, group: &str, quorum: u8| {
            serde_json::json!({"id": id, "hash": "0".repeat(64), "group": {"issuer": "i", "id": group},
                "group_name": group, "quorum": quorum, "reason": null, "channel": null})
        };
        let mut value = serde_json::json!({
            "cedar": {"principal": "A::\"a\"", "action": "A::\"b\"", "resource": "A::\"c\"", "context": {}},
            "involved": [],
            "gates": [gate("one", "sre", 2), gate("two", "dba", 1)],
            "terms": {"hold_ms": 25_000, "expires_ms": 3_600_000, "use_within_ms": 600_000, "uses": 1, "severity": "medium"},
            "request": {"method": "GET", "scheme": "http", "authority": "a", "path": "/", "headers": [],
                "body": {"text": ""}, "body_sha256": "0".repeat(64), "trailers": []},
            "justification": null,
        });
        change(&mut value);
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_question_that_asks_for_less_is_weaker() {
        let old = question(|_| ());
        let shift = |change: fn(&mut serde_json::Value)| {
            let shift = Shift::between(&old, &question(change));
            (shift.change(), shift.words())
        };
        assert_eq!(shift(|_| ()), (None, String::new()));
        type Edit = fn(&mut serde_json::Value);
        let weaker: [(Edit, &str); 6] = [
            (|value| value["gates"][0]["quorum"] = 1.into(), "quorum of `sre`: 2 -> 1"),
            (|value| _ = value["gates"].as_array_mut().unwrap().pop(), "nobody of `dba` has to say yes"),
            (|value| value["terms"]["severity"] = "low".into(), "severity: medium -> low"),
            (|value| value["terms"]["uses"] = 5.into(), "uses: 1 -> 5"),
            (|value| value["terms"]["use_within_ms"] = 3_600_000.into(), "time to use a yes: 10m -> 1h"),
            (|value| value["terms"]["expires_ms"] = 7_200_000.into(), "time to answer: 1h -> 2h"),
        ];
        for (change, words) in weaker {
            assert_eq!(shift(change), (Some(Change::Weakened), words.to_owned()));
        }
        assert_eq!(
            shift(|value| value["gates"][1]["group_name"] = "security".into()),
            (
                Some(Change::Weakened),
                "nobody of `dba` has to say yes, `security` has to say yes, too".to_owned()
            )
        );
        assert_eq!(shift(|value| value["terms"]["uses"] = 0.into()).0, Some(Change::Strengthened),);
        // A gate that one may open alone asks for less.
        let glazed = question(|value| {
            value["gates"][0]["break_glass"] =
                serde_json::json!({ "group": { "issuer": "local", "id": "pager" }, "group_name": "oncall" });
        });
        let (weaker, stronger) = (Shift::between(&old, &glazed), Shift::between(&glazed, &old));
        assert_eq!(
            (weaker.change(), weaker.words()),
            (Some(Change::Weakened), "`oncall` may open it alone".into())
        );
        assert_eq!(stronger.change(), Some(Change::Strengthened));
        assert_eq!(
            shift(|value| value["terms"]["hold_ms"] = 1_000.into()),
            (Some(Change::Changed), "hold: 25s -> 1s".to_owned())
        );
    }
}
