//! JSON that comes from elsewhere than a body: read as strictly as one, and given types as a route does it.

use serde_json::Value as Document;

use super::json::{Json, Pointer};
use super::types::{Type, excess, has_nul};
use crate::denial::Reason;
use crate::reading::Relaxed;
use crate::value::Value;

/// Where a value stands in a document: the name of a member, or a JSON pointer when it begins with `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place(String);

/// The Cedar type that a value is read as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Typed {
    ty: Type,
    written: String,
}

/// Reads a document whose objects have each member once, in one spelling.
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub(crate) fn strict(bytes: &[u8]) -> Result<Document, String> {
    Json::parse(bytes, &Relaxed::default()).map_err(|denial| match denial.reason {
        Reason::Ambiguous => format!("can be read in two ways: {}", denial.detail),
        _ => "is no JSON that can be read".to_owned(),
    })?;
    serde_json::from_slice(bytes).map_err(|_| "is no JSON that can be read".to_owned())
}

impl Place {
    /// Reads `team` or `/team/name`.
    ///
    /// # Errors
    /// It is empty, or a pointer that is none (RFC 6901).
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let good = if text.starts_with('/') { Pointer::parse(text).is_some() } else { !text.is_empty() };
        good.then(|| Self(text.to_owned())).ok_or_else(|| {
            format!("`{text}` is neither the name of a claim nor a JSON pointer like `/team` (RFC 6901)")
        })
    }

    /// As it was written.
    pub(crate) fn written(&self) -> &str {
        &self.0
    }

    /// What stands there; JSON's `null` is nothing.
    pub(crate) fn find<'a>(&self, document: &'a Document) -> Option<&'a Document> {
        let found = if self.0.starts_with('/') { document.pointer(&self.0) } else { document.get(&self.0) };
        found.filter(|value| !value.is_null())
    }
}

impl Typed {
    /// The type as it is written: `String`, `Set<String>`, … or an entity type.
    pub(crate) fn parse(text: &str) -> Self {
        Self { ty: Type::parse(text), written: text.to_owned() }
    }

    /// As it was written.
    pub(crate) fn written(&self) -> &str {
        &self.written
    }

    /// What a value means, converted no more than a route converts.
    ///
    /// # Errors
    /// What it is not, or that it is too much, as the end of a sentence.
    pub(crate) fn read(&self, document: &Document) -> Result<Value, String> {
        let value =
            self.ty.of_json(&json(document)).ok_or_else(|| format!("is not {}", self.ty.article()))?;
        match excess(&value) {
            Some(excess) => Err(excess),
            None if has_nul(&value) => Err("has a NUL".to_owned()),
            None => Ok(value),
        }
    }
}

/// The same value in the terms of routes.
fn json(document: &Document) -> Json {
    match document {
        Document::Null => Json::Null,
        Document::Bool(value) => Json::Bool(*value),
        Document::Number(number) => match (number.as_i64(), number.is_u64()) {
            (Some(whole), _) => Json::Int(whole),
            (None, true) => Json::Big,
            (None, false) => number.as_f64().map_or(Json::Big, Json::Float),
        },
        Document::String(text) => Json::Text(text.clone()),
        Document::Array(members) => Json::List(members.iter().map(json).collect()),
        Document::Object(members) => {
            Json::Object(members.iter().map(|(name, value)| (name.clone(), json(value))).collect())
        }
    }
}
