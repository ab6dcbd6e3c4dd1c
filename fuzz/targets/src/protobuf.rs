//! A gRPC message: what core takes from a field is what a reader of the whole message finds there.

use std::sync::LazyLock;

use countersign_core::facts::RequestFacts;
use countersign_core::value::Value as Taken;
use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage as _, Value};
use protox::file::{File, FileResolver};
use protox::{Compiler, Error};

use crate::world::{Takes, request};

const PROTO: &str = r#"
syntax = "proto3";
message All {
  string text = 1;
  int32 small = 2;
  sint64 odd = 3;
  optional bool flag = 4;
  repeated string texts = 5;
  repeated fixed32 numbers = 6;
  Inner inner = 7;
  oneof one { string left = 8; uint32 right = 9; }
  repeated Inner many = 10;
  State state = 11;
}
message Inner { string name = 1; uint64 size = 2; }
enum State { NEW = 0; DONE = 3; }
"#;

/// The same as `messages.yaml` says it.
const MESSAGES: &str = "
methods: { s.S/M: All }
messages:
  All:
    text: { number: 1, type: string }
    small: { number: 2, type: int32 }
    odd: { number: 3, type: sint64 }
    flag: { number: 4, type: bool, presence: true }
    texts: { number: 5, type: string, repeated: true }
    numbers: { number: 6, type: fixed32, repeated: true }
    inner: { number: 7, type: Inner }
    left: { number: 8, type: string, oneof: one }
    right: { number: 9, type: uint32, oneof: one }
    many: { number: 10, type: Inner, repeated: true }
    state: { number: 11, type: State }
  Inner:
    name: { number: 1, type: string }
    size: { number: 2, type: uint64 }
enums: { State: { NEW: 0, DONE: 3 } }
";

/// The ways that are compared, with their types.
const WAYS: [(&str, &str); 12] = [
    ("text", "String"),
    ("small", "Long"),
    ("odd", "Long"),
    ("flag", "Bool"),
    ("texts", "Set<String>"),
    ("numbers", "Set<Long>"),
    ("inner.name", "String"),
    ("inner.size", "Long"),
    ("left", "String"),
    ("right", "Long"),
    ("many.name", "Set<String>"),
    ("state", "String"),
];

static TAKES: LazyLock<Vec<Takes>> = LazyLock::new(|| {
    let takes = WAYS.map(|(way, ty)| {
        let text = format!(
            "routes:\n  - match: {{ host: api.test, grpc: s.S/M }}\n    action: Action::\"{ty}\"\n    resource: Thing::\"it\"\n    \
             context: {{ x: {{ from: \"message:{way}\", type: {ty}, optional: true }} }}\n"
        );
        Takes::of(&text, Some(MESSAGES))
    });
    takes.into()
});

/// Finds the one file that there is.
struct Source(File);

impl FileResolver for Source {
    fn open_file(&self, _: &str) -> Result<File, Error> {
        Ok(self.0.clone())
    }
}

static ALL: LazyLock<MessageDescriptor> = LazyLock::new(|| {
    let file = File::from_source("all.proto", PROTO).expect("the source is one");
    let mut compiler = Compiler::with_file_resolver(Source(file));
    compiler.open_file("all.proto").expect("the file compiles");
    let pool = compiler.descriptor_pool();
    pool.get_message_by_name("All").expect("the message is there")
});

/// An input is the message.
pub(crate) fn run(input: &[u8]) -> bool {
    let Ok(length) = u32::try_from(input.len()) else { return false };
    let body = [&[0], &length.to_be_bytes()[..], input].concat();
    let facts = request("POST", b"/s.S/M", &[("content-type", b"application/grpc")], &body);
    let whole = DynamicMessage::decode(ALL.clone(), input);
    let mut accepted = 0;
    for ((way, _), takes) in WAYS.iter().zip(TAKES.iter()) {
        accepted += usize::from(compare(way, takes, &facts, whole.as_ref().ok()));
    }
    accepted == WAYS.len()
}

/// Whether the fact is taken. Of a message that is none to the other reader, nothing can be compared.
fn compare(way: &str, takes: &Takes, facts: &RequestFacts, whole: Option<&DynamicMessage>) -> bool {
    let Ok(taken) = takes.from(facts) else { return false };
    let Some(whole) = whole else { return true };
    let mut found = Vec::new();
    collect(whole, way, &mut found);
    match taken {
        Some(Taken::Set(members)) => assert_eq!(members, found, "`{way}`"),
        Some(one) => assert_eq!(vec![one], found, "`{way}`"),
        None => assert!(found.is_empty(), "`{way}`: {found:?} is not taken"),
    }
    true
}

fn collect(message: &DynamicMessage, way: &str, found: &mut Vec<Taken>) {
    let (name, rest) = way.split_once('.').map_or((way, None), |(name, rest)| (name, Some(rest)));
    let field = message.descriptor().get_field_by_name(name).expect("a field of the message");
    if field.supports_presence() && !message.has_field(&field) {
        return;
    }
    let value = message.get_field(&field);
    let all = match value.as_ref() {
        Value::List(members) => members.clone(),
        one => vec![one.clone()],
    };
    for one in all {
        match (one, rest) {
            (Value::Message(inner), Some(rest)) => collect(&inner, rest, found),
            (Value::String(text), None) => found.push(Taken::String(text)),
            (Value::Bool(value), None) => found.push(Taken::Bool(value)),
            (Value::I32(number), None) => found.push(Taken::Long(number.into())),
            (Value::I64(number), None) => found.push(Taken::Long(number)),
            (Value::U32(number), None) => found.push(Taken::Long(number.into())),
            (Value::U64(number), None) => {
                found.push(Taken::Long(i64::try_from(number).expect("no more is taken")))
            }
            (Value::EnumNumber(0), None) => found.push(Taken::String("NEW".into())),
            (Value::EnumNumber(3), None) => found.push(Taken::String("DONE".into())),
            (other, _) => panic!("`{way}` is taken where another reader finds {other:?}"),
        }
    }
}
