//! The fields of request messages as members of a context.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use crate::import::model::{Content, Member};
use crate::import::names;

/// The deepest records.
const DEEPEST: usize = 4;
/// Most facts of one method, those among them that say whether a message is there.
const MOST_FACTS: usize = 128;

/// The members of a context that a request message brings; `tell`: what is left out, and why.
pub(super) fn members(message: &MessageDescriptor, tell: &mut dyn FnMut(&str, &str)) -> Vec<Member> {
    let mut walk = Walk { way: Vec::new(), left: MOST_FACTS, is_full: false, tell };
    let found = walk.fields(message, "");
    if walk.is_full {
        (walk.tell)("its other fields", "there are more than 128 facts in its request message");
    }
    let mut members: Vec<Member> = Vec::new();
    for member in found {
        let name = names::free(&member.name, "m", &|name| members.iter().any(|other| other.name == name));
        members.push(Member { name, ..member });
    }
    members
}

/// A walk through a message and those in it.
struct Walk<'a> {
    /// The types of the messages that it is in.
    way: Vec<String>,
    /// How many more facts may be taken.
    left: usize,
    /// Whether there was one more: then it is over.
    is_full: bool,
    tell: &'a mut dyn FnMut(&str, &str),
}

impl Walk<'_> {
    /// The members that the fields of a message bring, in the order of the file.
    fn fields(&mut self, message: &MessageDescriptor, prefix: &str) -> Vec<Member> {
        self.way.push(message.full_name().to_owned());
        let is_nested = |(_, field): &(usize, FieldDescriptor)| matches!(field.kind(), Kind::Message(_));
        let (nested, plain): (Vec<_>, Vec<_>) = message.fields().enumerate().partition(is_nested);
        let mut members = Vec::new();
        // Where there are too many, those that lie deeper are left out.
        for (place, field) in plain.into_iter().chain(nested) {
            if self.is_full {
                break;
            }
            let member = self.member(&field, &format!("{prefix}{}", field.name()));
            members.extend(member.map(|member| (place, member)));
        }
        self.way.pop();
        members.sort_by_key(|(place, _)| *place);
        members.into_iter().map(|(_, member)| member).collect()
    }

    fn member(&mut self, field: &FieldDescriptor, path: &str) -> Option<Member> {
        let from = format!("message:{path}");
        let (optional, content) = match field.kind() {
            Kind::Message(message) => {
                let members = self.within(field, &message, path)?;
                match members.is_empty() {
                    // Whether a message is there is never missing.
                    true => (false, Content::Fact(from, "Bool".to_owned())),
                    false => (true, Content::Record { from: Some(from), members }),
                }
            }
            kind => {
                let scalar = scalar(field, &kind).map_err(|why| (self.tell)(path, why)).ok()?;
                let ty = if field.is_list() { format!("Set<{scalar}>") } else { scalar.to_owned() };
                self.take()?;
                (field.supports_presence(), Content::Fact(from, ty))
            }
        };
        Some(Member { name: field.name().to_owned(), optional, content })
    }

    /// The members of a message in a message; none where all that is known is whether it is there.
    fn within(
        &mut self,
        field: &FieldDescriptor,
        message: &MessageDescriptor,
        path: &str,
    ) -> Option<Vec<Member>> {
        if field.is_list() || field.is_map() || field.is_group() {
            (self.tell)(path, "it is a list of messages, a map or a group");
            return None;
        }
        self.take()?;
        if self.way.len() > DEEPEST || self.way.iter().any(|outer| outer == message.full_name()) {
            (self.tell)(path, "it is a message in itself, or too deep: taken is whether it is there");
            return Some(Vec::new());
        }
        Some(self.fields(message, &format!("{path}.")))
    }

    /// Counts a fact; nothing when it is one too many.
    fn take(&mut self) -> Option<()> {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => self.is_full = true,
        }
        (!self.is_full).then_some(())
    }
}

/// The type of a field that is no message, or of its members.
///
/// # Errors
/// Why it is no fact.
fn scalar(field: &FieldDescriptor, kind: &Kind) -> Result<&'static str, &'static str> {
    if field.field_descriptor_proto().default_value.is_some() {
        return Err("it has a default of its own, which the service sees where policy would see nothing");
    }
    match kind {
        Kind::String | Kind::Enum(_) => Ok("String"),
        Kind::Bool => Ok("Bool"),
        Kind::Double | Kind::Float => Err("it is a number with a fraction"),
        Kind::Bytes => Err("it holds bytes"),
        _ => Ok("Long"),
    }
}
