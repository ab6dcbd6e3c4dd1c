//! The body of a request in a HAR: `postData`, in the ways in which it is written.

use countersign_protocol::recording::lost;
use serde_json::Value;

use super::{pairs, text};
use crate::body::{from_base64, from_text};
use crate::draft::Draft;

/// Reads `postData` of `request` into `draft`.
pub(super) fn take(draft: &mut Draft, request: &Value) {
    let body = request
        .get("postData")
        .filter(|data| data.is_object())
        .and_then(|data| written(draft, request, data));
    draft.take_body(body);
    if draft.request.body.is_some() {
        draft.lose(lost::CHUNKS);
        draft.lose(lost::TRAILERS);
    }
}

fn written(draft: &mut Draft, request: &Value, data: &Value) -> Option<Vec<u8>> {
    let written = text(data, "/text");
    let is_base64 = ["/encoding", "/_encoding"].iter().any(|member| text(data, member) == "base64");
    if is_base64 {
        let bytes = from_base64(written);
        if bytes.is_none() {
            draft.lose(lost::BODY);
        }
        return bytes;
    }
    if !written.is_empty() {
        return Some(from_text(written, draft.content_length().or_else(|| length(request, written))));
    }
    from_params(draft, data)
}

/// `bodySize`, where it can be the length of `written`; Chromium counts what it wrote, mitmproxy what was sent.
fn length(request: &Value, written: &str) -> Option<usize> {
    let size = usize::try_from(request.get("bodySize")?.as_i64()?).ok()?;
    (size == written.chars().count()).then_some(size)
}

/// A form of which only the fields are there: encoded if that fits the length, else as they are.
fn from_params(draft: &mut Draft, data: &Value) -> Option<Vec<u8>> {
    let params = pairs(data, "params");
    if params.is_empty() {
        return None;
    }
    let kind = text(data, "/mimeType");
    if !kind.is_empty() && !kind.starts_with("application/x-www-form-urlencoded") {
        draft.lose(lost::BODY);
        return None;
    }
    let raw: Vec<_> = params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let raw = raw.join("&").into_bytes();
    let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(&params).finish().into_bytes();
    draft.lose(lost::BODY_BYTES);
    let fits = draft.content_length() == Some(raw.len()) && raw.is_ascii();
    Some(if fits { raw } else { encoded })
}
