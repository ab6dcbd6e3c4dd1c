//! Scalar types of Protocol Buffers, each read in the one form that all parsers understand alike.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Unread;
use super::decoded::Value;
use crate::protobuf::{Wire, fixed, varint};
use crate::routes::types::Type;

/// The type of a field that can be a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scalar {
    Bool,
    /// `int32`
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    String,
    /// From number to name; the first in the file is the default.
    Enum(Arc<Enum>),
}

/// The values of an enum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Enum {
    pub(super) names: BTreeMap<i64, String>,
}

/// A number beyond its type: parsers cut it down to that.
const BEYOND: Unread = Unread::Ambiguous("is a number beyond its type");

impl Scalar {
    /// The type that is written so; nothing for the name of a message, an enum, or a type that is no fact.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "bool" => Self::Bool,
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            "uint32" => Self::Uint32,
            "uint64" => Self::Uint64,
            "sint32" => Self::Sint32,
            "sint64" => Self::Sint64,
            "fixed32" => Self::Fixed32,
            "fixed64" => Self::Fixed64,
            "sfixed32" => Self::Sfixed32,
            "sfixed64" => Self::Sfixed64,
            "string" => Self::String,
            _ => return None,
        })
    }

    /// Whether its values can be values of a Cedar type.
    pub(super) fn fits(&self, ty: &Type) -> bool {
        match (self, ty) {
            (Self::Bool, ty) => *ty == Type::Bool,
            (Self::String, ty) => !matches!(ty, Type::Long | Type::Bool | Type::Set(_) | Type::Record(_)),
            (Self::Enum(_), ty) => matches!(ty, Type::String | Type::Entity(_)),
            (_, ty) => matches!(ty, Type::Long | Type::Entity(_)),
        }
    }

    /// What a field without presence holds when it is not there.
    pub(super) fn default(&self) -> String {
        match self {
            Self::String => String::new(),
            Self::Bool => "false".to_owned(),
            Self::Enum(values) => values.names.get(&0).cloned().unwrap_or_default(),
            _ => "0".to_owned(),
        }
    }

    /// The number in a value on the wire, if it is of this type's kind there.
    pub(super) fn number(&self, wire: Wire<'_>) -> Option<u64> {
        match (self, wire) {
            (Self::String, _) => None,
            (Self::Fixed32 | Self::Sfixed32, Wire::Fixed32(bits)) => Some(bits.into()),
            (Self::Fixed64 | Self::Sfixed64, Wire::Fixed64(bits)) => Some(bits),
            (Self::Fixed32 | Self::Sfixed32 | Self::Fixed64 | Self::Sfixed64, _) => None,
            (_, Wire::Varint(bits)) => Some(bits),
            _ => None,
        }
    }

    /// The next of packed numbers.
    pub(super) fn next(&self, packed: &mut &[u8]) -> Result<u64, Unread> {
        Ok(match self {
            Self::Fixed32 | Self::Sfixed32 => u32::from_le_bytes(fixed(packed)?).into(),
            Self::Fixed64 | Self::Sfixed64 => u64::from_le_bytes(fixed(packed)?),
            _ => varint(packed)?,
        })
    }

    /// A value as text.
    pub(super) fn text(&self, value: &Value) -> Result<String, Unread> {
        match value {
            Value::Text(text) => {
                let text = str::from_utf8(text).map_err(|_| Unread::Ambiguous("is not UTF-8"))?;
                Ok(text.to_owned())
            }
            Value::Number(bits) => self.written(*bits),
        }
    }

    fn written(&self, bits: u64) -> Result<String, Unread> {
        let within = |fits: bool, text: String| if fits { Ok(text) } else { Err(BEYOND) };
        let short = u32::try_from(bits);
        match self {
            Self::Bool => within(bits <= 1, (bits == 1).to_string()),
            Self::Int32 => within(i32::try_from(bits.cast_signed()).is_ok(), bits.cast_signed().to_string()),
            Self::Sint32 => within(short.is_ok(), zigzag(bits).to_string()),
            Self::Uint32 => within(short.is_ok(), bits.to_string()),
            Self::Sfixed32 => short.map(|bits| bits.cast_signed().to_string()).map_err(|_| BEYOND),
            Self::Enum(values) => values.name(bits.cast_signed()),
            Self::Int64 | Self::Sfixed64 => Ok(bits.cast_signed().to_string()),
            Self::Sint64 => Ok(zigzag(bits).to_string()),
            Self::Uint64 | Self::Fixed64 | Self::Fixed32 | Self::String => Ok(bits.to_string()),
        }
    }
}

impl Enum {
    fn name(&self, number: i64) -> Result<String, Unread> {
        if i32::try_from(number).is_err() {
            return Err(BEYOND);
        }
        self.names.get(&number).cloned().ok_or(Unread::Malformed("has a value that its enum does not name"))
    }
}

/// The number that `sint32` and `sint64` write as `bits`.
fn zigzag(bits: u64) -> i64 {
    (bits >> 1).cast_signed() ^ -(bits & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(scalar: &Scalar, wire: Wire<'_>) -> Option<String> {
        scalar.text(&Value::Number(scalar.number(wire)?)).ok()
    }

    #[test]
    fn numbers_are_read_in_the_range_of_their_type() {
        let enums = Scalar::Enum(Arc::new(Enum { names: [(0, "NO".into()), (-1, "ODD".into())].into() }));
        let minus = u64::MAX;
        for (scalar, wire, expected) in [
            (Scalar::Bool, Wire::Varint(1), Some("true")),
            (Scalar::Bool, Wire::Varint(2), None),
            (Scalar::Int32, Wire::Varint(minus), Some("-1")),
            (Scalar::Int32, Wire::Varint(0xffff_ffff), None),
            (Scalar::Uint32, Wire::Varint(0xffff_ffff), Some("4294967295")),
            (Scalar::Uint32, Wire::Varint(0x1_0000_0000), None),
            (Scalar::Sint32, Wire::Varint(1), Some("-1")),
            (Scalar::Sint32, Wire::Varint(0x1_0000_0000), None),
            (Scalar::Sint64, Wire::Varint(u64::MAX), Some("-9223372036854775808")),
            (Scalar::Sint64, Wire::Varint(u64::MAX - 1), Some("9223372036854775807")),
            (Scalar::Int64, Wire::Varint(minus), Some("-1")),
            (Scalar::Uint64, Wire::Varint(minus), Some("18446744073709551615")),
            (Scalar::Fixed32, Wire::Fixed32(u32::MAX), Some("4294967295")),
            (Scalar::Sfixed32, Wire::Fixed32(u32::MAX), Some("-1")),
            (Scalar::Sfixed64, Wire::Fixed64(minus), Some("-1")),
            (Scalar::Fixed64, Wire::Varint(1), None),
            (Scalar::Int32, Wire::Fixed32(1), None),
            (Scalar::Int32, Wire::Bytes(b"\x01"), None),
            (enums.clone(), Wire::Varint(minus), Some("ODD")),
            (enums.clone(), Wire::Varint(7), None),
            (enums, Wire::Varint(0x1_0000_0000), None),
        ] {
            assert_eq!(read(&scalar, wire).as_deref(), expected, "{scalar:?} {wire:?}");
        }
    }
}
