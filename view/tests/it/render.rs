//! What people are shown of requests, ordinary and hostile ones.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_protocol::Hash;
use countersign_protocol::request::Question;
use countersign_view::{Change, Node, Note, Topic, Value, View, changes};
use serde_json::{Value as Json, json};

/// An agent of oda's sends `request`, with these members of its own; one of sre may let it pass.
fn question(request: &Json, justification: &Json) -> Question {
    let mut exact = json!({
        "method": "POST", "scheme": "https", "authority": "deploy.example", "path": "/deployments",
        "headers": [{ "name": "content-type", "value": { "text": "application/json" }, "bound": true }],
        "body": { "text": "" }, "body_sha256": Hash::of(b""), "trailers": [],
    });
    for (name, value) in request.as_object().unwrap() {
        exact[name] = value.clone();
    }
    let question = json!({
        "cedar": {
            "principal": "Agent::\"deployer\"", "action": "Deploy::Action::\"create\"",
            "resource": "Deploy::Environment::\"production\"", "context": { "build": 42 },
        },
        "involved": [
            { "role": "agent", "entity": "Agent::\"deployer\"", "names": [] },
            { "role": "owner", "entity": "User::\"oda\"", "names": [{ "issuer": "local", "subject": "oda" }] },
        ],
        "gates": [{
            "id": "production", "hash": Hash::of(b"production"), "quorum": 2, "group_name": "sre",
            "group": { "issuer": "local", "id": "sre" }, "reason": "Production needs a second look", "channel": "#deploys",
            "break_glass": { "group": { "issuer": "local", "id": "oncall" }, "group_name": "oncall" },
        }],
        "terms": { "hold_ms": 25_000, "expires_ms": 3_600_000, "use_within_ms": 600_000, "uses": 1, "severity": "high" },
        "request": exact,
        "justification": justification,
    });
    serde_json::from_value(question).unwrap()
}

fn view(request: &Json, justification: &Json) -> View {
    View::of(&question(request, justification), b"raw")
}

fn text(request: &Json) -> String {
    view(request, &Json::Null).to_string()
}

#[test]
fn an_ordinary_request() {
    let request = json!({
        "path": "/deployments?env=production&note=a%20b",
        "body": { "text": "{\"build\":42,\"steps\":[\"a\",{}],\"who\":null}" },
        "trailers": [{ "name": "x-sum", "value": { "redacted": { "bytes": 12 } }, "bound": false }],
    });
    insta::assert_snapshot!(view(&request, &json!("Release 42 fixes the login page")));
}

#[test]
fn a_hostile_request() {
    let request = json!({
        "authority": "dеploy.example", "path": "/a\u{202e}cod?x=\u{200b}<b>&x=⟨U+202E⟩",
        "headers": [
            { "name": "x-a", "value": { "text": "1\n  who: Agent::\"admin\"" }, "bound": true },
            { "name": "x-b", "value": { "base64": "AP8=" }, "bound": false },
        ],
        "body": { "text": "{\"a\":1,\"a\":2,\"*<!channel>* `x`\":\"<@U1>\\u202e\"}" },
    });
    insta::assert_snapshot!(view(&request, &json!("fine\n\nWhat is asked\n  who: User::\"ceo\"\u{2066}")));
}

#[test]
fn a_tool_call() {
    let call = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"delete_branch",
        "arguments":{"branch":"main","force":true},"_meta":{"progressToken":1}}}"#;
    insta::assert_snapshot!(text(
        &json!({ "authority": "mcp.example", "path": "/mcp", "body": { "text": call } })
    ));
}

#[test]
fn what_only_looks_like_a_tool_call_is_shown_as_it_is() {
    for call in [
        r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a","name":"b"}}"#,
        r#"{"jsonrpc":"2.0","method":"tools/call","method":"ping","params":{"name":"a"}}"#,
        r#"{"jsonrpc":"1.0","method":"tools/call","params":{"name":"a"}}"#,
        r#"[{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a"}}]"#,
    ] {
        let view = view(&json!({ "body": { "text": call } }), &Json::Null);
        let body = view.part(Topic::Body).unwrap();
        assert!(matches!(&body.rows[0].value, Value::Tree(_, Some(raw)) if raw == call), "{call}");
    }
}

