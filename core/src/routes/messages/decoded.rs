//! A whole message, decoded by its descriptor: what is of another type on the wire than its descriptor says is refused,
//! whether policy reads it or not.
//!
//! Some readers choose how to decode a field by its number alone. One field of another kind, or a message in it that is
//! longer than it says, and they go on at another byte than this one does: what follows is another message to them.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::Unread;
use super::scalar::Scalar;
use crate::protobuf::{Fields, Wire};

/// The deepest nesting of messages.
const MAX_DEPTH: usize = 32;
/// Most fields and list members of a message with all that is in it.
const MAX_FIELDS: usize = 50_000;
/// Most fields and members that are looked at for all facts of a request: more would take longer than it may.
const MAX_LOOKS: usize = 200_000;

/// What a field holds by its descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar(Scalar),
    /// Bytes that are no text, which no policy reads.
    Bytes,
    /// `double`, which none reads either.
    Double,
    Float,
    /// The type of this place in the descriptor.
    Message(usize),
}

/// The types that a request message is made of, the first its own: from number to what is held there, and whether it is
/// repeated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::routes) struct Descriptor(pub(super) Vec<BTreeMap<u32, (Kind, bool)>>);

/// A message that was decoded.
#[derive(Debug)]
pub(in crate::routes) struct Decoded {
    message: Message,
    /// How many more fields may be looked at.
    looks: Cell<usize>,
}

/// The fields that its descriptor knows, by number and in their order.
#[derive(Debug, Default)]
pub(super) struct Message(Vec<(u32, Found)>);

/// What stands in a field.
#[derive(Debug)]
pub(super) enum Found {
    Value(Value),
    Message(Message),
    /// Something that no policy reads.
    Other,
}

/// A value that policy may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(Vec<u8>),
    /// A number as it stands on the wire.
    Number(u64),
}

/// A field of another kind than its descriptor says.
const OTHER_KIND: Unread =
    Unread::Ambiguous("has a field of another type on the wire than its descriptor says");

impl Descriptor {
    /// Decodes a request message.
    pub(in crate::routes) fn decode(&self, message: &[u8]) -> Result<Decoded, Unread> {
        let mut left = MAX_FIELDS;
        let message = self.message(message, 0, 0, &mut left)?;
        Ok(Decoded { message, looks: Cell::new(MAX_LOOKS) })
    }

    fn message(&self, bytes: &[u8], ty: usize, depth: usize, left: &mut usize) -> Result<Message, Unread> {
        if depth == MAX_DEPTH {
            return Err(Unread::Malformed("nests more than 32 messages"));
        }
        let mut found = Vec::new();
        for field in Fields::of(bytes) {
            count(left)?;
            let (number, wire) = field?;
            let known = self.0.get(ty).and_then(|fields| fields.get(&number));
            match (known, wire) {
                // What no descriptor knows, all readers skip alike.
                (None, _) => {}
                (Some((Kind::Message(inner), _)), Wire::Bytes(bytes)) => {
                    let message = self.message(bytes, *inner, depth + 1, left)?;
                    found.push((number, Found::Message(message)));
                }
                (Some((Kind::Scalar(Scalar::String), _)), Wire::Bytes(text)) => {
                    found.push((number, Found::Value(Value::Text(text.to_vec()))));
                }
                (Some((Kind::Scalar(scalar), true)), Wire::Bytes(packed)) => {
                    let mut packed = packed;
                    while !packed.is_empty() {
                        count(left)?;
                        let number_of = scalar.next(&mut packed)?;
                        found.push((number, Found::Value(Value::Number(number_of))));
                    }
                }
                (Some((Kind::Scalar(scalar), _)), wire) => {
                    let value = scalar.number(wire).ok_or(OTHER_KIND)?;
                    found.push((number, Found::Value(Value::Number(value))));
                }
                (Some((kind, repeated)), wire) if kind.holds(wire, *repeated) => {
                    found.push((number, Found::Other));
                }
                _ => return Err(OTHER_KIND),
            }
        }
        found.sort_by_key(|(number, _)| *number);
        Ok(Message(found))
    }
}

fn count(left: &mut usize) -> Result<(), Unread> {
    *left = left.checked_sub(1).ok_or("has more than 50000 fields")?;
    Ok(())
}

impl Kind {
    /// Whether a value that no policy reads is of its type.
    fn holds(&self, wire: Wire<'_>, repeated: bool) -> bool {
        match (self, wire) {
            (Self::Bytes, Wire::Bytes(_))
            | (Self::Double, Wire::Fixed64(_))
            | (Self::Float, Wire::Fixed32(_)) => true,
            (Self::Double, Wire::Bytes(packed)) => repeated && packed.len().is_multiple_of(8),
            (Self::Float, Wire::Bytes(packed)) => repeated && packed.len().is_multiple_of(4),
            _ => false,
        }
    }
}

impl Decoded {
    pub(super) fn message(&self) -> &Message {
        &self.message
    }

    /// So many fields are looked at.
    pub(super) fn look(&self, fields: usize) -> Result<(), Unread> {
        let left = self.looks.get().checked_sub(fields);
        self.looks.set(left.ok_or("is one of too many facts of too large a message")?);
        Ok(())
    }
}

impl Message {
    /// All that stands under a number, in its order.
    pub(super) fn all(&self, number: u32) -> &[(u32, Found)] {
        let start = self.0.partition_point(|(known, _)| *known < number);
        let rest = self.0.get(start..).unwrap_or_default();
        rest.get(..rest.partition_point(|(known, _)| *known == number)).unwrap_or_default()
    }
}
