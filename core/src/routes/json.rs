//! A JSON body, read strictly: what two parsers could read differently is refused.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

use crate::denial::{Denial, Reason};
use crate::reading::{Relaxed, Rule, fold, folds_to};

/// The deepest nesting of arrays and objects.
const MAX_DEPTH: usize = 32;
/// Most values in a body; of keys, only those beyond ASCII count, which take long to fold: more would take longer than a
/// request may.
const MAX_VALUES: usize = 50_000;

/// A JSON value (RFC 8259) whose objects have each key once.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// A number without fraction or exponent, inside i64.
    Int(i64),
    /// A number with fraction or exponent, as the nearest double.
    Float(f64),
    /// A whole number beyond i64.
    Big,
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

/// A JSON pointer (RFC 6901), its tokens unescaped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pointer(Vec<String>);

impl Pointer {
    /// The pointer `text`: empty or `/a/b`, with `~0` for `~` and `~1` for `/`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self(Vec::new()));
        }
        let tokens = text.strip_prefix('/')?.split('/').map(|token| {
            let well_escaped = token.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
            well_escaped.then(|| token.replace("~1", "/").replace("~0", "~"))
        });
        tokens.collect::<Option<_>>().map(Self)
    }

    /// The same place below `names`.
    pub(super) fn below(self, names: &[&str]) -> Self {
        Self(names.iter().map(|name| (*name).to_owned()).chain(self.0).collect())
    }
}

impl Json {
    /// Reads a whole body.
    ///
    /// # Errors
    /// [`Reason::Ambiguous`] for twin keys, [`Reason::BadFact`] for what is no JSON or too deep.
    pub(crate) fn parse(bytes: &[u8], relaxed: &Relaxed) -> Result<Self, Denial> {
        let denial = Cell::new(None);
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let left = Cell::new(MAX_VALUES);
        let parsed = Seed { depth: 0, relaxed, denial: &denial, left: &left }.deserialize(&mut deserializer);
        let parsed = parsed.and_then(|json| deserializer.end().map(|()| json));
        parsed.map_err(|error| {
            let place = format!("the body is no JSON at line {} column {}", error.line(), error.column());
            denial.take().unwrap_or_else(|| Denial::new(Reason::BadFact, place))
        })
    }

    /// What stands at `pointer`, if anything does.
    ///
    /// # Errors
    /// [`Reason::Ambiguous`] when a key is not there but one that differs only in case is.
    pub(super) fn at(&self, pointer: &Pointer, relaxed: &Relaxed) -> Result<Option<&Self>, Denial> {
        self.walk(pointer.0.iter().map(String::as_str), relaxed)
    }

    /// What stands at the end of `names`, each a key of the object before, if anything does.
    ///
    /// # Errors
    /// As [`Json::at`].
    pub(crate) fn member(&self, names: &[&str], relaxed: &Relaxed) -> Result<Option<&Self>, Denial> {
        self.walk(names.iter().copied(), relaxed)
    }

    /// As [`Json::member`], where other spellings do not matter or were looked for before.
    pub(crate) fn get(&self, names: &[&str]) -> Option<&Self> {
        names.iter().try_fold(self, |here, name| match here {
            Self::Object(members) => members.get(*name),
            _ => None,
        })
    }

