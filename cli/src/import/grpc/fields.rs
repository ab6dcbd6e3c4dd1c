//! Messages and their fields: as `messages.yaml` describes them, and as members of a context.

use std::collections::BTreeMap;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};

use super::called;
use crate::import::Generation;
use crate::import::merge::{Entry, Frame};
use crate::import::model::{Content, Member};
use crate::import::names;

/// The deepest records.
const DEEPEST: usize = 4;
/// Most members of a context.
const MOST_MEMBERS: usize = 64;

const FILE: &str = "messages.yaml";

/// The file as it is before anything is in it.
pub(super) fn skeleton() -> (&'static str, &'static str, String) {
    let text = "# Imported by `countersign import grpc`: what descriptors say of request messages. Imported again, it follows them.\n\
                methods:\n\nmessages:\n\nenums:\n";
    ("methods:", FILE, text.to_owned())
}

/// All that the methods' requests are made of.
#[derive(Default)]
struct Described {
    messages: BTreeMap<String, MessageDescriptor>,
    enums: BTreeMap<String, EnumDescriptor>,
}

impl Described {
    fn add(&mut self, message: &MessageDescriptor) {
        if message.is_map_entry() || self.messages.contains_key(message.full_name()) {
            return;
        }
        self.messages.insert(message.full_name().to_owned(), message.clone());
        for field in message.fields() {
            match field.kind() {
                Kind::Message(inner) => self.add(&inner),
                Kind::Enum(values) => drop(self.enums.insert(values.full_name().to_owned(), values)),
                _ => {}
            }
        }
    }
}

/// What goes into `messages.yaml`.
pub(super) fn written(source: &str, methods: &[MethodDescriptor]) -> [Generation; 3] {
    let unary: Vec<_> = methods.iter().filter(|method| !method.is_client_streaming()).collect();
    let mut described = Described::default();
    unary.iter().for_each(|method| described.add(&method.input()));
    let part = |opens: &str, entries| Generation {
        file: FILE.to_owned(),
        frame: frame(opens),
        // Entries of three kinds in one file, each with marks of its own.
        source: format!("{source}/{}", opens.trim_end_matches(':')),
        entries,
    };
    let method = |method: &&MethodDescriptor| {
        let key = called(method);
        Entry { text: format!("  {key}: {}", method.input().full_name()), key }
    };
    [
        part("methods:", unary.iter().map(method).collect()),
        part("messages:", described.messages.values().map(message).collect()),
        part("enums:", described.enums.values().map(values).collect()),
    ]
}

fn frame(opens: &str) -> Frame {
    Frame {
        comment: "#",
        indent: "  ",
        head: String::new(),
        opens: opens.into(),
        depth: 1,
        closes: None,
        // A type of a file that several APIs import.
        shared: true,
    }
}

fn message(message: &MessageDescriptor) -> Entry {
    let key = message.full_name().to_owned();
    let fields: String = message.fields().map(|field| format!("\n    {}", described(&field))).collect();
    let fields = if fields.is_empty() { " {}".to_owned() } else { fields };
    Entry { text: format!("  {key}:{fields}"), key }
}

fn described(field: &FieldDescriptor) -> String {
    let mut text = format!("{}: {{ number: {}, type: {}", field.name(), field.number(), ty(field));
    if field.is_list() || field.is_map() {
        text.push_str(", repeated: true");
    }
    match field.containing_oneof().filter(|oneof| !oneof.is_synthetic()) {
        Some(oneof) => text.push_str(&format!(", oneof: {}", oneof.name())),
        None if field.supports_presence() && !matches!(field.kind(), Kind::Message(_)) => {
            text.push_str(", presence: true");
        }
        None => {}
    }
    text + " }"
}

fn ty(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Message(_) if field.is_map() => "map".into(),
        Kind::Message(message) => message.full_name().into(),
        Kind::Enum(values) => values.full_name().into(),
        scalar => format!("{scalar:?}"),
    }
}

/// Of several names for one number, the first in the file is the one that readers show.
fn values(values: &EnumDescriptor) -> Entry {
    let key = values.full_name().to_owned();
    let mut numbers = BTreeMap::new();
    for value in &values.enum_descriptor_proto().value {
        numbers.entry(value.number()).or_insert_with(|| value.name().to_owned());
    }
    let lines: String = numbers.iter().map(|(number, name)| format!("\n    {name}: {number}")).collect();
    Entry { text: format!("  {key}:{lines}"), key }
}

/// The members of a context that a request message brings; `tell`: what is left out, and why.
pub(super) fn members(message: &MessageDescriptor, tell: &mut dyn FnMut(&str, &str)) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::new();
    for field in message.fields() {
        if members.len() == MOST_MEMBERS {
            tell(field.name(), "it has more than 64 fields");
            continue;
        }
        if let Some(content) = content(&field, field.name(), &mut vec![message.full_name().to_owned()], tell)
        {
            let name = names::free(field.name(), "m", &|name| members.iter().any(|other| other.name == name));
            members.push(Member { name, optional: field.supports_presence(), content });
        }
    }
    members
}

/// What a field brings; `way`: the types of the messages that it is in.
fn content(
    field: &FieldDescriptor,
    path: &str,
    way: &mut Vec<String>,
    tell: &mut dyn FnMut(&str, &str),
) -> Option<Content> {
    let kind = field.kind();
    let scalar = match &kind {
        Kind::String | Kind::Enum(_) => "String",
        Kind::Bool => "Bool",
        Kind::Double | Kind::Float => {
            tell(path, "it is a number with a fraction");
            return None;
        }
        Kind::Bytes => {
            tell(path, "it holds bytes");
            return None;
        }
        Kind::Message(message) => return record(field, message, path, way, tell),
        _ => "Long",
    };
    let ty = if field.is_list() { format!("Set<{scalar}>") } else { scalar.to_owned() };
    Some(Content::Fact(format!("message:{path}"), ty))
}

fn record(
    field: &FieldDescriptor,
    message: &MessageDescriptor,
    path: &str,
    way: &mut Vec<String>,
    tell: &mut dyn FnMut(&str, &str),
) -> Option<Content> {
    if field.is_list() || field.is_map() {
        tell(path, "it is a list of messages, or a map");
        return None;
    }
    if way.len() > DEEPEST || way.iter().any(|outer| outer == message.full_name()) {
        tell(path, "it is a message in itself, or too deep");
        return None;
    }
    way.push(message.full_name().to_owned());
    let member = |inner: FieldDescriptor| {
        let content = content(&inner, &format!("{path}.{}", inner.name()), way, tell)?;
        Some(Member { name: inner.name().to_owned(), optional: inner.supports_presence(), content })
    };
    let members: Vec<_> = message.fields().filter_map(member).collect();
    way.pop();
    if members.is_empty() {
        tell(path, "it is a message without known fields");
        return None;
    }
    Some(Content::Record(members))
}
