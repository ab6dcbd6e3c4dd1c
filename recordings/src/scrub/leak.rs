//! The last look at an entry before it is written: no secret that was seen is in it.

use countersign_protocol::recording::{Bytes, Entry, Request};
use percent_encoding::percent_decode;
use serde_json::Value;

use super::known::Known;
use super::{body, json, pairs};

/// Looks at every byte that comes from a source.
///
/// # Errors
/// Where a secret is, and what to do.
pub(super) fn check(entry: &Entry, known: &Known) -> Result<(), String> {
    let again = |place: &str| format!("a secret is there again, in {place}: leave the entry out");
    let Request { headers, body, chunks: _, trailers } = &entry.request;
    for (name, value) in headers.iter().chain(trailers) {
        if is_in(known, name.as_bytes()) {
            return Err(again("the name of a header field"));
        }
        if is_in(known, &value.0) {
            return Err(again(&format!("`{name}`")));
        }
    }
    if body.as_ref().is_some_and(|body| is_in_body(known, body)) {
        return Err(again("the body"));
    }
    let named =
        entry.claims.iter().any(|(name, value)| is_in(known, name.as_bytes()) || is_in_names(known, value));
    if named || rest(entry).is_none_or(|rest| is_in_value(known, &rest)) {
        return Err(again("what is said about the request"));
    }
    Ok(())
}

/// As it is, or percent-encoded.
fn is_in(known: &Known, text: &[u8]) -> bool {
    let encoded = text.contains(&b'%') || text.contains(&b'+');
    let decoded =
        || known.is_in(&percent_decode(text).collect::<Vec<_>>()) || known.is_in(&pairs::decode(text));
    known.is_in(text) || encoded && decoded()
}

fn is_in_body(known: &Known, body: &Bytes) -> bool {
    if is_in(known, &body.0) {
        return true;
    }
    let mut found = false;
    let mut look = |path: &[json::Step], scalar: json::Scalar<'_>| {
        let in_path =
            |step: &json::Step| matches!(step, json::Step::Member(name) if is_in(known, name.as_bytes()));
        let in_text = matches!(scalar, json::Scalar::Text(text) if is_in(known, text.as_bytes()));
        found |= in_text || path.iter().any(in_path);
        None
    };
    // What is no JSON was looked at as it is.
    let _ = json::replace(body::text(body).unwrap_or_default(), &mut look);
    found
}

/// All but the request and the fixed words.
fn rest(entry: &Entry) -> Option<Value> {
    let mut rest = Entry { request: Request::default(), lost: Vec::new(), ..entry.clone() };
    if let Some(source) = &mut rest.source {
        source.kind.clear();
    }
    serde_json::to_value(rest).ok()
}

fn is_in_value(known: &Known, value: &Value) -> bool {
    match value {
        Value::String(text) => is_in(known, text.as_bytes()),
        Value::Array(elements) => elements.iter().any(|value| is_in_value(known, value)),
        Value::Object(members) => members.values().any(|value| is_in_value(known, value)),
        _ => false,
    }
}

/// Names and numbers, which only in claims come from a source.
fn is_in_names(known: &Known, value: &Value) -> bool {
    match value {
        Value::Array(elements) => elements.iter().any(|value| is_in_names(known, value)),
        Value::Object(members) => {
            members.iter().any(|(name, value)| is_in(known, name.as_bytes()) || is_in_names(known, value))
        }
        Value::Number(number) => known.is_in(number.to_string().as_bytes()),
        _ => false,
    }
}
