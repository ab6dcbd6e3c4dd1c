//! The bytes of a body by which a client tells its requests apart: an approval does not bind them, or no request that
//! is sent again would be the same.

use std::ops::Range;

use serde_json::value::RawValue;

use super::pieces::{Pairs, one_or_many, range};

/// Members of `params._meta` that are new each time: where progress is reported to, and trace contexts.
const META: [&str; 4] = ["progressToken", "traceparent", "tracestate", "baggage"];

/// The longest value that is not bound, bytes as written: as much as a `tracestate` may have (Trace Context, section
/// 3.3.1.5). What is not bound can be other than what people saw, so it must not be able to say much.
const LONGEST: usize = 512;

/// The ranges of such values, in order, in a body that was read as messages. A value that is neither a string nor a
/// number, or is long, is bound.
pub(super) fn loose(body: &[u8]) -> Vec<Range<usize>> {
    let all = str::from_utf8(body).ok().and_then(one_or_many).unwrap_or_default();
    let found = all.into_iter().flat_map(of_message).filter(|raw| is_short_scalar(raw));
    let mut ranges: Vec<_> = found.filter_map(|raw| range(body, raw)).collect();
    ranges.sort_by_key(|range| range.start);
    ranges
}

fn of_message(message: &RawValue) -> Vec<&RawValue> {
    let Some(members) = Pairs::of(message) else { return Vec::new() };
    // The id of a response is the server's.
    let own = members.get("method").and_then(|_| members.get("id"));
    let meta = members.get("params").and_then(Pairs::of).and_then(|params| params.get("_meta"));
    let meta = meta.and_then(Pairs::of);
    let meta = meta.iter().flat_map(|meta| META.into_iter().filter_map(|name| meta.get(name)));
    own.into_iter().chain(meta).collect()
}

fn is_short_scalar(raw: &RawValue) -> bool {
    raw.get().len() <= LONGEST
        && raw.get().starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit())
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
    fn what_is_long_is_bound() {
        let id = |length: usize| format!(r#"{{"id":"{}","method":"x"}}"#, "a".repeat(length - 2));
        assert_eq!(left(&id(LONGEST)), r#"{"id":,"method":"x"}"#);
        assert_eq!(left(&id(LONGEST + 1)), id(LONGEST + 1));
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
            (
                r#"[{"id":1,"method":"a"}, {"id":2,"method":"b"}]"#,
                r#"[{"id":,"method":"a"}, {"id":,"method":"b"}]"#,
            ),
            (r#"{"id":1,"result":{}}"#, r#"{"id":1,"result":{}}"#),
            (
                r#"{"id":1,"method":"x","params":{"_meta":{"progressToken":{"a":1}}}}"#,
                r#"{"id":,"method":"x","params":{"_meta":{"progressToken":{"a":1}}}}"#,
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(left(body), expected);
        }
    }
}
