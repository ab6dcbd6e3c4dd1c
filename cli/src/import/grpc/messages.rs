//! `messages.yaml`: what request messages are made of.

use std::collections::BTreeMap;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};

use super::called;
use crate::import::Generation;
use crate::import::merge::{Entry, Frame};
use crate::import::names::word;

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
    fn add(&mut self, message: MessageDescriptor) {
        let mut rest = vec![message];
        while let Some(message) = rest.pop() {
            if self.messages.contains_key(message.full_name()) {
                continue;
            }
            for field in message.fields() {
                match value(&field) {
                    Kind::Message(inner) => rest.push(inner),
                    Kind::Enum(values) => drop(self.enums.insert(values.full_name().to_owned(), values)),
                    _ => {}
                }
            }
            self.messages.insert(message.full_name().to_owned(), message);
        }
    }
}

/// What a field holds; of a map, under its keys.
fn value(field: &FieldDescriptor) -> Kind {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => entry.map_entry_value_field().kind(),
        kind => kind,
    }
}

/// What goes into `messages.yaml`.
pub(super) fn written(source: &str, methods: &[MethodDescriptor]) -> [Generation; 3] {
    let unary: Vec<_> = methods.iter().filter(|method| !method.is_client_streaming()).collect();
    let mut described = Described::default();
    unary.iter().for_each(|method| described.add(method.input()));
    let part = |opens: &str, entries| Generation {
        file: FILE.to_owned(),
        frame: frame(opens),
        // Entries of three kinds in one file, each with marks of its own.
        source: format!("{source}/{}", opens.trim_end_matches(':')),
        entries,
    };
    let method = |method: &&MethodDescriptor| {
        let key = called(method);
        Entry { text: format!("  {key}: {}", word(method.input().full_name())), key }
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
    Entry { text: format!("  {}:{fields}", word(&key)), key }
}

fn described(field: &FieldDescriptor) -> String {
    let mut text = format!("{}: {{ number: {}, type: {}", word(field.name()), field.number(), ty(field));
    if field.is_list() {
        text.push_str(", repeated: true");
    }
    match field.containing_oneof().filter(|oneof| !oneof.is_synthetic()) {
        Some(oneof) => text.push_str(&format!(", oneof: {}", word(oneof.name()))),
        None if field.supports_presence() && !matches!(field.kind(), Kind::Message(_)) => {
            text.push_str(", presence: true");
        }
        None => {}
    }
    text + " }"
}

fn ty(field: &FieldDescriptor) -> String {
    match field.kind() {
        // Between braces a comma ends a plain scalar.
        Kind::Message(entry) if field.is_map() => {
            format!("\"map<{}, {}>\"", name(&entry.map_entry_key_field().kind()), name(&value(field)))
        }
        kind => word(&name(&kind)),
    }
}

fn name(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(values) => values.full_name().to_owned(),
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
    let lines: String =
        numbers.iter().map(|(number, name)| format!("\n    {}: {number}", word(name))).collect();
    Entry { text: format!("  {}:{lines}", word(&key)), key }
}
