//! One request of a cassette.

use countersign_protocol::recording::{Fidelity, Request, lost};
use serde_json::Value;

use super::node::BINARY;
use crate::body::from_base64;
use crate::draft::Draft;
use crate::head::Head;
use crate::time;

/// Who wrote the cassette.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `vcr`, the Ruby library.
    Ruby,
    /// `vcrpy`.
    Python,
}

/// Makes a request of an interaction. The error says why there is none to replay.
pub(super) fn draft(interaction: &Value, dialect: Dialect) -> Result<Draft, String> {
    let request = interaction.get("request").ok_or("it has no request")?;
    let text = |name: &str| request.get(name).and_then(Value::as_str).unwrap_or_default();
    let head = Head::new(&text("method").to_ascii_uppercase(), text("uri"), fields(request))?;
    let mut draft = Draft::new(Fidelity::Rebuilt, Request { headers: head.fields, ..Request::default() });
    draft.lost = head.lost;
    draft.tool = Some(match dialect {
        Dialect::Ruby => "vcr".into(),
        Dialect::Python => "vcrpy".into(),
    });
    for lost in [lost::HEADERS, lost::PEER] {
        draft.lose(lost);
    }
    if dialect == Dialect::Ruby && is_query_sorted(text("uri")) {
        draft.lose(lost::QUERY_ORDER);
    }
    let recorded = interaction.get("recorded_at").and_then(Value::as_str);
    let time = recorded.and_then(|text| time::http(text).or_else(|| Some(time::iso(text)?.0)));
    draft.at(time.or_else(|| answered(interaction)), false);
    take_body(&mut draft, request.get("body").unwrap_or(&Value::Null));
    Ok(draft)
}

/// When it was answered.
fn answered(interaction: &Value) -> Option<i64> {
    let headers = interaction.get("response")?.get("headers")?.as_object()?;
    let (_, date) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("date"))?;
    time::http(date.as_str().or_else(|| date.get(0)?.as_str())?)
}

/// Header fields: a map from name to one value or a list of values.
fn fields(request: &Value) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let headers = request.get("headers").and_then(Value::as_object);
    for (name, values) in headers.into_iter().flatten() {
        let one = std::slice::from_ref(values);
        let values = values.as_array().map_or(one, Vec::as_slice);
        fields.extend(values.iter().filter_map(|value| Some((name.clone(), field_value(value)?))));
    }
    fields
}

fn field_value(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        value => String::from_utf8(from_base64(value.get(BINARY)?.as_str()?)?).ok(),
    }
}

/// `webmock`, through which Ruby's VCR records, sorts the parameters.
fn is_query_sorted(uri: &str) -> bool {
    let Some((_, query)) = uri.split_once('?') else { return false };
    query.contains('&') && query.split('&').is_sorted()
}

fn take_body(draft: &mut Draft, body: &Value) {
    let bytes = bytes(body);
    if bytes.is_none() && !body.is_null() {
        draft.lose(lost::BODY);
    }
    let encoding = body.get("encoding").and_then(Value::as_str).unwrap_or("UTF-8");
    let exact = ["UTF-8", "US-ASCII", "ASCII-8BIT", "BINARY"].contains(&encoding);
    if !exact && body.get("base64_string").is_none() {
        draft.lose(lost::BODY_BYTES);
    }
    draft.take_body(bytes);
    if draft.request.body.is_some() {
        draft.lose(lost::CHUNKS);
        draft.lose(lost::TRAILERS);
    }
}

/// Text, binary, or Ruby's `{encoding, string}` and `{encoding, base64_string}`.
fn bytes(body: &Value) -> Option<Vec<u8>> {
    match body {
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Object(members) => {
            let base64 = members.get(BINARY).or_else(|| members.get("base64_string"));
            match base64 {
                Some(base64) => from_base64(base64.as_str()?),
                None => match members.get("string")? {
                    Value::Null => Some(Vec::new()),
                    string => bytes(string),
                },
            }
        }
        _ => None,
    }
}