    /// As [`Json::get`], if it is text.
    pub(crate) fn plain(&self, names: &[&str]) -> Option<&str> {
        match self.get(names) {
            Some(Self::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The keys of an object; none of what is no object.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let members = if let Self::Object(members) = self { Some(members) } else { None };
        members.into_iter().flat_map(BTreeMap::keys).map(String::as_str)
    }

    fn walk<'n>(
        &self,
        tokens: impl Iterator<Item = &'n str>,
        relaxed: &Relaxed,
    ) -> Result<Option<&Self>, Denial> {
        let mut here = self;
        for token in tokens {
            let next = match here {
                Self::Object(members) => {
                    let found = members.get(token);
                    let twin = found.is_none() && has_twin(members, token);
                    Rule::JsonKeyCase.refuse_if(
                        twin,
                        relaxed,
                        format_args!("another spelling of `{token}`"),
                    )?;
                    found
                }
                Self::List(members) => index(token).and_then(|index| members.get(index)),
                _ => None,
            };
            let Some(next) = next else { return Ok(None) };
            here = next;
        }
        Ok(Some(here))
    }
}

/// Whether a key differs from `token` only in case.
fn has_twin(members: &BTreeMap<String, Json>, token: &str) -> bool {
    members.keys().any(|key| folds_to(key, token))
}

/// A key that differs from another only in case. Small letters of ASCII are what they fold to: mostly there is nothing
/// to compare.
fn twin(members: &BTreeMap<String, Json>) -> Option<&str> {
    let plain = |key: &String| key.is_ascii() && !key.bytes().any(|byte| byte.is_ascii_uppercase());
    if members.keys().all(plain) {
        return None;
    }
    let mut folded: Vec<_> = members.keys().map(|key| (fold(key), key)).collect();
    folded.sort_unstable();
    let twins = folded.array_windows().find(|[(one, _), (other, _)]| one == other);
    twins.map(|[_, (_, key)]| key.as_str())
}

fn index(token: &str) -> Option<usize> {
    let plain = token == "0" || !token.starts_with(['0', '+']);
    plain.then(|| token.parse().ok()).flatten()
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    depth: usize,
    relaxed: &'a Relaxed,
    denial: &'a Cell<Option<Denial>>,
    /// How many more values may come.
    left: &'a Cell<usize>,
}

impl Seed<'_> {
    /// One level deeper.
    fn inside<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            let detail = format!("the body is nested more than {MAX_DEPTH} deep");
            return Err(self.refuse(Denial::new(Reason::BadFact, detail)));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    /// One more value.
    fn count<E: Error>(self) -> Result<(), E> {
        let left = self.left.get().checked_sub(1);
        left.map(|left| self.left.set(left)).ok_or_else(|| {
            let detail = format!("the body has more than {MAX_VALUES} values");
            self.refuse(Denial::new(Reason::BadFact, detail))
        })
    }

    /// Keeps the denial aside, because a parser's error holds only text.
    fn refuse<E: Error>(self, denial: Denial) -> E {
        self.denial.set(Some(denial));
        E::custom("refused")
    }

    fn check_case<E: Error>(self, members: &BTreeMap<String, Json>) -> Result<(), E> {
        let Some(key) = twin(members) else { return Ok(()) };
        Rule::JsonKeyCase
            .refuse_if(true, self.relaxed, format_args!("two spellings of `{key}`"))
            .map_err(|denial| self.refuse(denial))
    }

    fn check_once<E: Error>(self, members: &[(String, Json)]) -> Result<(), E> {
        let twice = members.array_windows().find(|[(key, _), (next, _)]| key == next);
        let Some([(key, _), _]) = twice else { return Ok(()) };
        Rule::JsonDuplicateKeys
            .refuse_if(true, self.relaxed, format_args!("the key `{}` twice", shown(key)))
            .map_err(|denial| self.refuse(denial))
    }
}

fn shown(key: &str) -> String {
    key.chars().take(80).collect()
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        self.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(i64::try_from(value).map_or(Json::Big, Json::Int))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let seed = self.inside()?;
        let mut members = Vec::new();
        while let Some(member) = seq.next_element_seed(seed)? {
            members.push(member);
        }
        Ok(Json::List(members))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let seed = self.inside()?;
        let mut members = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if !key.is_ascii() {
                seed.count()?;
            }
            members.push((key, map.next_value_seed(seed)?));
        }
        // Sorted once: to look for each key where it belongs as it comes takes several times as long.
        members.sort_by(|(key, _), (other, _)| key.cmp(other));
        self.check_once(&members)?;
        let members = BTreeMap::from_iter(members);
        self.check_case(&members)?;
        Ok(Json::Object(members))
    }
}
