//! Messages that are none of their version, and headers that say something else than the body.

use countersign_core::denial::Reason;
use countersign_core::facts::RequestFacts;
use serde_json::{Value, json};

use crate::fixture::with_header;
use crate::mcp::{LATEST, call, denied, goes_on, modern, post, read, rpc};

/// Version, body, reason, status and code of the error.
type Case = (&'static str, String, Reason, u16, i64);

fn with(change: impl Fn(&mut Value)) -> String {
    let mut body = call("x", json!({}));
    change(&mut body);
    body.to_string()
}

fn of_another_version() -> Vec<Case> {
    vec![
        ("2025-06-18", json!([rpc("ping", json!({}))]).to_string(), Reason::BadMessage, 400, -32600),
        ("", "[]".into(), Reason::BadMessage, 400, -32600),
        (
            "",
            json!([rpc("ping", json!({})), rpc("ping", json!({}))]).to_string(),
            Reason::BadMessage,
            400,
            -32600,
        ),
        ("", json!([rpc("initialize", json!({}))]).to_string(), Reason::BadMessage, 400, -32600),
        ("2025-11-25", rpc("tools/steal", json!({})).to_string(), Reason::NoRoute, 200, -32601),
        ("2025-11-25", rpc("server/discover", json!({})).to_string(), Reason::NoRoute, 200, -32601),
        ("2025-11-25", rpc("tasks/list", json!({})).to_string(), Reason::NoRoute, 200, -32601),
        ("2024-11-05", rpc("ping", json!({})).to_string(), Reason::UnsupportedVersion, 400, -32022),
        (LATEST, call("x", json!({})).to_string(), Reason::BadMessage, 400, -32600),
        (
            LATEST,
            json!({"jsonrpc": "2.0", "id": 1, "result": {}}).to_string(),
            Reason::BadMessage,
            400,
            -32600,
        ),
    ]
}

fn malformed() -> Vec<Case> {
    vec![
        ("2025-11-25", with(|body| body["id"] = Value::Null), Reason::BadMessage, 400, -32600),
        ("2025-11-25", with(|body| body["id"] = json!(1.5)), Reason::BadMessage, 400, -32600),
        ("2025-11-25", with(|body| body["jsonrpc"] = json!("1.0")), Reason::BadMessage, 400, -32600),
        ("2025-11-25", with(|body| body["result"] = json!({})), Reason::BadMessage, 400, -32600),
        ("2025-11-25", with(|body| body["extra"] = json!(1)), Reason::BadMessage, 400, -32600),
        ("2025-11-25", with(|body| body["params"] = json!([])), Reason::BadMessage, 400, -32600),
        ("2025-11-25", with(|body| body["Method"] = json!("ping")), Reason::Ambiguous, 400, -32700),
        ("2025-11-25", r#"{"jsonrpc":"2.0","id":1,"Method":"ping"}"#.into(), Reason::Ambiguous, 400, -32700),
        (
            "2025-11-25",
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"x"}"#.into(),
            Reason::Ambiguous,
            400,
            -32700,
        ),
        ("2025-11-25", "{} {}".into(), Reason::BadFact, 400, -32700),
    ]
}

#[test]
fn what_is_no_message_of_the_version_is_refused() {
    let cases = of_another_version().into_iter().chain(malformed());
    for (version, body, reason, status, code) in cases {
        let facts = RequestFacts { body: Some(body.clone().into()), ..post(version, &Value::Null) };
        let reply = denied(facts);
        assert_eq!((reply.reason, reply.status), (reason, status), "{version} {body}: {}", reply.body);
        let answer = read(&reply);
        let answer = answer.get(0).unwrap_or(&answer);
        match answer.get("error") {
            Some(error) => assert_eq!(error["code"], code, "{version} {body}"),
            None => assert_eq!(answer["code"], "bad_message", "{version} {body}"),
        }
    }
    let unknown = read(&denied(post("1900-01-01", &rpc("ping", json!({})))));
    assert_eq!(unknown["error"]["data"]["requested"], "1900-01-01");
    assert_eq!(unknown["error"]["data"]["supported"][0], LATEST);
}

#[test]
fn headers_say_what_the_body_says() {
    let good = modern(&call("create_issue", json!({"title": "t", "region": "eu"})), "create_issue");
    assert!(goes_on(with_header(good.clone(), "mcp-param-region", "eu")));
    let without = |name: &str| {
        let mut facts = with_header(good.clone(), "mcp-param-region", "eu");
        facts.headers.retain(|(key, _)| key != name.as_bytes());
        facts
    };
    let with = |name: &str, value: &str| with_header(without(name), name, value);
    let wrong = [
        without("mcp-method"),
        without("mcp-name"),
        without("mcp-param-region"),
        without("mcp-protocol-version"),
        with("mcp-method", "tools/list"),
        with("mcp-method", "Tools/Call"),
        with("mcp-name", "drop"),
        with("mcp-name", "=?base64?ZHJvcA==?="),
        with("mcp-name", "=?base64?%%%?="),
        with("mcp-param-region", "us"),
        with("mcp-protocol-version", "2025-11-25"),
        // Older versions have no such headers, and a gateway may route by them all the same.
        with_header(post("2025-06-18", &call("x", json!({}))), "mcp-name", "y"),
        with_header(post("2025-06-18", &call("x", json!({}))), "mcp-method", "ping"),
    ];
    for facts in wrong {
        let shown = format!("{:?}", facts.headers);
        let reply = denied(facts);
        assert_eq!((reply.reason, reply.status), (Reason::HeaderMismatch, 400), "{shown}: {}", reply.body);
        let answer = read(&reply);
        assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(-32020), &json!(7)));
    }
    assert!(goes_on(with("mcp-name", "=?base64?Y3JlYXRlX2lzc3Vl?=")));
}
