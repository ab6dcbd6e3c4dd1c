//! Reads the filter's configuration as the gateway hands it over: JSON text, or the bytes of a
//! `google.protobuf.Struct`.

use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{Struct, Value as ProtoValue};
use serde_json::{Map, Number, Value};

/// Bytes that are no configuration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// It looks like JSON and is not.
    #[error("line {line}, column {column}: {message}")]
    Json {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// Nothing came.
    #[error("is empty: give it as JSON text or as a protobuf Struct")]
    Empty,
    /// Neither form.
    #[error("is neither JSON text nor a protobuf Struct")]
    Neither,
}

/// Reads either form. Envoy gives a `StringValue` as its text and a `Struct` as protobuf bytes.
///
/// # Errors
/// See [`Unreadable`].
pub(crate) fn read(bytes: &[u8]) -> Result<Value, Unreadable> {
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => Err(Unreadable::Empty),
        Some(b'{') => serde_json::from_slice(bytes).map_err(|error| Unreadable::Json {
            line: error.line(),
            column: error.column(),
            message: error.to_string(),
        }),
        // A Struct's bytes begin with the tag of its only field (`\n`), never with a brace.
        Some(_) => structure(bytes).ok_or(Unreadable::Neither),
    }
}

/// Reads the bytes of a `google.protobuf.Struct` as a JSON object.
fn structure(bytes: &[u8]) -> Option<Value> {
    let fields = Struct::decode(bytes).ok()?.fields;
    object(fields)
}

/// The members of a Struct as a JSON object, or nothing when one has no value.
pub(crate) fn object(fields: impl IntoIterator<Item = (String, ProtoValue)>) -> Option<Value> {
    let members: Option<Map<_, _>> =
        fields.into_iter().map(|(name, value)| Some((name, json(value)?))).collect();
    members.map(Value::Object)
}

fn json(value: ProtoValue) -> Option<Value> {
    match value.kind? {
        Kind::NullValue(_) => Some(Value::Null),
        Kind::BoolValue(value) => Some(Value::Bool(value)),
        Kind::StringValue(value) => Some(Value::String(value)),
        Kind::NumberValue(value) => number(value).map(Value::Number),
        Kind::ListValue(list) => list.values.into_iter().map(json).collect(),
        Kind::StructValue(inner) => object(inner.fields),
    }
}

/// Protobuf knows only doubles: a whole number that a double holds exactly is an integer again.
fn number(value: f64) -> Option<Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
        return Some(Number::from(value as i64));
    }
    Number::from_f64(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(value: &str) -> ProtoValue {
        ProtoValue { kind: Some(Kind::StringValue(value.into())) }
    }

    #[test]
    fn both_forms_read_the_same() {
        let number = ProtoValue { kind: Some(Kind::NumberValue(403.0)) };
        let status = Struct { fields: [("status".to_owned(), number)].into() };
        let fields = [
            ("mode".to_owned(), text("enforce")),
            ("pending".to_owned(), ProtoValue { kind: Some(Kind::StructValue(status)) }),
        ];
        let bytes = Struct { fields: fields.into() }.encode_to_vec();
        let expected = json!({"mode": "enforce", "pending": {"status": 403}});
        assert_eq!(read(&bytes), Ok(expected.clone()));
        assert_eq!(read(expected.to_string().as_bytes()), Ok(expected));
    }

    #[test]
    fn anything_else_says_what_it_is_not() {
        assert_eq!(read(b"  "), Err(Unreadable::Empty));
        assert_eq!(read(b"\xff\xfe"), Err(Unreadable::Neither));
        assert!(matches!(read(b"{\n\"mode\" 1}"), Err(Unreadable::Json { line: 2, .. })));
    }
}
