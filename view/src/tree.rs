//! JSON as a tree that keeps every member and every digit as it was sent.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserializer as _, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::visible::{Lines, Visible};

/// The most values of one text that are taken apart; an object or an array for which there is no room any more is shown
/// as it was sent.
const MOST_VALUES: usize = 128 * 1024;
/// How deep a tree goes; what lies deeper is shown as it was sent.
const DEEPEST: usize = 32;

/// A JSON value. Members keep their order and may repeat; numbers and strings keep their spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// Members by name.
    Object(Vec<(String, Node)>),
    /// Items in order.
    Array(Vec<Node>),
    /// Anything else, as it was written.
    Leaf(String),
}

/// One level of a JSON text, what lies below it as it was written.
enum Level<'a> {
    Object(Vec<(String, &'a RawValue)>),
    Array(Vec<&'a RawValue>),
}

/// Reads one level, and counts down how many values there may still be.
struct Reader<'a>(&'a mut usize);

impl Reader<'_> {
    fn count<E: Error>(&mut self) -> Result<(), E> {
        *self.0 = self.0.checked_sub(1).ok_or_else(|| E::custom("too many values"))?;
        Ok(())
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Level<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Level<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            self.count()?;
            members.push(member);
        }
        Ok(Level::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Level<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            self.count()?;
            items.push(item);
        }
        Ok(Level::Array(items))
    }
}

/// The first level of an object or an array, unless it has more values than there is room for.
fn level<'a>(text: &'a str, room: &mut usize) -> Option<Level<'a>> {
    if !text.starts_with(['{', '[']) {
        return None;
    }
    let before = *room;
    let mut json = serde_json::Deserializer::from_str(text);
    let level = json.deserialize_any(Reader(room)).and_then(|level| json.end().map(|()| level));
    level.inspect_err(|_| *room = before).ok()
}

