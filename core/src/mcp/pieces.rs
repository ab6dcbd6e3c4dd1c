//! JSON by the bytes of its parts: what is not touched stays as it was written.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::reading::fold;

/// The members of an object, in order, each as it is written.
pub(super) struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

impl<'a> Pairs<'a> {
    /// The members of an object; nothing when it is no object.
    pub(super) fn of(raw: &'a RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }

    /// The last member of this name.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// How many members have this name, in lower case here and in any there.
    pub(super) fn count(&self, name: &str) -> usize {
        self.0.iter().filter(|(key, _)| fold(key) == name).count()
    }
}

/// The values of a text that is one or an array of several.
pub(super) fn one_or_many(text: &str) -> Option<Vec<&RawValue>> {
    match text.trim_start().starts_with('[') {
        true => serde_json::from_str(text).ok(),
        false => serde_json::from_str(text).map(|one| vec![one]).ok(),
    }
}

/// Where in `whole` a value of it stands.
pub(super) fn range(whole: &[u8], part: &RawValue) -> Option<Range<usize>> {
    let start = part.get().as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let end = start.checked_add(part.get().len())?;
    (end <= whole.len()).then_some(start..end)
}
