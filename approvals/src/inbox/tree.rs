//! A JSON body as a tree that shows every member and every digit as it was sent.

use std::fmt;

use askama::filters::HtmlSafe;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::text::Visible;

/// How deep a tree goes; what lies deeper is shown as it was sent.
const DEEPEST: usize = 32;

/// A JSON value. Members keep their order and may repeat; numbers and strings keep their spelling.
#[derive(Debug)]
pub(super) enum Node {
    Object(Vec<(String, Node)>),
    Array(Vec<Node>),
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
    /// The tree of `text`, when it is a JSON object or array.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let node = Self::nested(text.trim(), DEEPEST)?;
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

    fn row(&self, f: &mut fmt::Formatter<'_>, name: &dyn fmt::Display) -> fmt::Result {
        let (count, what) = match self {
            Self::Leaf(raw) => return write!(f, "<li>{name} <code>{}</code></li>", Visible::line(raw)),
            Self::Object(members) => (members.len(), "members"),
            Self::Array(items) => (items.len(), "items"),
        };
        write!(
            f,
            "<li><details open><summary>{name} <small>{count} {what}</small></summary>{self}</details></li>"
        )
    }
}

/// It escapes by itself.
impl HtmlSafe for Node {}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<ul>")?;
        match self {
            Self::Object(members) => members
                .iter()
                .try_for_each(|(name, node)| node.row(f, &format_args!("<b>{}</b>", Visible::line(name))))?,
            Self::Array(items) => {
                items
                    .iter()
                    .enumerate()
                    .try_for_each(|(n, node)| node.row(f, &format_args!("<i>{n}</i>")))?;
            }
            Self::Leaf(raw) => write!(f, "<li><code>{}</code></li>", Visible::line(raw))?,
        }
        f.write_str("</ul>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_and_every_digit_is_there() {
        let tree = Node::parse(r#" {"a":1, "a":12345678901234567890123, "b":[{"<i>":"\u202e"}]} "#).unwrap();
        let shown = tree.to_string();
        assert_eq!(shown.matches("<b>a</b>").count(), 2);
        assert!(shown.contains("<code>12345678901234567890123</code>"));
        assert!(shown.contains("<b>&lt;i&gt;</b> <code>&#34;\\u202e&#34;</code>"), "{shown}");
    }

    #[test]
    fn what_is_no_json_object_has_no_tree() {
        for text in ["", "1", "\"a\"", "{\"a\":1} x", "{'a':1}", "a=1"] {
            assert!(Node::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn deep_nesting_ends() {
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert!(Node::parse(&deep).unwrap().to_string().contains("<code>[[["));
    }
}
