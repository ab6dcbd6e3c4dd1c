//! YAML nodes as JSON values.

use std::collections::HashMap;

use granit_parser::{Event, ScalarStyle, Tag};
use serde_json::{Map, Value, json};

/// The only member of an object that stands for binary data (`!!binary`): its base64.
pub(super) const BINARY: &str = "!binary";

/// How deep nodes may lie in each other.
const DEEPEST: usize = 32;
/// How much one interaction may have, what aliases repeat counted each time; and how much is kept for aliases.
const MOST: Weight = Weight { nodes: 100_000, bytes: 64 << 20 };

/// Nodes and the bytes of their texts.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    nodes: usize,
    bytes: usize,
}

impl Weight {
    fn node(bytes: usize) -> Self {
        Self { nodes: 1, bytes }
    }

    fn and(self, more: Self) -> Self {
        let (nodes, bytes) = (self.nodes.saturating_add(more.nodes), self.bytes.saturating_add(more.bytes));
        Self { nodes, bytes }
    }

    fn since(self, before: Self) -> Self {
        let (nodes, bytes) =
            (self.nodes.saturating_sub(before.nodes), self.bytes.saturating_sub(before.bytes));
        Self { nodes, bytes }
    }

    /// `self` with `more`, unless that is too much of `what`.
    fn grown(self, more: Self, what: &str) -> Result<Self, String> {
        let sum = self.and(more);
        if sum.nodes > MOST.nodes || sum.bytes > MOST.bytes {
            return Err(format!("{what} more than {} nodes or {} MiB of text", MOST.nodes, MOST.bytes >> 20));
        }
        Ok(sum)
    }
}

/// Reads nodes off events.
#[derive(Default)]
pub(super) struct Nodes {
    /// What aliases may name, and its weight.
    anchors: HashMap<usize, (Value, Weight)>,
    /// The weight of all that aliases may name.
    kept: Weight,
    /// The weight of what was read of this interaction.
    read: Weight,
}

impl Nodes {
    /// Reads the node that begins with `event`.
    pub(super) fn read(
        &mut self,
        event: Event<'_>,
        events: &mut dyn FnMut() -> Result<Event<'static>, String>,
    ) -> Result<Value, String> {
        self.read = Weight::default();
        self.node(event, events, 0)
    }

    fn node(
        &mut self,
        event: Event<'_>,
        events: &mut dyn FnMut() -> Result<Event<'static>, String>,
        depth: usize,
    ) -> Result<Value, String> {
        let before = self.read;
        self.add(Weight::node(match &event {
            Event::Scalar(text, ..) => text.len(),
            _ => 0,
        }))?;
        if depth > DEEPEST {
            return Err(format!("nodes lie more than {DEEPEST} deep"));
        }
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => (anchor, scalar(&text, style, tag.as_deref())),
            Event::Alias(id) => {
                let (value, weight) = self.anchors.get(&id).ok_or("an alias names nothing")?;
                self.read = self.read.grown(*weight, TOO_MUCH)?;
                (0, value.clone())
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
        if anchor > 0 {
            let weight = self.read.since(before);
            self.kept = self.kept.grown(weight, "aliases may name")?;
            self.anchors.insert(anchor, (value.clone(), weight));
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

    fn add(&mut self, more: Weight) -> Result<(), String> {
        self.read = self.read.grown(more, TOO_MUCH)?;
        Ok(())
    }
}

const TOO_MUCH: &str = "an interaction has";

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
