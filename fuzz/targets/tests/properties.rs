//! What core takes from a request is what others find in it: for requests that are mostly accepted, of every shape.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use countersign_fuzz_targets::run;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value};

/// A value whose keys no two parsers take for one another.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
        any::<String>().prop_map(Value::from),
        "[a-z~/.: \"\\\\]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let key = prop_oneof![4 => "[a-z~/.:0-9]{0,4}", 1 => "[あ-ん\"\\\\ #&*!]{1,3}"];
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::Array),
            vec((key, inner), 0..6).prop_map(|members| Value::Object(Map::from_iter(members))),
            vec("[a-z]{0,3}".prop_map(Value::from), 0..4).prop_map(Value::Array),
        ]
    })
}

/// The same value in other words: with other white space, and with escapes where none are needed.
fn written(value: &Value, spaced: bool, escaped: bool) -> String {
    let text = if spaced { serde_json::to_string_pretty(value).unwrap() } else { value.to_string() };
    let other = |c: char| {
        if escaped && "あいaz".contains(c) { format!("\\u{:04x}", u32::from(c)) } else { c.into() }
    };
    let mut inside = false;
    let mut before = ' ';
    let each = text.chars().map(|c| {
        inside ^= c == '"' && before != '\\';
        // Of two backslashes, the second escapes nothing.
        let plain = before == '\\';
        before = if c == '\\' && plain { ' ' } else { c };
        if inside && !plain { other(c) } else { c.to_string() }
    });
    each.collect()
}

proptest! {
    #[test]
    fn what_is_taken_from_a_body_is_what_stands_there(value in json(), spaced in any::<bool>(), escaped in any::<bool>()) {
        let body = written(&value, spaced, escaped);
        prop_assert_eq!(&serde_json::from_str::<Value>(&body).unwrap(), &value);
        prop_assert!(run("json", body.as_bytes()), "{} is refused", body);
    }

    #[test]
    fn a_body_with_a_key_twice_is_refused(value in json(), key in "[a-z]{1,3}", upper in any::<bool>()) {
        let other = if upper { key.to_uppercase() } else { key.clone() };
        let body = format!("{{\"x\":[{{\"{key}\":{value},\"{other}\":1}}]}}");
        prop_assert!(!run("json", body.as_bytes()), "{} is accepted", body);
    }

    #[test]
    fn a_body_of_any_bytes_is_read_as_others_do(body in "[\\[\\]{}:,\"\\\\a-cA-C0-9eE+. -]{0,40}") {
        run("json", body.as_bytes());
    }

    #[test]
    fn the_segments_of_a_path_are_those_of_other_parsers(
        segments in vec("([a-zA-Z0-9_~!$&'()*+,=:@-]|%[4-6][1-9a-f]|%C3%A[0-9]){1,6}", 1..6), query in "(\\?[a-z=&/%.]{0,8})?",
    ) {
        let path = format!("/{}{query}", segments.join("/"));
        let refused = path.contains("%5c");
        prop_assert!(run("path", path.as_bytes()) || refused, "{} is refused", path);
    }

    #[test]
    fn a_path_of_any_bytes_is_read_as_others_do(path in "[/.;%a-c0-9\\\\?#{}|^\"<>`\\[\\]@: ]{0,24}") {
        run("path", format!("/{path}").as_bytes());
    }

    #[test]
    fn the_values_of_a_query_or_form_are_those_of_another_reader(
        pairs in vec(("(a|t%61g|tag|b|%62|c)", "([a-z0-9/.~!*:@-]|%[2-7][1-9]|%C3%A[0-9]){0,5}"), 0..6),
    ) {
        let text = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        let refused = text.contains("%25");
        prop_assert!(run("query", text.as_bytes()) || refused, "{} is refused", text);
        prop_assert!(run("form", text.as_bytes()) || refused || text.is_empty(), "{} is refused", text);
    }

    #[test]
    fn the_parts_of_a_body_are_those_of_another_reader(
        parts in vec(("(a|b|long name)", proptest::option::of("[a-z. ]{1,8}"), "[a-z\r\n-]{0,12}"), 0..5),
    ) {
        let part = |(name, file, text): &(String, Option<String>, String)| {
            let file = file.as_ref().map_or(String::new(), |file| format!("; filename=\"{file}\""));
            format!("--b.1\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{text}\r\n")
        };
        let body = parts.iter().map(part).collect::<String>() + "--b.1--\r\n";
        let input = format!("multipart/form-data; boundary=b.1\n{body}");
        prop_assert!(run("multipart", input.as_bytes()), "{:?} is refused", body);
    }
}
