//! The Model Context Protocol: what each message is to policy, and what its client reads when it is not sent on.

use countersign_core::denial::Reason;
use countersign_core::facts::RequestFacts;
use countersign_core::life::{Next, Reply};
use countersign_protocol::approval::{State, Verdict};
use serde_json::{Value, json};

use crate::fixture::{World, configuration, load, reply, request, verdict, with_header};

const SCHEMA: &str = r#"
entity User;
entity Agent = { owner?: User };
namespace MCP {
  entity Server;
  entity Tool, Resource, Prompt in [Server];
  type Message = { mcp_method: String, mcp_version: String };
  action call appliesTo { principal: [Agent], resource: Tool, context: Message };
  action read appliesTo { principal: [Agent], resource: Resource, context: Message };
  action get appliesTo { principal: [Agent], resource: Prompt, context: Message };
  action list, complete, connect appliesTo { principal: [Agent], resource: Server, context: Message };
}
namespace Github {
  action create_issue in [MCP::Action::"call"] appliesTo {
    principal: [Agent], resource: MCP::Tool,
    context: { mcp_method: String, title: String, labels?: Set<String> }
  };
}
"#;

pub(crate) const POLICIES: &str = r#"
@id("talk") permit (principal, action in [MCP::Action::"connect", MCP::Action::"list", MCP::Action::"get"], resource)
unless { context.mcp_method == "prompts/list" };
@id("tools") permit (principal, action in MCP::Action::"call", resource in MCP::Server::"github");
@id("readme") permit (principal, action == MCP::Action::"read", resource == MCP::Resource::"github/file:///readme");
@id("no-secrets") forbid (principal, action == Github::Action::"create_issue", resource)
when { context.title like "*secret*" };
@id("no-drop") forbid (principal, action in MCP::Action::"call", resource == MCP::Tool::"github/drop");
@id("merge-needs-sre") @approval("sre") @hold("5m")
forbid (principal, action in MCP::Action::"call", resource == MCP::Tool::"github/merge");
@id("delete-needs-two") @approval("sre") @quorum("2")
forbid (principal, action in MCP::Action::"call", resource == MCP::Tool::"github/delete");
"#;

pub(crate) const ROUTES: &str = r#"
routes:
  - match: { host: api.test, path: /mcp }
    mcp:
      server: github
      tools:
        create_issue:
          action: Github::Action::"create_issue"
          context:
            title: { from: "arg:/title", type: String }
            labels: { from: "arg:/labels", type: Set<String>, optional: true }
          params: { region: /region }
"#;

pub(crate) fn files(policies: &str) -> Value {
    let mut whole = configuration(json!({}));
    let files = &mut whole["bundle"]["files"];
    files["a.cedarschema"] = SCHEMA.into();
    files["a.cedar"] = policies.into();
    files["routes.yaml"] = ROUTES.into();
    whole["bundle"].take()
}

pub(crate) fn world() -> World {
    World::with(json!({"bundle": files(POLICIES)}))
}

pub(crate) const LATEST: &str = "2026-07-28";

/// A POST of `body`, in `version` (none: no header).
pub(crate) fn post(version: &str, body: &Value) -> RequestFacts {
    let mut facts = with_header(request("POST", "/mcp"), "content-type", "application/json");
    if !version.is_empty() {
        facts = with_header(facts, "mcp-protocol-version", version);
    }
    facts.body = Some(body.to_string().into_bytes());
    facts
}

pub(crate) fn rpc(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
}

pub(crate) fn call(tool: &str, arguments: Value) -> Value {
    rpc("tools/call", json!({"name": tool, "arguments": arguments}))
}

/// As the latest version has it: metadata in each request, headers that mirror it.
pub(crate) fn modern(message: &Value, name: &str) -> RequestFacts {
    let mut message = message.clone();
    message["params"]["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": LATEST, "io.modelcontextprotocol/clientCapabilities": {},
    });
    let method = message["method"].as_str().unwrap().to_owned();
    let facts = with_header(post(LATEST, &message), "mcp-method", &method);
    if name.is_empty() { facts } else { with_header(facts, "mcp-name", name) }
}