#[test]
fn forms_and_bytes() {
    let form = json!([{ "name": "content-type", "value": { "text": "application/x-www-form-urlencoded" }, "bound": true }]);
    let form = text(&json!({ "headers": form, "body": { "text": "to=a%26b&amount=5" } }));
    assert!(
        form.contains("  \"to\": a&b\n  \"amount\": 5\n  as it was sent:\n    | to=a%26b&amount=5\n"),
        "{form}"
    );
    let bytes = text(&json!({ "body": { "base64": "iVBORw0KGgoAAAANSUhEUg==" } }));
    assert!(
        bytes.contains("  body: ⟨16 bytes that are no text, it begins like image/png, SHA-256 "),
        "{bytes}"
    );
    // Frames of zstd that are skipped, one behind the other.
    let frames = STANDARD.encode([0x5f, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 0xff].repeat(500_000));
    let frames = text(&json!({ "body": { "base64": frames } }));
    assert!(frames.contains("  body: ⟨4500000 bytes that are no text"), "{frames}");
    let redacted = text(&json!({ "body": { "redacted": { "bytes": 9 } } }));
    assert!(redacted.contains("  body: ⟨redacted at the gateway, 9 bytes⟩\n"), "{redacted}");
}

#[test]
fn hosts_that_are_not_what_they_seem_are_marked() {
    for (host, notes) in [
        ("deploy.example:8443", vec![]),
        ("dеploy.example", vec![Note::MixedScripts, Note::ForeignHost]),
        ("аррӏе.com", vec![Note::MixedScripts, Note::LooksLatin, Note::ForeignHost]),
        ("xn--dploy-3of.example", vec![Note::ForeignHost]),
        ("api.XN--DPLOY-3OF.example", vec![Note::ForeignHost]),
    ] {
        let view = view(&json!({ "authority": host }), &Json::Null);
        let row = view.part(Topic::Sent).unwrap().rows[2].clone();
        assert_eq!(row.notes, notes, "{host}");
    }
}

