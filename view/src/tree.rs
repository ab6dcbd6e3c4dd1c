//! JSON as a tree that keeps every member and every digit as it was sent.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::visible::{Lines, Visible};

/// The longest text that is taken apart, bytes; what is longer is shown as it was sent.
const LONGEST: usize = 256 * 1024;
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

/// The members of an object, repeated ones too.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

impl Node {
    /// The tree of `text`, when it is a JSON object or array and not too long for one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // What JSON takes for white space (RFC 8259, section 2): other spaces are no part of it.
        let inner = text.trim_matches([' ', '\t', '\r', '\n']);
        let node = (inner.len() <= LONGEST).then(|| Self::nested(inner, DEEPEST)).flatten()?;
        (!matches!(node, Self::Leaf(_))).then_some(node)
    }

    fn nested(text: &str, depth: usize) -> Option<Self> {
        let below = |raw: &RawValue| Self::nested(raw.get(), depth.checked_sub(1)?);
        match text.as_bytes().first()? {
            _ if depth == 0 => Some(Self::Leaf(text.to_owned())),
            b'{' => {
                let Members(members) = serde_json::from_str(text).ok()?;
                let nodes = members.into_iter().map(|(name, value)| Some((name, below(&value)?)));
                nodes.collect::<Option<_>>().map(Self::Object)
            }
            b'[' => {
                let items: Vec<Box<RawValue>> = serde_json::from_str(text).ok()?;
                items.iter().map(|item| below(item)).collect::<Option<_>>().map(Self::Array)
            }
            _ => serde_json::from_str::<&RawValue>(text).ok().map(|raw| Self::Leaf(raw.get().to_owned())),
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

    /// Whether it holds something that was not taken apart because it lies too deep.
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

    /// Each leaf with the way to it, for a comparison field by field. A name that could be a way itself is quoted.
    pub(crate) fn leaves(&self, way: &str, into: &mut Vec<(String, String)>) {
        match self {
            Self::Object(members) if !members.is_empty() => members.iter().for_each(|(name, node)| {
                let plain =
                    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
                let name =
                    if plain { name.clone() } else { serde_json::Value::from(name.as_str()).to_string() };
                node.leaves(&format!("{way}.{name}"), into);
            }),
            Self::Array(items) if !items.is_empty() => {
                items.iter().enumerate().for_each(|(n, node)| node.leaves(&format!("{way}[{n}]"), into));
            }
            Self::Object(_) => into.push((way.to_owned(), "{}".to_owned())),
            Self::Array(_) => into.push((way.to_owned(), "[]".to_owned())),
            Self::Leaf(raw) => into.push((way.to_owned(), raw.clone())),
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
        let mut leaves = Vec::new();
        Node::parse(&deep).unwrap().leaves("", &mut leaves);
        assert!(
            matches!(&leaves[..], [(way, raw)] if way.len() == 96 && raw.starts_with("[[[")),
            "{leaves:?}"
        );
    }
}
