//! Typed values for a Cedar context, without the policy engine.

use std::collections::BTreeMap;

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
