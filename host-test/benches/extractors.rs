//! What it costs the released filter to take facts from each kind of place: `cargo xtask bench` runs it and reads the
//! lines of JSON that it prints, one for each extractor and round.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what is measured must load and answer"
)]

use std::time::Duration;

use countersign_host_test::{Filter, Gateway, Properties, Request};
use rustix::time::{ClockId, Timespec, clock_gettime};
use serde_json::{Value, json};

/// 2026-11-22, when the tokens of the corpus hold.
const AT: Duration = Duration::from_secs(1_795_348_800);
/// Rounds, each over everything in turns.
const ROUNDS: usize = 31;
/// Requests of a round.
const REQUESTS: usize = 50;

const SCHEMA: &str = r#"
entity User, Thing;
type Facts = { a?: String, b?: String, c?: String };
action look, none appliesTo { principal: User, resource: Thing, context: Facts };
namespace MCP {
  entity Server; entity Tool in [Server];
  type Message = { mcp_method: String, mcp_version: String, a?: String, b?: String, c?: String };
  action call appliesTo { principal: User, resource: Tool, context: { mcp_method: String, mcp_version: String } };
  action typed in [call] appliesTo { principal: User, resource: Tool, context: Message };
  action connect appliesTo { principal: User, resource: Server, context: { mcp_method: String, mcp_version: String } };
}
"#;

const MESSAGES: &str = "
methods: { a.S/M: M }
messages:
  M:
    a: { number: 1, type: string }
    b: { number: 2, type: string }
    c: { number: 3, type: string }
    rest: { number: 4, type: string, repeated: true }
";

/// A kind of place, and a request of about 2 KB that has three facts there.
struct Extractor {
    name: &'static str,
    request: Request,
    /// The same at a route that reads nothing.
    plain: Request,
    /// How the request is answered.
    status: u16,
}

fn routes() -> String {
    let route = |matches: &str, kind: &str, resource: &str| {
        let fact = |name: &str| {
            format!("      {name}: {{ from: \"{kind}{name}\", type: String, optional: true }}\n")
        };
        let facts: String = ["a", "b", "c"].map(fact).concat();
        format!(
            "  - match: {{ host: api.test, {matches} }}\n    action: Action::\"look\"\n    resource: Thing::\"{resource}\"\n    \
             context:\n{facts}"
        )
    };
    let all = [
        route("path: \"/path/{a}/{b}/{c}\"", "path.", "it"),
        route("path: /query", "query:", "it"),
        route("path: /headers", "header:x-", "it"),
        route("path: /json", "body:/", "it"),
        route("path: /form", "form:", "it"),
        route("path: /parts", "part:", "it"),
        route("grpc: a.S/M", "message:", "it"),
    ];
    let rest = r#"
  - match: { host: api.test, path: /mcp }
    mcp:
      server: github
      tools:
        typed:
          action: MCP::Action::"typed"
          context:
            a: { from: "arg:/a", type: String, optional: true }
            b: { from: "arg:/b", type: String, optional: true }
            c: { from: "arg:/c", type: String, optional: true }
  - match: { host: api.test, path: /graphql }
    graphql:
      query.*:
        action: Action::"look"
        resource: 'Thing::"{field}"'
        context:
          a: { from: "arg:/a", type: String, optional: true }
          b: { from: "arg:/b", type: String, optional: true }
          c: { from: "arg:/c", type: String, optional: true }
  - match: { host: api.test, path: "/plain/{rest*}" }
    action: Action::"none"
    resource: Thing::"it"
"#;
    format!("routes:\n{}{rest}", all.concat())
}

/// Tokens and their keys: `core/tests/tokens/make.py`.
fn corpus() -> Value {
    serde_json::from_str(include_str!("../../core/tests/tokens/corpus.json")).unwrap()
}

fn gateway() -> Gateway {
    let configuration = json!({
        "audience": "gateway",
        "bundle": { "v": 1, "files": {
            "a.cedarschema": SCHEMA, "a.cedar": "@id(\"all\") permit (principal, action, resource);",
            "routes.yaml": routes(), "messages.yaml": MESSAGES, "idp.jwks.json": corpus()["keys"].to_string(),
        }},
        "approval": { "cluster": "c", "authority": "a", "token": "t", "keys": [
            { "kid": "k", "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" },
        ] },
        "identity": [
            { "kind": "bearer", "issuer": "https://idp.test", "audiences": ["gateway"], "keys": "idp.jwks.json",
              "principal": { "type": "User" } },
            { "kind": "header", "name": "x-user", "peers": ["0.0.0.0/0"], "type": "User" },
        ],
    });
    let path = std::env::var("COUNTERSIGN_WASM").expect("COUNTERSIGN_WASM names the filter");
    let filter = Filter::load(&std::fs::read(path).unwrap()).unwrap();
    Gateway::builder(&filter).configuration(configuration.to_string()).workers(1).at(AT).start().unwrap()
}

