//! What is different between two requests, field by field.

use std::collections::BTreeMap;

use crate::{Topic, Value, View};

/// One field that is not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The way to the field: untrusted text.
    pub field: String,
    /// What it was; nothing where it was not there.
    pub before: Option<String>,
    /// What it is; nothing where it is not there any more.
    pub now: Option<String>,
}

/// The fields that are different, but for what the policy saw of them, in the order in which people read them.
#[must_use]
pub fn changes(before: &View, now: &View) -> Vec<Change> {
    let (was, is) = (fields(before), fields(now));
    let known: BTreeMap<_, _> = was.iter().map(|(field, value)| (field, value)).collect();
    let new: BTreeMap<_, _> = is.iter().map(|(field, value)| (field, value)).collect();
    let changed =
        is.iter().filter(|(field, value)| known.get(field) != Some(&value)).map(|(field, value)| {
            let before = known.get(field).map(|before| (*before).clone());
            Change { field: field.clone(), before, now: Some(value.clone()) }
        });
    let gone = was.iter().filter(|(field, _)| !new.contains_key(field));
    let gone =
        gone.map(|(field, value)| Change { field: field.clone(), before: Some(value.clone()), now: None });
    changed.chain(gone).collect()
}

/// Every field with its value as text; fields of one name are numbered.
fn fields(view: &View) -> Vec<(String, String)> {
    // What the policy saw is made of the rest, and would say it all twice.
    let rows = view.parts.iter().filter(|part| part.topic != Topic::Facts).flat_map(|part| {
        part.rows.iter().map(|row| (format!("{}: {}", part.topic.title(), row.label), &row.value))
    });
    let mut fields = Vec::new();
    for (name, value) in rows {
        match value {
            Value::Line(text) | Value::Lines(text) => fields.push((name, text.clone())),
            Value::Tree(node, _) => node.leaves(&name, &mut fields),
            Value::Bytes(bytes) => fields.push((name, bytes.to_string())),
            Value::Redacted { bytes } => fields.push((name, format!("redacted, {bytes} bytes"))),
            Value::Nothing => fields.push((name, String::new())),
        }
    }
    numbered(fields)
}

/// The same with the second and each further field of one name told apart from the first.
fn numbered(fields: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut seen = BTreeMap::new();
    let number = |(name, value): (String, String)| {
        let times = seen.entry(name.clone()).or_insert(0_u32);
        *times += 1;
        (if *times > 1 { format!("{name} ({times})") } else { name }, value)
    };
    fields.into_iter().map(number).collect()
}
