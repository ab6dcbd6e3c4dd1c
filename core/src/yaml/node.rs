//! A YAML node as serde reads it. All files are read from this one type, so each of their types is compiled
//! for it alone.

use serde::de::value::{StrDeserializer, UsizeDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::Mistake;

/// Who asks for a newtype of this name gets a sequence of line and value.
pub(super) const LOCATED: &str = "$located";

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Line from 1.
    pub(super) line: usize,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// `plain` when it has no quotes and is no block: then it may be a boolean, or nothing.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    /// Each key once.
    Mapping(Vec<Entry>),
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    /// The key's line.
    pub(super) line: usize,
    pub(super) value: Node,
}

impl Node {
    /// What an empty document is read as: no key of it is given.
    pub(super) fn empty(line: usize) -> Self {
        Self { line, kind: Kind::Mapping(Vec::new()) }
    }

    /// The number of nodes in it, itself included.
    pub(super) fn size(&self) -> usize {
        1 + match &self.kind {
            Kind::Scalar { .. } => 0,
            Kind::List(members) => members.iter().map(Self::size).sum(),
            Kind::Mapping(entries) => entries.iter().map(|entry| entry.value.size()).sum(),
        }
    }

    /// Null of YAML's core schema (1.2.2, section 10.3.2).
    fn is_nothing(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    pub(super) fn is_something(&self) -> bool {
        !self.is_nothing()
    }

    /// `true` and `false` are booleans, and no other spelling is.
    fn boolean(&self) -> Option<bool> {
        match &self.kind {
            Kind::Scalar { text, plain: true } if text == "true" => Some(true),
            Kind::Scalar { text, plain: true } if text == "false" => Some(false),
            _ => None,
        }
    }

    /// A whole number in decimal digits, as only few fields want one.
    fn number(&self) -> Result<i64, Mistake> {
        let number = match &self.kind {
            Kind::Scalar { text, plain: true } => text.parse().ok().filter(|n: &i64| n.to_string() == *text),
            _ => None,
        };
        number.ok_or_else(|| self.expected("a whole number"))
    }

    fn text(&self) -> Result<&str, Mistake> {
        match &self.kind {
            Kind::Scalar { text, .. } if !self.is_nothing() => Ok(text),
            _ => Err(self.expected("a string")),
        }
    }

    fn expected(&self, what: &str) -> Mistake {
        Mistake::at(self.line, format!("expected {what}"))
    }
}

impl Error for Mistake {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self { line: None, message: message.to_string() }
    }
}

impl<'de> Deserializer<'de> for &Node {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        let read = match &self.kind {
            Kind::List(_) => return self.deserialize_seq(visitor),
            Kind::Mapping(_) => return self.deserialize_map(visitor),
            Kind::Scalar { .. } if self.is_nothing() => visitor.visit_unit(),
            Kind::Scalar { text, .. } => match self.boolean() {
                Some(value) => visitor.visit_bool(value),
                None => visitor.visit_str(text),
            },
        };
        read.map_err(|mistake: Mistake| mistake.or_at(self.line))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_bool(self.boolean().ok_or_else(|| self.expected("`true` or `false`"))?)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_i64(self.number()?).map_err(|mistake: Mistake| mistake.or_at(self.line))
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.deserialize_u32(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_str(self.text()?).map_err(|mistake: Mistake| mistake.or_at(self.line))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        if self.is_nothing() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match name {
            LOCATED => visitor.visit_seq(LineAndValue { node: self, given: 0 }),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.kind {
            Kind::List(members) => visitor.visit_seq(Members(members.iter())),
            _ => Err(self.expected("a list")),
        }
        .map_err(|mistake| mistake.or_at(self.line))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.kind {
            Kind::Mapping(entries) => visitor.visit_map(Entries { rest: entries.iter(), value: None }),
            _ => Err(self.expected("a mapping")),
        }
        .map_err(|mistake| mistake.or_at(self.line))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        let text: StrDeserializer<'_, Mistake> = self.text()?.into_deserializer();
        visitor.visit_enum(text).map_err(|mistake| mistake.or_at(self.line))
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i64 u8 u16 u64 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
        identifier ignored_any
    }
}

struct Members<'a>(std::slice::Iter<'a, Node>);

impl<'de> SeqAccess<'de> for Members<'_> {
    type Error = Mistake;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mistake> {
        self.0.next().map(|node| seed.deserialize(node)).transpose()
    }
}

struct Entries<'a> {
    rest: std::slice::Iter<'a, Entry>,
    value: Option<&'a Node>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Mistake;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mistake> {
        let Some(Entry { key, line, value }) = self.rest.next() else { return Ok(None) };
        self.value = Some(value);
        let key: StrDeserializer<'_, Mistake> = key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|mistake| mistake.or_at(*line))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Mistake> {
        let value = self.value.take().ok_or_else(|| Mistake::custom("a value without a key"))?;
        seed.deserialize(value)
    }
}

struct LineAndValue<'a> {
    node: &'a Node,
    given: usize,
}

impl<'de> SeqAccess<'de> for LineAndValue<'_> {
    type Error = Mistake;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mistake> {
        self.given += 1;
        match self.given {
            1 => {
                let line: UsizeDeserializer<Mistake> = self.node.line.into_deserializer();
                seed.deserialize(line).map(Some)
            }
            2 => seed.deserialize(self.node).map(Some),
            _ => Ok(None),
        }
    }
}
