//! Typed values for a Cedar context, without the policy engine.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::entity::EntityName;

/// A value that policy can read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// `Bool`.
    Bool(bool),
    /// `Long`.
    Long(i64),
    /// `String`.
    String(String),
    /// `Set`; order and repetition do not matter to Cedar.
    Set(Vec<Value>),
    /// A record.
    Record(BTreeMap<String, Value>),
    /// A reference to an entity.
    Entity(EntityName),
    /// `decimal`, from its text.
    Decimal(String),
    /// `ipaddr`, from its text.
    Ip(String),
    /// `datetime`, milliseconds since the Unix epoch.
    Datetime(i64),
}

impl Value {
    /// Cedar's JSON form, with `__entity` and `__extn` escapes.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let extension = |function: &str, argument: &str| json!({"__extn": {"fn": function, "arg": argument}});
        match self {
            Self::Bool(value) => Json::from(*value),
            Self::Long(value) => Json::from(*value),
            Self::String(value) => Json::from(value.as_str()),
            Self::Set(values) => values.iter().map(Self::to_json).collect(),
            Self::Record(members) => {
                Json::Object(members.iter().map(|(name, value)| (name.clone(), value.to_json())).collect())
            }
            Self::Entity(entity) => json!({"__entity": {"type": entity.ty, "id": entity.id}}),
            Self::Decimal(text) => extension("decimal", text),
            Self::Ip(text) => extension("ip", text),
            Self::Datetime(millis) => extension("datetime", &crate::clock::rfc3339(*millis)),
        }
    }
}
