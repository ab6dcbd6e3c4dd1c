//! The stages of a request in an audit log, which become one.

use std::collections::{HashSet, VecDeque};

use serde_json::Value;

/// How many requests are held of which only the first stage has come, and how many ids of requests that are told are
/// kept so that their later stages tell nothing again.
const HELD: usize = 10_000;

/// What an event is.
pub(super) enum Told {
    /// Nothing that was not told, or not yet.
    Again,
    /// A request, and the place of its first stage.
    Once(u64, Value),
}

/// Requests by `auditID`. `RequestReceived` has no body: a later stage is waited for.
#[derive(Default)]
pub(super) struct Stages {
    received: VecDeque<(u64, String, Value)>,
    told: VecDeque<String>,
    known: HashSet<String>,
}

impl Stages {
    pub(super) fn take(&mut self, place: u64, event: Value) -> Told {
        let member = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (id, stage) = (member("auditID"), member("stage"));
        if id.is_empty() {
            return Told::Once(place, event);
        }
        if self.known.contains(&id) {
            return Told::Again;
        }
        let before = self.received.iter().position(|(_, held, _)| *held == id);
        if stage == "RequestReceived" {
            if before.is_none() {
                self.received.push_back((place, id, event));
            }
            return Told::Again;
        }
        let before = before.and_then(|at| self.received.remove(at));
        self.tell(id);
        Told::Once(before.map_or(place, |(place, ..)| place), event)
    }

    /// A request whose later stages do not come: there are too many, or the log has `ended`.
    pub(super) fn overdue(&mut self, ended: bool) -> Option<(u64, Value)> {
        if !ended && self.received.len() <= HELD {
            return None;
        }
        let (place, id, event) = self.received.pop_front()?;
        self.tell(id);
        Some((place, event))
    }

    fn tell(&mut self, id: String) {
        if self.told.len() >= HELD
            && let Some(oldest) = self.told.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.told.push_back(id.clone());
        self.known.insert(id);
    }
}
