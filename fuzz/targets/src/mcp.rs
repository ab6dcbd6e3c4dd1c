//! Messages of the Model Context Protocol: none that policy gates or forbids goes on, and no answer in place of the
//! server's looks like a success.

use countersign_core::life::{Next, Reply};
use serde_json::Value;

use crate::decide::world;
use crate::message::fields;
use crate::world::request;

/// An input is header fields, an empty line and the body.
pub(crate) fn run(input: &[u8]) -> bool {
    let (more, body) = fields(input);
    let known: [(&str, &[u8]); 2] = [("x-agent", b"robot"), ("content-type", b"application/json")];
    let mut facts = request("POST", b"/mcp", &known, body);
    facts.headers.extend(more);
    let decide = || world().decide(facts.clone()).next;
    let next = decide();
    assert_eq!(format!("{next:?}"), format!("{:?}", decide()), "two answers to one request");
    let on = matches!(next, Next::Continue(_));
    match next {
        Next::Continue(_) => assert!(is_harmless(body), "went on without a yes"),
        Next::Reply(reply) => check(&reply, body),
        Next::Ask(..) => assert!(!is_harmless(body), "people are asked for nothing"),
        other => panic!("neither a yes nor a no nor a question: {other:?}"),
    }
    on
}

/// Whether policy permits all messages without a person.
pub(crate) fn is_harmless(body: &[u8]) -> bool {
    match serde_json::from_slice(body) {
        Ok(Value::Array(all)) => all.iter().all(is_permitted),
        Ok(one) => is_permitted(&one),
        Err(_) => false,
    }
}

fn is_permitted(message: &Value) -> bool {
    let params = &message["params"];
    match message["method"].as_str() {
        Some("tools/call") => match params["name"].as_str() {
            Some("drop" | "merge") | None => false,
            Some("create_issue") => {
                params["arguments"]["title"].as_str().is_some_and(|title| !title.contains("secret"))
            }
            Some(_) => true,
        },
        Some("resources/read") => params["uri"] == "file:///readme",
        Some("prompts/list") => false,
        _ => message.is_object(),
    }
}

/// That an answer is a failure to everybody who waits for one, and JSON-RPC where the status says nothing.
fn check(reply: &Reply, body: &[u8]) {
    let answer: Value = serde_json::from_str(&reply.body).expect("an answer is JSON");
    if reply.status >= 400 && answer.get("jsonrpc").is_none() && !answer.is_array() {
        return;
    }
    let all = answer.as_array().map_or(std::slice::from_ref(&answer), Vec::as_slice);
    assert!(!all.is_empty(), "nothing is answered");
    for one in all {
        assert_eq!(one["jsonrpc"], "2.0", "{one}");
        assert!(one["result"]["isError"] == true || one["error"]["code"].is_i64(), "a success: {one}");
        if let Some(id) = one.get("id").filter(|id| !id.is_null()) {
            assert!(asked(body).contains(id), "nobody waits for {id}");
        }
    }
}

/// The ids of all messages.
fn asked(body: &[u8]) -> Vec<Value> {
    match serde_json::from_slice(body) {
        Ok(Value::Array(all)) => all.iter().map(|one| one["id"].clone()).collect(),
        Ok(one) => vec![one["id"].clone()],
        Err(_) => Vec::new(),
    }
}