fn post(path: &str) -> Request {
    let properties = Properties::default().with(&["source", "address"], "10.0.0.1:5");
    Request { properties, ..Request::new("POST", "api.test", path) }
}

fn facts(one: impl Fn(&str, &str) -> String, count: usize, between: &str) -> String {
    let rest = (3..count).map(|n| one(&format!("key{n:02}"), &"v".repeat(24)));
    ["a", "b", "c"].map(|name| one(name, "value")).into_iter().chain(rest).collect::<Vec<_>>().join(between)
}

fn message() -> Vec<u8> {
    let mut message = b"\x0a\x05value\x12\x05value\x1a\x05value".to_vec();
    (0..75).for_each(|_| message.extend([&[0x22, 24][..], &[b'v'; 24]].concat()));
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], &message].concat()
}

fn extractors() -> Vec<Extractor> {
    let json = facts(|name, value| format!("\"{name}\":\"{value}\""), 55, ",");
    let form = facts(|name, value| format!("{name}={value}"), 65, "&");
    let part = |name: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let parts = facts(part, 24, "") + "--b--\r\n";
    let call = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"typed\",\"arguments\":{{{json}}}}}}}"
    );
    let fields = facts(|name, value| format!("{name}:\"{value}\""), 55, ",");
    let document = json!({ "query": format!("{{thing({fields}){{id name}}}}") }).to_string();
    let headers = |request: Request| {
        let named = |request: Request, name: &str| request.header(&format!("x-{name}"), "value");
        let request = ["a", "b", "c"].into_iter().fold(request, named);
        (3..55).fold(request, |request, n| request.header(&format!("x-key{n:02}"), "v".repeat(24)))
    };
    let with = |path: &str, ty: &str, body: Vec<u8>| post(path).header("content-type", ty).part(body);
    let pair = |name, path: &str, request: &dyn Fn(&str) -> Request| Extractor {
        name,
        request: request(path).header("x-user", "ana"),
        plain: request(&format!("/plain{path}")).header("x-user", "ana"),
        status: 200,
    };
    let mut all = vec![
        pair("path", "/path/value/value/value", &post),
        pair("query", &format!("/query?{form}"), &post),
        pair("headers", "/headers", &|path| headers(post(path))),
        pair("JSON", "/json", &|path| with(path, "application/json", format!("{{{json}}}").into())),
        pair("form", "/form", &|path| with(path, "application/x-www-form-urlencoded", form.clone().into())),
        pair("multipart", "/parts", &|path| {
            with(path, "multipart/form-data; boundary=b", parts.clone().into())
        }),
        pair("gRPC message", "/a.S/M", &|path| with(path, "application/grpc", message())),
        pair("MCP tool call", "/mcp", &|path| with(path, "application/json", call.clone().into())),
        pair("GraphQL", "/graphql", &|path| with(path, "application/json", document.clone().into())),
    ];
    all.extend(tokens());
    all
}

/// Tokens, each with a signature that does not hold, so that it is not remembered; the last was seen before.
fn tokens() -> Vec<Extractor> {
    let corpus = corpus();
    let cases = corpus["cases"].as_array().unwrap();
    let token = |case: &str| cases.iter().find(|known| known[0] == case).unwrap()[1].as_str().unwrap();
    let extractor = |name, token: &str, status| Extractor {
        name,
        request: post("/plain/it").header("authorization", format!("Bearer {token}")),
        plain: post("/plain/it").header("x-user", "ana"),
        status,
    };
    let broken = |name, case| {
        let (head, signature) = token(case).rsplit_once('.').unwrap();
        let (first, rest) = signature.split_at(1);
        extractor(name, &format!("{head}.{}{rest}", if first == "A" { "B" } else { "A" }), 401)
    };
    vec![
        broken("token, RS256 of 2,048 bits", "good: RS256"),
        broken("token, PS256 of 2,048 bits", "good: PS256"),
        broken("token, ES256", "good: ES256"),
        broken("token, EdDSA", "good: EdDSA"),
        extractor("token that was seen before", token("good: EdDSA"), 200),
    ]
}

fn processor() -> Duration {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(tv_sec.try_into().unwrap(), tv_nsec.try_into().unwrap())
}

/// Microseconds of a processor for one of many such requests, filter and harness together.
fn measure(gateway: &mut Gateway, request: &Request, status: u16) -> f64 {
    let since = processor();
    for _ in 0..REQUESTS {
        let outcome = gateway.send(request.clone());
        assert_eq!(outcome.status(), status, "{outcome:?}");
    }
    (processor() - since).as_secs_f64() * 1e6 / REQUESTS as f64
}

fn main() {
    let all = extractors();
    let mut gateway = gateway();
    for round in 0..=ROUNDS {
        for Extractor { name, request, plain, status } in &all {
            let (with, without) =
                (measure(&mut gateway, request, *status), measure(&mut gateway, plain, 200));
            // The first warms up.
            if round > 0 {
                println!("{}", json!({ "extractor": name, "with": with, "without": without }));
            }
        }
    }
}