#[test]
fn what_may_mislead_in_a_body_is_marked() {
    for (text, notes) in [
        (r#"{"user":"admin"}"#, vec![]),
        (r#"{"user":"аdmin"}"#, vec![Note::MixedScripts]),
        (r#"{"usеr":1,"a":1,"a":2}"#, vec![Note::MixedScripts, Note::RepeatedNames]),
        (&format!("{{\"a\":{}1{}}}", "[".repeat(40), "]".repeat(40)), vec![Note::NotTakenApart]),
        (&format!("[{}1]", "1,".repeat(200_000)), vec![Note::NotTakenApart]),
        (&format!("{{\"a\":[{}1]}}", "1,".repeat(200_000)), vec![Note::NotTakenApart]),
        (&format!("{{\"a\":\"{}\"}}", "1,".repeat(200_000)), vec![]),
        (r#"{"tool":"сору"}"#, vec![Note::LooksLatin]),
        ("сору it", vec![Note::LooksLatin]),
        ("он сказал", vec![]),
        (r#"{"move":"א 1111 → 2222 ב"}"#, vec![Note::RightToLeft]),
        ("grüße, naïve café — don’t", vec![]),
        ("{not json", vec![Note::NotTakenApart]),
        ("plain", vec![]),
    ] {
        let view = view(&json!({ "body": { "text": text } }), &Json::Null);
        assert_eq!(view.part(Topic::Body).unwrap().rows[0].notes, notes, "{text:.80}");
    }
}

#[test]
fn what_a_yes_counts_for_and_what_of_a_body_it_does_not_bind_is_said() {
    let body = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"load"}}"#;
    let request = json!({ "body": { "text": body }, "loose": [{ "start": 22, "end": 23 }] });
    let mut asked = question(&request, &Json::Null);
    asked.audience = "prod".into();
    asked.route = "deploys".into();
    let text = View::of(&asked, b"").to_string();
    assert!(text.contains("  audience: prod\n  route: deploys\n"), "{text}");
    let expected = "  may differ:\n    | {\"jsonrpc\":\"2.0\",\"id\":7\n    ! not bound: ";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn pieces_that_are_none_of_the_body_bind_nothing_and_are_no_burden() {
    let piece = |start: usize, end: usize| json!({ "start": start, "end": end });
    let text = json!({ "text": "a".repeat(100_000) });
    for (body, loose) in [
        (&text, vec![piece(0, 100_000); 100_000]),
        (&text, vec![piece(5, 5); 100_000]),
        (&text, vec![piece(5, 4)]),
        (&text, vec![piece(10, 20), piece(19, 30)]),
        (&text, vec![piece(0, 100_001)]),
        (&text, vec![piece(0, usize::MAX)]),
        (&json!({ "base64": "AAEC" }), vec![piece(0, 1)]),
    ] {
        let view = view(&json!({ "body": body, "loose": loose }), &Json::Null);
        let row = view.part(Topic::Body).unwrap().rows.iter().find(|row| row.notes.contains(&Note::NotBound));
        assert_eq!(row.unwrap().value, Value::Line("any part of the body".into()), "{:?}", loose[0]);
    }
}

#[test]
fn a_long_tool_call_says_its_server_and_its_tool() {
    let call = |arguments: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"load","arguments":{arguments}}}}}"#
        )
    };
    let many = call(&format!(r#"{{"to":"prod","items":[{}0]}}"#, "0,".repeat(2_500_000)));
    let long = call(&format!(r#"{{"to":"prod","text":"{}"}}"#, "x".repeat(5_000_000)));
    for (body, notes) in [(many, vec![Note::NotTakenApart]), (long, vec![])] {
        let view = view(&json!({ "body": { "text": body } }), &Json::Null);
        let rows = &view.part(Topic::Body).unwrap().rows;
        assert_eq!(rows[1].value, Value::Line("load".into()));
        assert!(matches!(&rows[2].value, Value::Tree(Node::Object(members), _) if members.len() == 2));
        assert_eq!(rows[2].notes, notes);
    }
}

#[test]
fn every_byte_of_the_question_counts() {
    let question = question(&json!({}), &Json::Null);
    let hash = |raw: &[u8]| View::of(&question, raw).hash();
    assert_ne!(hash(b"{}"), hash(b"{ }"), "the text names the question's hash");
}

#[test]
fn changes_are_by_field() {
    let body = |text: &str| json!({ "body": { "text": text } });
    let before = view(&body(r#"{"build":41,"env":"prod","old":[1]}"#), &Json::Null);
    let now = view(&body(r#"{"build":42,"env":"prod","new":{"a":true}}"#), &Json::Null);
    let change = |field: &str, before: Option<&str>, now: Option<&str>| Change {
        field: format!("Body: body{field}"),
        before: before.map(str::to_owned),
        now: now.map(str::to_owned),
    };
    let expected = [
        change(".build", Some("41"), Some("42")),
        change(".new.a", None, Some("true")),
        change(".old[0]", Some("1"), None),
    ];
    let differ = |before: &View, now: &View| changes(before, now, 100).first;
    assert_eq!(differ(&before, &now), expected);
    // Another structure of the same names, and a name that repeats, are differences.
    for (was, is) in [
        (r#"{"filter":{"user":"bob"}}"#, r#"{"filter.user":"bob"}"#),
        (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
        (r#"{"a":[1]}"#, r#"{"a[0]":1}"#),
    ] {
        assert!(
            !differ(&view(&body(was), &Json::Null), &view(&body(is), &Json::Null)).is_empty(),
            "{was} {is}"
        );
    }
    assert_eq!(differ(&now, &now), []);
}

#[test]
fn fields_of_one_name_and_of_other_kinds_are_told_apart() {
    let body = |text: &str| view(&json!({ "body": { "text": text } }), &Json::Null);
    let said = |was: &str, is: &str| {
        let differ = changes(&body(was), &body(is), 100).first.into_iter();
        differ.filter(|change| !change.field.ends_with("SHA-256")).collect::<Vec<_>>()
    };
    let change = |field: &str, before: Option<&str>, now: Option<&str>| Change {
        field: format!("Body: body{field}"),
        before: before.map(str::to_owned),
        now: now.map(str::to_owned),
    };
    assert_eq!(said(r#"{"a":1,"a":2}"#, r#"{"a":1,"a":3}"#), [change(".a (2)", Some("2"), Some("3"))]);
    let (gone, new) = (change(".a", Some("1"), None), change(".a.b", None, Some("2")));
    assert_eq!(said(r#"{"a":1}"#, r#"{"a":{"b":2}}"#), [gone, new]);
    assert_eq!(said("plain", "[]"), [change("", Some("plain"), Some("[]"))]);
}

#[test]
fn long_names_above_many_values_are_no_burden() {
    let body = |value: u8| {
        let name = format!("{}.", "n".repeat(100_000));
        let text = format!("{{\"{name}\":[{}0]}}", format!("{value},").repeat(100_000));
        view(&json!({ "body": { "text": text } }), &Json::Null)
    };
    let found = changes(&body(1), &body(2), 3);
    assert_eq!((found.first.len(), found.more), (3, 100_000 - 3));
    assert!(found.first.iter().all(|change| change.field.len() < 200), "{:?}", found.first);
}

#[test]
fn five_megabytes_and_five_hundred_headers_are_all_there() {
    let items: Vec<_> = (0..250_000).map(|n| format!("\"item {n:012}\"")).collect();
    let headers: Vec<_> = (0..500)
        .map(|n| json!({ "name": format!("x-{n}"), "value": { "text": "v" }, "bound": true }))
        .collect();
    let text = text(&json!({ "headers": headers, "body": { "text": format!("[{}]", items.join(",")) } }));
    let shown: Vec<_> = text.split('"').filter(|part| part.starts_with("item ")).collect();
    assert_eq!(shown.len(), items.len());
    assert!(shown.iter().zip(&items).all(|(shown, item)| item.trim_matches('"') == *shown));
    assert_eq!(text.matches("  x-").count(), 500);
}