pub(crate) fn read(reply: &Reply) -> Value {
    serde_json::from_str(&reply.body).unwrap()
}

pub(crate) fn denied(facts: RequestFacts) -> Reply {
    reply(world().decide(facts))
}

pub(crate) fn goes_on(facts: RequestFacts) -> bool {
    matches!(world().decide(facts).next, Next::Continue(_))
}

#[test]
fn what_policy_permits_goes_on() {
    let result = json!({"jsonrpc": "2.0", "id": 3, "result": {"action": "accept"}});
    let notification = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let cases = [
        ("", rpc("initialize", json!({"protocolVersion": "2025-11-25"}))),
        ("2025-11-25", rpc("ping", json!({}))),
        ("2025-06-18", rpc("tools/list", json!({}))),
        ("2025-06-18", rpc("prompts/get", json!({"name": "review"}))),
        ("2025-11-25", rpc("resources/read", json!({"uri": "file:///readme"}))),
        ("2025-06-18", result),
        ("2025-06-18", notification),
        ("2025-11-25", call("create_issue", json!({"title": "broken", "labels": ["bug"]}))),
        ("2025-11-25", call("anything", json!({}))),
    ];
    for (version, body) in cases {
        assert!(goes_on(post(version, &body)), "{version} {body}");
    }
    assert!(goes_on(modern(&rpc("server/discover", json!({})), "")));
    assert!(goes_on(modern(&call("create_issue", json!({"title": "broken"})), "create_issue")));
    for method in ["GET", "DELETE"] {
        assert!(goes_on(request(method, "/mcp")), "{method}");
    }
}

#[test]
fn a_denied_call_is_a_result_that_says_so() {
    for (version, facts) in [
        ("2025-06-18", post("2025-06-18", &call("drop", json!({})))),
        (LATEST, modern(&call("drop", json!({})), "drop")),
    ] {
        let reply = denied(facts);
        assert_eq!(reply.status, 200);
        let answer = read(&reply);
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(7)));
        assert_eq!(answer["result"]["isError"], json!(true), "{version}");
        assert_eq!(
            answer["result"]["content"][0]["text"],
            "Not done: policy does not allow this: forbidden by no-drop (forbidden)"
        );
        assert_eq!(answer["result"]["_meta"]["countersign/problem"]["code"], "forbidden");
        let kind = if version == LATEST { json!("complete") } else { Value::Null };
        assert_eq!(answer["result"]["resultType"], kind);
    }
}

#[test]
fn what_has_no_result_that_could_say_so_gets_an_error() {
    let task = rpc("tools/call", json!({"name": "drop", "task": {"ttl": 1}}));
    for body in [rpc("resources/read", json!({"uri": "file:///etc"})), rpc("prompts/list", json!({})), task] {
        let reply = denied(post("2025-11-25", &body));
        let answer = read(&reply);
        assert_eq!((reply.status, reply.reason), (200, Reason::Forbidden), "{body}");
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(7), &json!(403)));
        assert_eq!(answer["error"]["data"]["code"], "forbidden");
        assert!(answer.get("result").is_none());
    }
}

#[test]
fn what_nobody_waits_for_is_answered_by_its_status() {
    let policies = POLICIES.replace("MCP::Action::\"connect\", ", "");
    let mut world = World::with(json!({"bundle": files(&policies)}));
    for body in [
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 1, "result": {}}),
    ] {
        let reply = reply(world.decide(post("2025-11-25", &body)));
        assert_eq!(reply.status, 403);
        assert_eq!(reply.headers[0].1, "application/problem+json");
    }
}

#[test]
fn arguments_are_what_policy_reads() {
    let secret = denied(post("2025-11-25", &call("create_issue", json!({"title": "a secret"}))));
    assert!(secret.body.contains("forbidden by no-secrets"), "{}", secret.body);
    for arguments in [json!({}), json!({"title": 7}), json!({"Title": "x"})] {
        let reply = denied(post("2025-11-25", &call("create_issue", arguments.clone())));
        assert!(matches!(reply.reason, Reason::BadFact | Reason::Ambiguous), "{arguments}");
        assert_eq!(read(&reply)["result"]["isError"], true, "a model can mend it: {arguments}");
        assert!(reply.body.contains("routes.yaml:3"), "{}", reply.body);
    }
    let climbing = denied(post("2025-11-25", &rpc("resources/read", json!({"uri": "file:///a/../readme"}))));
    assert_eq!(climbing.reason, Reason::Ambiguous);
}

