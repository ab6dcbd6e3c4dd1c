//! GraphQL with the reference implementation behind the gateway: it does nothing that was not judged. And forms that
//! choose a route, before the same server.

use std::path::PathBuf;
use std::process::Command as Plain;

use anyhow::{Result, ensure};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::process::Command;
use xtask::stack::gateway::Gateway;
use xtask::stack::process::Process;
use xtask::stack::until;
use xtask::workspace::{Workspace, run};

use crate::Trials;
use crate::upstreams::send_to;
use crate::world::{World, settings};

pub(crate) fn add(trials: &mut Trials) {
    trials.add("graphql: graphql-js does nothing that was not judged", documents);
    trials.add("forms: a field of the form chooses the route", forms);
}

/// The reference implementation (MIT).
const NPM: &str = "graphql@17.1.0";

const SCHEMA: &str = "
entity User; entity Agent { owner: User }; entity Thing;
action read, change appliesTo { principal: [Agent], resource: Thing, context: { note?: String } };
";

const POLICIES: &str = r#"
@id("all") permit (principal, action, resource);
@id("nobody-deletes") forbid (principal, action == Action::"change", resource == Thing::"user");
@id("tags-need-a-person") @approval("security") @hold("30s")
forbid (principal, action == Action::"change", resource == Thing::"held");
"#;

const ROUTES: &str = r#"
routes:
  - match: { host: 127.0.0.1, path: /graphql }
    graphql:
      query.*: { action: 'Action::"read"', resource: 'Thing::"{field}"' }
      mutation.tag:
        action: Action::"change"
        resource: Thing::"{arg:/input/file}"
        context: { note: { from: "arg:/note", type: String, optional: true } }
      mutation.deleteUser: { action: 'Action::"change"', resource: 'Thing::"user"' }
  - { match: { host: 127.0.0.1, path: /aws, form: { Action: Describe } }, action: 'Action::"read"', resource: 'Thing::"aws"' }
  - { match: { host: 127.0.0.1, path: /aws, form: { Action: Delete } }, action: 'Action::"change"', resource: 'Thing::"user"' }
  - { match: { host: 127.0.0.1, path: /aws }, action: 'Action::"read"', resource: 'Thing::"aws"' }
"#;

const IDENTITIES: &str = "
people: { User: { issuer: local } }
agents: { Agent: { owner: owner } }
groups: { security: { issuer: local, id: security } }
";

const ENTITIES: &str = r#"[{ "uid": { "type": "Agent", "id": "clerk" }, "parents": [],
  "attrs": { "owner": { "__entity": { "type": "User", "id": "ana" } } } }]"#;

/// A gateway in front of the server.
struct Place {
    gateway: Gateway,
    /// Goes when this does.
    _server: Process,
    /// What the server was really asked to do.
    log: PathBuf,
    client: Client,
}

/// Installs the implementation below `target/`, unless it is there, and copies the server beside it.
fn install(name: &str) -> Result<PathBuf> {
    let workspace = Workspace::find()?;
    let folder = workspace.target(&format!("graphql-node-{name}"));
    std::fs::create_dir_all(&folder)?;
    let marker = folder.join("installed");
    if std::fs::read_to_string(&marker).unwrap_or_default() != NPM {
        std::fs::write(folder.join("package.json"), "{\"private\":true,\"type\":\"module\"}")?;
        let words = ["install", "--silent", "--no-audit", "--no-fund", NPM];
        run(Plain::new("npm").args(words).current_dir(&folder))?;
        std::fs::write(&marker, NPM)?;
    }
    let program = folder.join("server.mjs");
    std::fs::copy(workspace.root().join("xtask/tests/gateway/graphql/server.mjs"), &program)?;
    Ok(program)
}

impl Place {
    async fn start(world: &World, name: &'static str) -> Result<Self> {
        let program = tokio::task::spawn_blocking(move || install(name)).await??;
        let log = world.stack.folder().join(format!("{name}.done"));
        let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new("node");
        command.arg(program).arg(free.port().to_string()).arg(&log);
        let mut server = Process::start(&format!("server-{name}"), command, world.stack.folder())?;
        until("the server to listen", async || {
            ensure!(server.ended()?.is_none(), "it ended\n{}", server.tail());
            Ok(TcpStream::connect(free).await.ok())
        })
        .await?;
        let files = [
            ("a.cedarschema", SCHEMA),
            ("a.cedar", POLICIES),
            ("routes.yaml", ROUTES),
            ("identities.yaml", IDENTITIES),
            ("entities.json", ENTITIES),
        ];
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        let mut configuration = world.stack.configuration_of(&files)?;
        let source =
            json!({ "kind": "header", "name": "x-agent", "peers": ["127.0.0.1/32"], "type": "Agent" });
        settings(&mut configuration)?.insert("identity".into(), json!([source]));
        send_to(&mut configuration, free, false)?;
        let gateway = world.stack.gateway(name, &configuration).await?;
        Ok(Self { gateway, _server: server, log, client: Client::new() })
    }

