//! Edits values of a JSON text and leaves every other byte as it is.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// How deep values may lie in each other. Deeper ones are not read.
const DEEPEST: usize = 64;

/// One step from a value to one in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Member(String),
    Element(usize),
}

/// A value that holds no others, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar<'a> {
    /// A string, decoded.
    Text(&'a str),
    /// A number, as it is written.
    Number(&'a str),
    /// `true` or `false`.
    Bool,
}

/// The text is no JSON, or too deep.
#[derive(Debug)]
pub(super) struct NotJson;

/// What a scalar becomes, as JSON; none to leave it.
pub(super) type Edit<'a> = dyn FnMut(&[Step], Scalar<'_>) -> Option<String> + 'a;

/// Whether a text is an object or a list in JSON.
pub(super) fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[']) && replace(text, &mut |_, _| None).is_ok()
}

/// `text` with each scalar for which `edit` gives other JSON. None when nothing is new.
pub(super) fn replace(text: &str, edit: &mut Edit<'_>) -> Result<Option<String>, NotJson> {
    let root: &RawValue = serde_json::from_str(text).map_err(|_| NotJson)?;
    let mut walk = Walk { base: text, path: Vec::new(), edits: Vec::new(), edit };
    walk.value(root)?;
    let edits = walk.edits;
    if edits.is_empty() {
        return Ok(None);
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (range, new) in edits {
        out.push_str(text.get(at..range.start).ok_or(NotJson)?);
        out.push_str(&new);
        at = range.end;
    }
    out.push_str(text.get(at..).ok_or(NotJson)?);
    Ok(Some(out))
}

struct Walk<'t, 'e, 'f> {
    base: &'t str,
    path: Vec<Step>,
    edits: Vec<(Range<usize>, String)>,
    edit: &'e mut Edit<'f>,
}

impl<'t> Walk<'t, '_, '_> {
    fn value(&mut self, raw: &'t RawValue) -> Result<(), NotJson> {
        if self.path.len() > DEEPEST {
            return Err(NotJson);
        }
        let text = raw.get();
        let mut json = serde_json::Deserializer::from_str(text);
        match text.as_bytes().first() {
            Some(b'{') => json.deserialize_map(&mut *self).map_err(|_| NotJson)?,
            Some(b'[') => json.deserialize_seq(&mut *self).map_err(|_| NotJson)?,
            Some(b'"') => {
                let decoded: Cow<'_, str> = serde_json::from_str(text).map_err(|_| NotJson)?;
                self.scalar(text, Scalar::Text(&decoded));
            }
            Some(b't' | b'f') => self.scalar(text, Scalar::Bool),
            Some(b'n') => {}
            _ => self.scalar(text, Scalar::Number(text)),
        }
        Ok(())
    }

    fn scalar(&mut self, raw: &str, scalar: Scalar<'_>) {
        if let Some(new) = (self.edit)(&self.path, scalar) {
            // A raw value is a part of the text that it was read from.
            let start = raw.as_ptr() as usize - self.base.as_ptr() as usize;
            self.edits.push((start..start + raw.len(), new));
        }
    }

    fn step<E: serde::de::Error>(&mut self, step: Step, raw: &'t RawValue) -> Result<(), E> {
        self.path.push(step);
        let read = self.value(raw);
        self.path.pop();
        read.map_err(|NotJson| E::custom("too deep"))
    }
}

impl<'t> Visitor<'t> for &mut Walk<'t, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Cow<'t, str>>()? {
            let raw = map.next_value()?;
            self.step(Step::Member(name.into_owned()), raw)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut at = 0;
        while let Some(raw) = seq.next_element()? {
            self.step(Step::Element(at), raw)?;
            at += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_the_edited_values_stays_as_it_is() {
        let text = "{ \"a\" : [1.50, {\"b\\u0063\":\"x\\n\"}, null ],\t\"a\":true, \"e\":[]}\n";
        let mut seen = Vec::new();
        let out = replace(text, &mut |path, scalar| {
            seen.push(format!("{path:?} {scalar:?}"));
            match scalar {
                Scalar::Text(_) => Some("\"new\"".into()),
                Scalar::Bool => Some("false".into()),
                Scalar::Number(_) => None,
            }
        });
        let expected = "{ \"a\" : [1.50, {\"b\\u0063\":\"new\"}, null ],\t\"a\":false, \"e\":[]}\n";
        assert_eq!(out.unwrap().as_deref(), Some(expected));
        assert_eq!(seen[1], r#"[Member("a"), Element(1), Member("bc")] Text("x\n")"#);
    }

    #[test]
    fn what_is_no_json_is_not_edited() {
        let deep = "[".repeat(100) + &"]".repeat(100);
        for text in ["", "{", "{} {}", "a=b", deep.as_str()] {
            assert!(replace(text, &mut |_, _| None).is_err(), "{text}");
        }
        assert!(replace("17", &mut |_, _| None).unwrap().is_none());
    }
}