#[test]
fn the_strictest_answer_to_a_batch_holds_for_all_of_it() {
    let one = |id: i64, body: Value| {
        let mut body = body;
        body["id"] = id.into();
        body
    };
    let fine = one(1, call("fine", json!({})));
    assert!(goes_on(post("", &json!([fine, one(2, rpc("ping", json!({})))]))));

    let reply =
        denied(post("", &json!([fine, one(2, call("drop", json!({}))), one(3, call("merge", json!({})))])));
    let answer = read(&reply);
    assert_eq!((reply.status, answer.as_array().unwrap().len()), (200, 3));
    for (answer, id) in answer.as_array().unwrap().iter().zip(1..) {
        assert_eq!((&answer["id"], &answer["result"]["isError"]), (&json!(id), &json!(true)));
    }

    let mut world = world();
    let gated = json!([fine, one(2, call("merge", json!({}))), one(3, call("delete", json!({})))]);
    let step = world.decide(post("2025-03-26", &gated));
    let record: Value = serde_json::from_str(&step.audit.last().unwrap().line).unwrap();
    assert_eq!(record["policies"], json!(["delete-needs-two", "merge-needs-sre"]));
    let verdicts: Vec<_> = record["parts"].as_array().unwrap().iter().map(|part| &part["verdict"]).collect();
    assert_eq!(verdicts, ["allow", "ask", "ask"]);
    let Next::Ask(enquiry, _) = step.next else { panic!("not asked") };
    assert_eq!(enquiry.question.gates.len(), 2);
    assert_eq!(enquiry.question.terms.hold_ms, 25_000, "the shorter hold of both");
    assert_eq!(enquiry.question.cedar.resource, "MCP::Tool::\"github/merge\"");
    assert_eq!(enquiry.question.also.len(), 2);
}

#[test]
fn a_held_call_is_told_before_its_client_gives_up() {
    let mut world = world();
    let (enquiry, held) = world.hold(post("2025-11-25", &call("merge", json!({}))));
    assert_eq!(held.until() - world.now, 45_000, "the gate would hold for five minutes");
    assert_eq!(enquiry.question.terms.hold_ms, 45_000);
    let now = held.until();
    let reply = reply(held.on_deadline(&world.engine, &mut world.journal, now));
    assert_eq!((reply.status, reply.reason), (200, Reason::Pending));
    let answer = read(&reply);
    assert_eq!(answer["result"]["isError"], true);
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("Not done yet: a person of sre was asked"), "{text}");
    assert!(text.contains("in 9 seconds") && text.contains("/.well-known/countersign/tickets/"), "{text}");
    assert!(reply.headers.contains(&("retry-after", "9".into())));
    assert_eq!(answer["result"]["_meta"]["countersign/problem"]["asked"], json!(["sre"]));
}

#[test]
fn a_rejected_call_says_why() {
    let mut world = world();
    let (enquiry, held) = world.hold(post("2025-11-25", &call("merge", json!({}))));
    let no = Verdict { reason: Some("not on Friday".into()), ..verdict(&enquiry, State::Rejected) };
    let answer = read(&reply(world.verdict(held, no)));
    assert_eq!(answer["result"]["isError"], true);
    assert!(answer["result"]["content"][0]["text"].as_str().unwrap().contains("not on Friday"));
}

