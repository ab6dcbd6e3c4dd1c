//! YAML of a bundle, read strictly, with the line of whatever is wrong.

mod compose;
mod node;

use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, Error, SeqAccess, Visitor};

use crate::load::LoadError;
use node::LOCATED;

/// A value and the line on which it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Located<T> {
    /// The value.
    pub(crate) value: T,
    /// Line from 1.
    pub(crate) line: usize,
}

/// Only a YAML node knows its line: it gives line and value to whoever asks by this name.
impl<'de, T: serde::Deserialize<'de>> serde::Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(LOCATED, LocatedVisitor(std::marker::PhantomData))
    }
}

struct LocatedVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: serde::Deserialize<'de>> Visitor<'de> for LocatedVisitor<T> {
    type Value = Located<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a line and a value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Located<T>, A::Error> {
        match (seq.next_element()?, seq.next_element()?) {
            (Some(line), Some(value)) => Ok(Located { value, line }),
            _ => Err(A::Error::custom("a line and a value belong together")),
        }
    }
}

/// One string or several.
#[derive(Debug, Clone, Default)]
pub(crate) struct OneOrMany(pub(crate) Vec<String>);

impl<'de> serde::Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor)
    }
}

struct OneOrManyVisitor;

impl<'de> Visitor<'de> for OneOrManyVisitor {
    type Value = OneOrMany;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of strings")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<OneOrMany, E> {
        Ok(OneOrMany(vec![value.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMany, A::Error> {
        let mut all = Vec::new();
        while let Some(one) = seq.next_element()? {
            all.push(one);
        }
        Ok(OneOrMany(all))
    }
}

/// What is wrong, and on which line when that is known.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Mistake {
    line: Option<usize>,
    message: String,
}

impl Mistake {
    fn at(line: usize, message: impl Into<String>) -> Self {
        Self { line: Some(line), message: message.into() }
    }

    /// The same, at `line` unless it is known better.
    fn or_at(self, line: usize) -> Self {
        Self { line: self.line.or(Some(line)), ..self }
    }
}

/// Reads the one document of `file`. A key given twice, a merge key, a tag, a second document and what grows
/// beyond bounds (an alias bomb) are errors.
pub(crate) fn read<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, LoadError> {
    let read = compose::document(text).and_then(|node| T::deserialize(&node));
    read.map_err(|mistake| LoadError {
        file: file.to_owned(),
        line: mistake.line,
        message: mistake.message.replace(char::is_control, " "),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn lists(text: &str) -> Vec<(String, usize, Vec<String>)> {
        let read: BTreeMap<String, Located<OneOrMany>> = read("a.yaml", text).unwrap();
        read.into_iter().map(|(key, Located { value, line })| (key, line, value.0)).collect()
    }

    #[test]
    fn a_value_knows_its_line_and_an_alias_stands_where_it_is_used() {
        let text = "a: &both [ x, \"y\" ]\n# between\nb: *both\nc:\n  |\n  z\n";
        let [a, b, c] = lists(text).try_into().unwrap();
        assert_eq!(a, ("a".into(), 1, vec!["x".into(), "y".into()]));
        assert_eq!(b, ("b".into(), 3, vec!["x".into(), "y".into()]));
        assert_eq!(c.2, ["z\n"]);
    }

    #[test]
    fn an_empty_file_gives_no_key() {
        for text in ["", "# nothing\n", "---\n", "{}"] {
            assert_eq!(lists(text), [], "{text}");
        }
    }

    #[test]
    fn words_are_text_where_text_is_due() {
        let words: Vec<String> = read("a.yaml", "[ 1, 0x10, true, \"~\", '' ]").unwrap();
        assert_eq!(words, ["1", "0x10", "true", "~", ""]);
        let nothing = read::<Vec<String>>("a.yaml", "[ a,\n ~ ]").unwrap_err();
        assert_eq!(nothing.to_string(), "a.yaml:2: expected a string");
    }
}