    async fn send(&self, method: Method, path: &str, ty: &str, body: String) -> Result<(u16, Value)> {
        let url = format!("http://{}{path}", self.gateway.address());
        let request = self.client.request(method, url).header("x-agent", "clerk");
        let request = if ty.is_empty() { request } else { request.header("content-type", ty).body(body) };
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    async fn post(&self, body: &Value) -> Result<(u16, Value)> {
        self.send(Method::POST, "/graphql", "application/json", body.to_string()).await
    }

    /// What was done since the last time.
    fn done(&self) -> Result<Vec<String>> {
        let done = std::fs::read_to_string(&self.log).unwrap_or_default();
        std::fs::write(&self.log, "")?;
        Ok(done.lines().map(str::to_owned).collect())
    }
}

/// What is allowed, and what the server does then.
fn allowed() -> Vec<(Value, &'static [&'static str])> {
    vec![
        (json!({ "query": "{ hello }" }), &["hello"]),
        (json!({ "query": "{ a: hello b: user(id: 7) }" }), &["hello", "user 7"]),
        (json!([{ "query": "{ hello }" }, { "query": "{ user(id: \"x\") }" }]), &["hello", "user x"]),
        (json!({ "query": "query a { hello } query b { user(id: 1) }", "operationName": "b" }), &["user 1"]),
        (
            json!({ "query": "query ($i: ID = 3) { ...f } fragment f on Query { user(id: $i) ... on Query { hello } }" }),
            &["user 3", "hello"],
        ),
        (
            json!({ "query": "mutation ($i: Input!) { tag(input: $i, note: \"\"\"\n  a\n   b\n\"\"\") }", "variables": { "i": { "file": "f", "tags": ["x"] } } }),
            &["tag f x \"a\\n b\""],
        ),
        (json!({ "query": "{ hello @skip(if: true) user(id: 2) }" }), &["user 2"]),
    ]
}

/// What tries to delete somebody, or cannot be judged.
fn denied() -> Vec<(Value, u16)> {
    let delete = "deleteUser(id: 1)";
    vec![
        (json!({ "query": format!("mutation {{ {delete} }}") }), 403),
        (json!({ "query": format!("mutation {{ hello: {delete} }}") }), 403),
        (json!({ "query": format!("mutation {{ tag(input: {{ file: \"f\" }}) x: {delete} }}") }), 403),
        (
            json!({ "query": format!("query a {{ hello }} mutation b {{ {delete} }}"), "operationName": "a" }),
            403,
        ),
        (
            json!({ "query": format!("mutation {{ ...f }} fragment f on Mutation {{ ... {{ {delete} }} }}") }),
            403,
        ),
        (json!([{ "query": "{ hello }" }, { "query": format!("mutation {{ {delete} }}") }]), 403),
        (json!({ "query": "{ __schema { types { name } } }" }), 403),
        (json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": "00" } } }), 400),
        (json!({ "query": format!("mutation {{ {delete} ") }), 400),
        (json!({ "query": "{".repeat(50_000) }), 400),
        (json!({ "query": format!("{{ hello(a: {}", "[".repeat(50_000)) }), 400),
    ]
}

async fn documents(world: &World) -> Result<()> {
    let place = Place::start(world, "graphql").await?;
    for (body, expected) in allowed() {
        let (status, answer) = place.post(&body).await?;
        let done = place.done()?;
        ensure!(status == 200 && done == expected, "{body}: {status} {answer}, done {done:?}");
    }
    for (body, expected) in denied() {
        let (status, answer) = place.post(&body).await?;
        let done = place.done()?;
        let shown: String = body.to_string().chars().take(200).collect();
        ensure!(status == expected && done.is_empty(), "{shown}: {status} {answer}, done {done:?}");
    }
    let get = "/graphql?query=%7Bx%3Auser(id%3A5)%7D";
    let (status, answer) = place.send(Method::GET, get, "", String::new()).await?;
    ensure!(status == 200 && place.done()? == ["user 5"], "{status} {answer}");
    let (status, answer) =
        place.send(Method::POST, get, "application/json", "{\"query\":\"{hello}\"}".into()).await?;
    ensure!(status == 400 && place.done()?.is_empty(), "two documents: {status} {answer}");

    // One part is allowed and one is held: both wait for the one yes.
    let held =
        json!({ "query": "mutation { a: tag(input: { file: \"f\" }) b: tag(input: { file: \"held\" }) }" });
    let waiting = place.post(&held);
    let approving = async {
        let ticket = world.stack.approvals.pending("/graphql").await?;
        ensure!(place.done()?.is_empty(), "a part was done before somebody said yes");
        world.stack.approvals.approve(&ticket, "ben").await
    };
    let ((status, answer), _) = tokio::try_join!(waiting, approving)?;
    let done = place.done()?;
    ensure!(status == 200 && done == ["tag f  \"\"", "tag held  \"\""], "{status} {answer}, done {done:?}");
    place.gateway.stop().await
}

async fn forms(world: &World) -> Result<()> {
    let place = Place::start(world, "forms").await?;
    let form = "application/x-www-form-urlencoded";
    let cases: [(&str, &str, &str, u16, &[&str]); 8] = [
        ("/aws", form, "Action=Describe&x=1", 200, &["action Describe"]),
        ("/aws", form, "x=1", 200, &["action null"]),
        ("/aws", form, "Action=Delete", 403, &[]),
        ("/aws", form, "%41ction=D%65lete", 403, &[]),
        ("/aws", form, "Action=Describe&Action=Delete", 400, &[]),
        ("/aws?Action=Describe", form, "Action=Delete", 400, &[]),
        ("/aws", "text/plain", "Action=Delete", 403, &[]),
        ("/aws", "application/json", "Action=Delete", 403, &[]),
    ];
    for (path, ty, body, expected, did) in cases {
        let (status, answer) = place.send(Method::POST, path, ty, body.into()).await?;
        let done = place.done()?;
        ensure!(status == expected && done == did, "{path} {ty} {body}: {status} {answer}, done {done:?}");
    }
    place.gateway.stop().await
}