#[test]
fn the_same_call_sent_again_is_the_same_question() {
    let digest = |body: Value| {
        let length = body.to_string().len().to_string();
        world().hold(with_header(post("2025-11-25", &body), "content-length", &length)).0.digest
    };
    let call = |id: Value, meta: Value, argument: &str| {
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
               "params": {"name": "merge", "arguments": {"x": argument}, "_meta": meta}})
    };
    let first = digest(call(json!(1), json!({"progressToken": 1}), "a"));
    assert_eq!(first, digest(call(json!("two"), json!({"progressToken": "t"}), "a")));
    assert_ne!(first, digest(call(json!(1), json!({"progressToken": 1}), "b")));
    assert_ne!(first, digest(call(json!(1), json!({"progressToken": 1, "k": 2}), "a")));
}

#[test]
fn who_is_not_known_or_whose_body_is_not_read_is_told_in_the_protocol() {
    let mut world = world();
    let facts = RequestFacts { body: None, ..post("2025-11-25", &Value::Null) };
    let Next::NeedBody(state) = world.decide(facts).next else { panic!("no body was awaited") };
    let now = world.now;
    let reply = reply(state.on_too_large(&world.engine, &mut world.journal, now));
    let answer = read(&reply);
    assert_eq!((reply.status, &answer["error"]["code"], answer.get("id")), (413, &json!(413), None));
}

#[test]
fn a_policy_that_would_miss_tools_with_actions_of_their_own_is_refused() {
    let policies = POLICIES.replace(
        "forbid (principal, action in MCP::Action::\"call\", resource == MCP::Tool::\"github/drop\")",
        "forbid (principal, action == MCP::Action::\"call\", resource == MCP::Tool::\"github/drop\")",
    );
    let whole = configuration(json!({"bundle": files(&policies)}));
    let errors = countersign_core::engine::Engine::load(&whole).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].message.contains("write `action in MCP::Action::\"call\"`"), "{}", errors[0]);
    load(&configuration(json!({"bundle": files(POLICIES)})));
}

#[test]
fn a_typed_part_of_the_path_is_read_in_one_spelling_for_messages_too() {
    let mut bundle = files(POLICIES);
    bundle["files"]["a.cedar"] = format!(
        "{POLICIES}@id(\"not-there\") forbid (principal, action == Github::Action::\"create_issue\", resource) \
         when {{ context.title == \"0a000000-0000-4000-8000-000000000000\" }};"
    )
    .into();
    bundle["files"]["routes.yaml"] = ROUTES
        .replace("path: /mcp", "path: \"/{tenant:uuid}/mcp\"")
        .replace("from: \"arg:/title\"", "from: path.tenant")
        .into();
    for (tenant, status) in [
        ("0a000000-0000-4000-8000-000000000000", "forbidden"),
        ("0A000000-0000-4000-8000-000000000000", "forbidden"),
        ("0a000000-0000-4000-8000-00000000000g", "bad_fact"),
    ] {
        let mut facts = post("2025-11-25", &call("create_issue", json!({})));
        for (_, value) in facts.headers.iter_mut().filter(|(name, _)| name == b":path") {
            *value = format!("/{tenant}/mcp").into_bytes();
        }
        let reply = reply(World::with(json!({"bundle": bundle})).decide(facts));
        assert!(reply.body.contains(status), "{tenant}: {}", reply.body);
    }
}

#[test]
fn a_resource_has_one_spelling() {
    for uri in ["FILE:///readme", "file:/readme", "file://localhost/readme", "file:///%72eadme"] {
        let reply = denied(post("2025-11-25", &rpc("resources/read", json!({"uri": uri}))));
        assert!(reply.body.contains("\"rule\":\"uri-spelling\""), "{uri}: {}", reply.body);
    }
}

#[test]
fn what_cannot_be_read_in_one_way_is_refused_in_the_protocol_of_its_endpoint() {
    for (version, id) in [("2025-11-25", None), ("2025-06-18", Some(&Value::Null))] {
        let odd =
            with_header(post(version, &call("create_issue", json!({}))), "x-http-method-override", "GET");
        let reply = denied(RequestFacts { body: None, ..odd });
        let answer: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!((reply.status, reply.reason), (400, Reason::Ambiguous), "{answer}");
        assert_eq!((answer["jsonrpc"].as_str(), answer.get("id")), (Some("2.0"), id), "{answer}");
        assert_eq!(answer["error"]["data"]["rule"], "method-override", "{answer}");
    }
}
