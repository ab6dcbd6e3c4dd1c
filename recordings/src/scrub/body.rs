//! What a body is, and whether secrets can be looked for in it.

use countersign_protocol::recording::{Bytes, Entry};

use super::json;
use super::secrets::Secrets;
use crate::head::values;

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    Form,
    Multipart,
    Other,
    /// It says two things.
    Unclear,
}

/// What the body of `entry` is: what it says, or JSON when it says nothing and is.
pub(super) fn kind(entry: &Entry) -> Kind {
    let mut said = values(&entry.request.headers, "content-type").map(<[u8]>::to_ascii_lowercase);
    let (first, more) = (said.next().unwrap_or_default(), said.next());
    let first = String::from_utf8_lossy(&first);
    let media_type = first.split(';').next().unwrap_or_default().trim();
    match media_type {
        _ if more.is_some() => Kind::Unclear,
        "application/x-www-form-urlencoded" => Kind::Form,
        _ if media_type.starts_with("multipart/") => Kind::Multipart,
        _ if media_type.contains("json") || is_json(entry) => Kind::Json,
        _ => Kind::Other,
    }
}

fn is_json(entry: &Entry) -> bool {
    let text = entry.request.body.as_ref().and_then(text).unwrap_or_default();
    json::is_json(text)
}

/// A body as text.
pub(super) fn text(body: &Bytes) -> Option<&str> {
    str::from_utf8(&body.0).ok()
}

/// Whether secrets can be looked for in the body. The error says why not and what to do.
pub(super) fn readable(entry: &Entry, secrets: &Secrets) -> Result<(), String> {
    let Some(body) = entry.request.body.as_ref().filter(|body| !body.0.is_empty()) else { return Ok(()) };
    match unreadable(entry, body, secrets) {
        Some(why) => Err(format!("{why}: leave the entry out, or have such bodies taken out")),
        None => Ok(()),
    }
}

fn unreadable(entry: &Entry, body: &Bytes, secrets: &Secrets) -> Option<String> {
    if !entry.is_whole() {
        return Some("its body is not whole, and a secret could be cut".into());
    }
    if values(&entry.request.headers, "content-encoding")
        .any(|value| !value.eq_ignore_ascii_case(b"identity"))
    {
        return Some("its body has a content encoding, in which nothing can be found".into());
    }
    match kind(entry) {
        Kind::Json if text(body).is_none_or(|text| json::replace(text, &mut |_, _| None).is_err()) => {
            Some("its body says that it is JSON and is not, or is nested too deep".into())
        }
        Kind::Json => named_in_json(text(body)?, secrets),
        Kind::Multipart => part_names(&body.0)
            .find(|name| secrets.is_parameter(name))
            .map(|name| format!("the part `{name}` of its multipart body is secret by its name")),
        Kind::Other => secrets.named_in(text(body)?).map(named),
        Kind::Unclear => Some("its body says twice what it is".into()),
        Kind::Form => None,
    }
}

fn named(name: &str) -> String {
    format!("its body names a `{name}` in a text in which nobody can tell how long its value is")
}

/// A secret's name in a string that is no JSON itself.
fn named_in_json(text: &str, secrets: &Secrets) -> Option<String> {
    let mut found = None;
    let mut look = |path: &[json::Step], scalar: json::Scalar<'_>| {
        if let json::Scalar::Text(text) = scalar
            && !secrets.is_at(path)
            && found.is_none()
        {
            found = match json::is_json(text) {
                true => named_in_json(text, secrets),
                false => secrets.named_in(text).map(named),
            };
        }
        None
    };
    // What is no JSON was refused before.
    let _ = json::replace(text, &mut look);
    found
}

/// The names of the parts (RFC 7578), as far as a name can be told from what is around it.
fn part_names(body: &[u8]) -> impl Iterator<Item = String> {
    const NAME: &[u8] = b"name=";
    let starts = body.windows(NAME.len()).enumerate().filter(|(_, window)| window.eq_ignore_ascii_case(NAME));
    starts.filter_map(|(at, _)| {
        let value = body.get(at + NAME.len()..)?;
        let value = value.strip_prefix(b"\"").unwrap_or(value);
        let end = value.iter().position(|byte| b"\";\r\n".contains(byte)).unwrap_or(value.len());
        Some(String::from_utf8_lossy(value.get(..end)?).into_owned())
    })
}
