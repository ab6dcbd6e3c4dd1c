//! The bytes of a body by which a client tells its requests apart: an approval does not bind them, or no request that
//! is sent again would be the same.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::value::RawValue;

/// Members of `params._meta` that are new each time: where progress is reported to, and trace contexts.
const META: [&str; 4] = ["progressToken", "traceparent", "tracestate", "baggage"];

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// The ranges of such values, in order, in a body that was read as messages. A value that is neither a string nor a
/// number is bound.
pub(super) fn loose(body: &[u8]) -> Vec<Range<usize>> {
    let Ok(text) = str::from_utf8(body) else { return Vec::new() };
    let all: Vec<&RawValue> = match text.trim_start().starts_with('[') {
        true => serde_json::from_str(text).unwrap_or_default(),
        false => serde_json::from_str(text).map(|one| vec![one]).unwrap_or_default(),
    };
    let mut ranges: Vec<_> = all.into_iter().flat_map(of_message).filter_map(|raw| range(body, raw)).collect();
    ranges.sort_by_key(|range| range.start);
    ranges
}

fn of_message(message: &RawValue) -> Vec<&RawValue> {
    let Some(mut members) = members(message) else { return Vec::new() };
    // The id of a response is the server's.
    let mut found = Vec::from_iter(members.remove("id").filter(|_| members.contains_key("method")));
    let meta = members.get("params").and_then(|params| self::members(params)?.remove("_meta"));
    let mut meta = meta.and_then(self::members).unwrap_or_default();
    found.extend(META.into_iter().filter_map(|name| meta.remove(name)));
    found
}

fn members(raw: &RawValue) -> Option<Members<'_>> {
    serde_json::from_str(raw.get()).ok()
}

fn range(body: &[u8], raw: &RawValue) -> Option<Range<usize>> {
    let text = raw.get();
    let scalar = text.starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit());
    let start = text.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    scalar.then(|| start..start.saturating_add(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(body: &str) -> String {
        let mut rest = body.to_owned();
        for range in loose(body.as_bytes()).into_iter().rev() {
            rest.replace_range(range, "");
        }
        rest
    }

    #[test]
    fn what_is_new_each_time_is_left_out_where_it_stands() {
        let cases = [
            (r#"{"id": 7, "method":"ping"}"#, r#"{"id": , "method":"ping"}"#),
            (r#"{"id":"a\"b","method":"x","params":{"id":1}}"#, r#"{"id":,"method":"x","params":{"id":1}}"#),
            (
                r#"{"params":{"_meta":{"progressToken":1,"traceparent":"00","k":2}},"method":"x","id":-3}"#,
                r#"{"params":{"_meta":{"progressToken":,"traceparent":,"k":2}},"method":"x","id":}"#,
            ),
            (r#"[{"id":1,"method":"a"}, {"id":2,"method":"b"}]"#, r#"[{"id":,"method":"a"}, {"id":,"method":"b"}]"#),
            (r#"{"id":1,"result":{}}"#, r#"{"id":1,"result":{}}"#),
            (r#"{"id":1,"method":"x","params":{"_meta":{"progressToken":{"a":1}}}}"#,
             r#"{"id":,"method":"x","params":{"_meta":{"progressToken":{"a":1}}}}"#),
        ];
        for (body, expected) in cases {
            assert_eq!(left(body), expected);
        }
    }
}
