//! YAML nodes as JSON values.

use std::collections::HashMap;

use granit_parser::{Event, ScalarStyle, Tag};
use serde_json::{Map, Value, json};

/// The only member of an object that stands for binary data (`!!binary`): its base64.
pub(super) const BINARY: &str = "!binary";

/// How deep nodes may lie in each other.
const DEEPEST: usize = 32;
/// How many nodes one interaction may have, those that aliases repeat counted each time.
const MOST: usize = 100_000;
/// How many nodes may be kept for aliases.
const ANCHORS: usize = 10_000;

/// Reads nodes off events.
#[derive(Default)]
pub(super) struct Nodes {
    /// What aliases may name, and how many nodes that is.
    anchors: HashMap<usize, (Value, usize)>,
    /// Nodes of the interaction that is being read.
    count: usize,
}

impl Nodes {
    /// Reads the node that begins with `event`.
    pub(super) fn read(
        &mut self,
        event: Event<'_>,
        events: &mut dyn FnMut() -> Result<Event<'static>, String>,
    ) -> Result<Value, String> {
        self.count = 0;
        self.node(event, events, 0)
    }

    fn node(
        &mut self,
        event: Event<'_>,
        events: &mut dyn FnMut() -> Result<Event<'static>, String>,
        depth: usize,
    ) -> Result<Value, String> {
        let before = self.count;
        self.add(1)?;
        if depth > DEEPEST {
            return Err(format!("nodes lie more than {DEEPEST} deep"));
        }
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => (anchor, scalar(&text, style, tag.as_deref())),
            Event::Alias(id) => {
                let (value, count) = self.anchors.get(&id).cloned().ok_or("an alias names nothing")?;
                self.add(count)?;
                (0, value)
            }
            Event::SequenceStart(_, anchor, _) => {
                let mut all = Vec::new();
                loop {
                    match events()? {
                        Event::SequenceEnd => break,
                        event => all.push(self.node(event, events, depth + 1)?),
                    }
                }
                (anchor, Value::Array(all))
            }
            Event::MappingStart(_, anchor, _) => (anchor, self.mapping(events, depth)?),
            _ => return Err("a node is missing".into()),
        };
        if anchor > 0 && self.anchors.len() < ANCHORS {
            self.anchors.insert(anchor, (value.clone(), self.count - before));
        }
        Ok(value)
    }

    fn mapping(
        &mut self,
        events: &mut dyn FnMut() -> Result<Event<'static>, String>,
        depth: usize,
    ) -> Result<Value, String> {
        let mut all = Map::new();
        loop {
            let key = match events()? {
                Event::MappingEnd => return Ok(Value::Object(all)),
                event => self.node(event, events, depth + 1)?,
            };
            let event = events()?;
            let value = self.node(event, events, depth + 1)?;
            if let Value::String(key) = key {
                all.insert(key, value);
            }
        }
    }

    fn add(&mut self, count: usize) -> Result<(), String> {
        self.count = self.count.saturating_add(count);
        if self.count > MOST {
            return Err(format!("an interaction has more than {MOST} nodes"));
        }
        Ok(())
    }
}

/// Cassettes hold text: only what is plainly nothing is not taken for text.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    if tag.is_some_and(|tag| tag.suffix() == "binary" || tag.suffix().ends_with(":binary")) {
        return json!({ BINARY: text });
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" if style == ScalarStyle::Plain => Value::Null,
        text => Value::String(text.to_owned()),
    }
}
