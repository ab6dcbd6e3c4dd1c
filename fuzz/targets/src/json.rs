//! A JSON body: what core takes from a place is what `serde_json` finds there.

use std::sync::LazyLock;

use countersign_core::value::Value as Taken;
use serde_json::Value;

use crate::world::{Takes, request};

const TYPE: (&str, &[u8]) = ("content-type", b"application/json");

/// Most places of a body that are compared: each costs the loading of a route.
const PLACES: usize = 12;

/// How the keys begin that `serde_json` keeps for itself.
const OWN_KEY: &[u8] = b"$serde_json::private::";

/// The longest text that policy reads, bytes.
const LONGEST: usize = 8 * 1024;

/// An input is the body.
pub(crate) fn run(body: &[u8]) -> bool {
    static ANY: LazyLock<Takes> =
        LazyLock::new(|| Takes::new(&[("POST", "/", "body:/nowhere/at/all", "Bool")]));
    let facts = request("POST", b"/", &[TYPE], body);
    // An empty body holds no facts, and is no JSON to anybody.
    if ANY.from(&facts).is_err() || body.is_empty() {
        return false;
    }
    // By a key of this name `serde_json` tells itself something, wherever it came from.
    if body.windows(OWN_KEY.len()).any(|bytes| bytes == OWN_KEY) {
        return false;
    }
    let whole: Value = serde_json::from_slice(body).expect("`serde_json` reads what is accepted");
    assert_eq!(colons(body), keys(&whole), "a key is there twice");
    assert!(!has_twins(&whole), "two spellings of a key");
    let mut places = Vec::new();
    collect(&whole, String::new(), &mut places);
    // From both ends: what stands last was read last.
    let (first, last) = places.split_at(places.len().min(PLACES / 2));
    for (pointer, found) in first.iter().chain(last.iter().rev().take(PLACES / 2)) {
        assert_eq!(whole.pointer(pointer), Some(*found), "a pointer of this target");
        compare(pointer, found, &facts);
    }
    true
}

/// That the place has this value to policy, whatever type it is wanted in.
fn compare(pointer: &str, found: &Value, facts: &countersign_core::facts::RequestFacts) {
    for ty in ["String", "Long", "Bool", "Set<String>"] {
        let takes = Takes::new(&[("POST", "/", &format!("body:{pointer}"), ty)]);
        let expected = expected(ty, found);
        match takes.from(facts) {
            Ok(None) => assert!(found.is_null(), "`{pointer}`: nothing is taken of {found}"),
            Ok(Some(taken)) => assert_eq!(Some(taken), expected, "`{pointer}` of {found}"),
            Err(denial) => assert!(expected.is_none_or(too_much), "`{pointer}` of {found}: {denial:?}"),
        }
    }
}

/// What a value is in a type, if it is of it.
fn expected(ty: &str, found: &Value) -> Option<Taken> {
    match ty {
        "String" => found.as_str().map(|text| Taken::String(text.to_owned())),
        "Long" => found.as_i64().map(Taken::Long),
        "Bool" => found.as_bool().map(Taken::Bool),
        _ => {
            let members = found.as_array()?.iter().map(|member| expected("String", member));
            members.collect::<Option<_>>().map(Taken::Set)
        }
    }
}

/// Whether it is of the type, and refused all the same.
fn too_much(value: Taken) -> bool {
    match value {
        Taken::String(text) => text.len() > LONGEST || text.contains('\0'),
        Taken::Set(members) => members.len() > 1000 || members.into_iter().any(too_much),
        _ => false,
    }
}

/// Every place with what stands there, as JSON pointers (RFC 6901), containers before what they contain.
fn collect<'a>(here: &'a Value, pointer: String, places: &mut Vec<(String, &'a Value)>) {
    places.push((pointer.clone(), here));
    match here {
        Value::Array(members) => {
            let all = members.iter().enumerate();
            all.for_each(|(index, member)| collect(member, format!("{pointer}/{index}"), places));
        }
        Value::Object(members) => members.iter().for_each(|(key, member)| {
            let token = key.replace('~', "~0").replace('/', "~1");
            collect(member, format!("{pointer}/{token}"), places);
        }),
        _ => {}
    }
}

/// Colons outside of texts: one for each key that was written.
fn colons(body: &[u8]) -> usize {
    let (mut count, mut inside, mut bytes) = (0, false, body.iter());
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => inside = !inside,
            b'\\' if inside => drop(bytes.next()),
            b':' if !inside => count += 1,
            _ => {}
        }
    }
    count
}

/// Keys that were kept.
fn keys(value: &Value) -> usize {
    match value {
        Value::Array(members) => members.iter().map(keys).sum(),
        Value::Object(members) => members.len() + members.values().map(keys).sum::<usize>(),
        _ => 0,
    }
}

/// Whether an object has two keys that differ only in case.
fn has_twins(value: &Value) -> bool {
    match value {
        Value::Array(members) => members.iter().any(has_twins),
        Value::Object(members) => {
            let mut lower = std::collections::BTreeSet::new();
            !members.keys().all(|key| lower.insert(key.to_lowercase())) || members.values().any(has_twins)
        }
        _ => false,
    }
}
