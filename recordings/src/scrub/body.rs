//! What a body is, and whether secrets can be looked for in it.

use countersign_protocol::recording::{Bytes, Entry};

use super::json;
use super::secrets::Secrets;
use crate::head::value;

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    Form,
    Multipart,
    Other,
}

/// What the body of `entry` is: what it says, or JSON when it says nothing and is.
pub(super) fn kind(entry: &Entry) -> Kind {
    let said = value(&entry.request.headers, "content-type").unwrap_or_default().to_ascii_lowercase();
    let media_type = said.split(';').next().unwrap_or_default().trim();
    match media_type {
        "application/x-www-form-urlencoded" => Kind::Form,
        _ if media_type.starts_with("multipart/") => Kind::Multipart,
        _ if media_type.contains("json") || is_json(entry) => Kind::Json,
        _ => Kind::Other,
    }
}

fn is_json(entry: &Entry) -> bool {
    let text = entry.request.body.as_ref().and_then(text).unwrap_or_default();
    text.trim_start().starts_with(['{', '[']) && json::replace(text, &mut |_, _| None).is_ok()
}

/// A body as text.
pub(super) fn text(body: &Bytes) -> Option<&str> {
    str::from_utf8(&body.0).ok()
}

/// Whether secrets can be looked for in the body. The error says why not and what to do.
pub(super) fn readable(entry: &Entry, secrets: &Secrets) -> Result<(), String> {
    let Some(body) = entry.request.body.as_ref().filter(|body| !body.0.is_empty()) else { return Ok(()) };
    let encoding = value(&entry.request.headers, "content-encoding").unwrap_or("identity");
    let why = if !entry.is_whole() {
        "its body is not whole, and a secret could be cut"
    } else if !encoding.eq_ignore_ascii_case("identity") {
        "its body has a content encoding, in which nothing can be found"
    } else {
        match kind(entry) {
            Kind::Json if text(body).is_none_or(|text| json::replace(text, &mut |_, _| None).is_err()) => {
                "its body says that it is JSON and is not, or is nested too deep"
            }
            Kind::Multipart if secrets.names().any(|name| has_part(&body.0, name)) => {
                "a part of its multipart body is secret by its name"
            }
            _ => return Ok(()),
        }
    };

    Err(format!("{why}: leave the entry out, or have such bodies taken out"))
}

/// Whether a part of this name is there (RFC 7578).
fn has_part(body: &[u8], name: &str) -> bool {
    let body = body.to_ascii_lowercase();
    let forms = [format!("name=\"{name}\""), format!("name={name}\r"), format!("name={name};")];
    forms.iter().any(|form| body.windows(form.len()).any(|window| window == form.as_bytes()))
}