impl Node {
    /// The tree of `text`, when it is a JSON object or array whose first level can be taken apart.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // What JSON takes for white space (RFC 8259, section 2): other spaces are no part of it.
        let inner = text.trim_matches([' ', '\t', '\r', '\n']);
        let node = Self::of(inner, DEEPEST, &mut { MOST_VALUES });
        (!matches!(node, Self::Leaf(_))).then_some(node)
    }

    /// Every level is read anew, so that all keeps its spelling: `depth` bounds how often.
    fn of(text: &str, depth: usize, room: &mut usize) -> Self {
        let level = if depth == 0 { None } else { level(text, room) };
        let mut below = |raw: &RawValue| Self::of(raw.get(), depth - 1, room);
        match level {
            None => Self::Leaf(text.to_owned()),
            Some(Level::Array(items)) => Self::Array(items.into_iter().map(below).collect()),
            Some(Level::Object(members)) => {
                Self::Object(members.into_iter().map(|(name, raw)| (name, below(raw))).collect())
            }
        }
    }

    /// The members, when it is an object in which no name repeats.
    pub(crate) fn members(&self) -> Option<&[(String, Self)]> {
        let Self::Object(members) = self else { return None };
        let names: BTreeSet<_> = members.iter().map(|(name, _)| name).collect();
        (names.len() == members.len()).then_some(members)
    }

    /// The member of that name.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        self.members()?.iter().find(|(known, _)| known == name).map(|(_, node)| node)
    }

    /// The string that it is.
    pub(crate) fn string(&self) -> Option<String> {
        let Self::Leaf(raw) = self else { return None };
        serde_json::from_str(raw).ok()
    }

    /// Whether any object in it has two members of one name.
    #[must_use]
    pub fn repeats(&self) -> bool {
        match self {
            Self::Object(members) => {
                self.members().is_none() || members.iter().any(|(_, node)| node.repeats())
            }
            Self::Array(items) => items.iter().any(Self::repeats),
            Self::Leaf(_) => false,
        }
    }

    /// Whether it holds something that was not taken apart: it lies too deep, or there are too many values.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        match self {
            Self::Object(members) => members.iter().any(|(_, node)| node.is_cut()),
            Self::Array(items) => items.iter().any(Self::is_cut),
            Self::Leaf(raw) => raw.starts_with(['{', '[']),
        }
    }

    /// Whether any text in it is so, names and strings alike.
    pub(crate) fn any_text(&self, is: &impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Object(members) => members.iter().any(|(name, node)| is(name) || node.any_text(is)),
            Self::Array(items) => items.iter().any(|node| node.any_text(is)),
            Self::Leaf(raw) => is(raw),
        }
    }

    /// As lines of text: one a leaf, what belongs to something below it and further in.
    pub(crate) fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        match self {
            Self::Object(members) => members.iter().try_for_each(|(name, node)| {
                // A name is quoted so that nothing in it looks like structure.
                let name = serde_json::Value::from(name.as_str()).to_string();
                node.named(f, depth, &name)
            }),
            Self::Array(items) => {
                items.iter().enumerate().try_for_each(|(n, node)| node.named(f, depth, &format!("[{n}]")))
            }
            Self::Leaf(raw) => writeln!(f, "{:1$}{2}", "", depth * 2, Visible(raw, Lines::One)),
        }
    }

    fn named(&self, f: &mut fmt::Formatter<'_>, depth: usize, name: &str) -> fmt::Result {
        write!(f, "{:1$}{2}:", "", depth * 2, Visible(name, Lines::One))?;
        match self {
            Self::Leaf(raw) => writeln!(f, " {}", Visible(raw, Lines::One)),
            Self::Object(members) if members.is_empty() => writeln!(f, " {{}}"),
            Self::Array(items) if items.is_empty() => writeln!(f, " []"),
            Self::Object(_) | Self::Array(_) => {
                writeln!(f)?;
                self.write(f, depth + 1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(raw: &str) -> Node {
        Node::Leaf(raw.into())
    }

    #[test]
    fn every_member_and_every_digit_is_there() {
        let tree = Node::parse(r#" {"a":1, "a":12345678901234567890123, "b":[{"<i>":"\u202e"}]} "#).unwrap();
        let inner = Node::Array(vec![Node::Object(vec![("<i>".into(), leaf(r#""\u202e""#))])]);
        let members = [("a", leaf("1")), ("a", leaf("12345678901234567890123")), ("b", inner)];
        assert_eq!(tree, Node::Object(members.map(|(name, node)| (name.into(), node)).into()));
        assert!(tree.repeats());
    }

    #[test]
    fn what_is_no_json_object_has_no_tree() {
        for text in ["", "1", "\"a\"", "\u{a0}{}", "{}\u{3000}", "{\"a\":1} x", "{'a':1}", "a=1"] {
            assert!(Node::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn deep_nesting_ends() {
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        let mut node = Node::parse(&deep).unwrap();
        for _ in 0..DEEPEST {
            let Node::Array(items) = node else { panic!("{node:?} is no array") };
            node = items.into_iter().next().unwrap();
        }
        let deeper = 100 - DEEPEST;
        assert_eq!(node, leaf(&format!("{}{}", "[".repeat(deeper), "]".repeat(deeper))));
    }

    #[test]
    fn what_has_too_many_values_is_shown_as_it_was_sent() {
        let many = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert!(Node::parse(&many(MOST_VALUES)).is_some());
        assert!(Node::parse(&many(MOST_VALUES + 1)).is_none());
        let (few, too_many) = (many(3), many(MOST_VALUES));
        let tree = Node::parse(&format!(r#"{{"a":{too_many},"b":{few}}}"#)).unwrap();
        assert!(tree.is_cut());
        let b = Node::Array(vec![leaf("0"), leaf("0"), leaf("0")]);
        assert_eq!(tree, Node::Object(vec![("a".into(), leaf(&too_many)), ("b".into(), b)]));
    }

    #[test]
    fn what_is_only_long_is_taken_apart() {
        let long = format!("\"{}\"", "x".repeat(5_000_000));
        let tree = Node::parse(&format!(r#"{{"a":{long}}}"#)).unwrap();
        assert_eq!(tree, Node::Object(vec![("a".into(), leaf(&long))]));
    }
}
