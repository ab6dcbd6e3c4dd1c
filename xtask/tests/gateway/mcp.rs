//! The Model Context Protocol with the official clients and servers: what a client shows of each decision.

pub(crate) mod packages;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use xtask::example::files;
use xtask::stack::gateway::Gateway;
use xtask::stack::process::Process;
use xtask::stack::until;
use xtask::workspace::Workspace;

use crate::Trials;
use crate::upstreams::send_to;
use crate::world::{World, edited, settings};
use packages::Packages;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("mcp: npm sdk 1, client and server, 2025-11-25", async |world| {
        decisions(world, "npm1", Speaker::Npm("2025-11-25"), Speaker::Npm("2025-11-25")).await
    });
    trials.add("mcp: npm sdk 1.12, client and server, 2025-03-26", async |world| {
        decisions(world, "npm0", Speaker::Npm("2025-03-26"), Speaker::Npm("2025-03-26")).await
    });
    trials.add("mcp: npm sdk 1.23, client and server, 2025-06-18", async |world| {
        decisions(world, "npm-06", Speaker::Npm("2025-06-18"), Speaker::Npm("2025-06-18")).await
    });
    trials.add("mcp: python sdk, client and server, 2025-11-25", async |world| {
        decisions(world, "py", Speaker::Python("legacy"), Speaker::Python("")).await
    });
    trials.add("mcp: python sdk, client and server, 2026-07-28", async |world| {
        decisions(world, "py26", Speaker::Python("2026-07-28"), Speaker::Python("")).await
    });
    trials.add("mcp: npm sdk 2 client, python server, 2026-07-28", async |world| {
        decisions(world, "npm26", Speaker::Npm("2026-07-28"), Speaker::Python("")).await
    });
    trials.add("mcp: batches and headers, by hand", by_hand);
}

/// Which official SDK: of which protocol version, or for a client in Python which of its ways to connect.
#[derive(Clone, Copy)]
enum Speaker {
    Npm(&'static str),
    Python(&'static str),
}

/// A gateway in front of an official server.
struct Place {
    gateway: Gateway,
    /// Goes when this does.
    _server: Process,
    path: String,
    /// What the server was really asked to do.
    log: PathBuf,
}

impl Speaker {
    fn command(self, packages: &Packages, program: &str) -> Command {
        match self {
            Self::Npm(_) => packages.node(&format!("{program}.mjs")),
            Self::Python(_) => packages.python(&format!("{program}.py")),
        }
    }

    fn mode(self) -> &'static str {
        match self {
            Self::Npm(mode) | Self::Python(mode) => mode,
        }
    }
}

impl Place {
    async fn start(
        world: &World,
        packages: &Packages,
        name: &str,
        speaker: Speaker,
        hides: bool,
    ) -> Result<Self> {
        let (path, folder) = (format!("/mcp-{name}"), world.stack.folder());
        let log = folder.join(format!("mcp-{name}.done"));
        let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = speaker.command(packages, "server");
        command.arg(free.port().to_string()).arg(&log).arg(&path).arg(speaker.mode());
        let mut server = Process::start(&format!("mcp-{name}"), command, folder)?;
        until("the server to listen", async || {
            ensure!(server.ended()?.is_none(), "it ended\n{}", server.tail());
            Ok(TcpStream::connect(free).await.ok())
        })
        .await?;
        let gateway = gateway(world, name, &path, free, hides).await?;
        Ok(Self { gateway, _server: server, path, log })
    }

    fn done(&self) -> Vec<String> {
        std::fs::read_to_string(&self.log).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn url(&self) -> String {
        format!("http://{}{}", self.gateway.address(), self.path)
    }
}

/// One prompt is everybody's.
const PROMPTS: &str = r#"
@id("triage")
permit (principal, action == MCP::Action::"get", resource == MCP::Prompt::"issues/triage");
"#;

/// With the policies of `examples/mcp-tools`, but a request is held for 8 s only.
async fn gateway(world: &World, name: &str, path: &str, server: SocketAddr, hides: bool) -> Result<Gateway> {
    let files = files(&Workspace::find()?.root().join("examples/mcp-tools/policies"))?;
    let mut files = edited(files, "tools.cedar", "@hold(\"25s\")", "@hold(\"8s\")")?;
    files.get_mut("tools.cedar").context("no policies")?.push_str(PROMPTS);
    let place = format!("host: 127.0.0.1, path: {path}");
    let files = edited(files, "routes.yaml", "host: mcp.example.com, path: /mcp", &place)?;
    let hiding = format!("server: issues\n      hide_unlisted: {hides}");
    let files = edited(files, "routes.yaml", "server: issues", &hiding)?;
    let mut configuration = world.stack.configuration_of(&files)?;
    let source =
        json!({ "kind": "header", "name": "x-agent", "peers": ["127.0.0.1/32"], "type": "Desk::Agent" });
    settings(&mut configuration)?.insert("identity".into(), json!([source]));
    send_to(&mut configuration, server, false)?;
    world.stack.gateway(&format!("mcp-{name}"), &configuration).await
}

/// An official client that does as it is told.
struct Client {
    _child: Child,
    steps: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

impl Client {
    /// Connects, and gives the version that was agreed on.
    async fn connect(packages: &Packages, speaker: Speaker, place: &Place) -> Result<(Self, Value)> {
        let mut command = speaker.command(packages, "client");
        command.arg(place.url()).arg(speaker.mode()).kill_on_drop(true);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let steps = child.stdin.take().context("no standard input")?;
        let said = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        let mut client = Self { _child: child, steps, said };
        let version = client.read().await?;
        Ok((client, version))
    }

    async fn tell(&mut self, step: Value) -> Result<()> {
        self.steps.write_all(format!("{step}\n").as_bytes()).await?;
        Ok(self.steps.flush().await?)
    }

    async fn read(&mut self) -> Result<Value> {
        let line = self.said.next_line().await?.context("the client ended")?;
        Ok(serde_json::from_str(&line)?)
    }

    async fn step(&mut self, step: Value) -> Result<Value> {
        self.tell(step).await?;
        self.read().await
    }
}

fn call(name: &str, arguments: Value) -> Value {
    json!({ "do": "call", "name": name, "arguments": arguments })
}

/// A tool's failure, and what a model reads of it.
fn failure(said: &Value) -> Result<&str> {
    ensure!(said["is_error"] == true, "shown as a success, or not at all: {said}");
    said["text"].as_str().context("it says nothing")
}

/// A text in an answer; nothing where there is none.
fn said<'a>(answer: &'a Value, pointer: &str) -> &'a str {
    answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

async fn decisions(world: &World, name: &str, client: Speaker, server: Speaker) -> Result<()> {
    let packages = Packages::install().await?;
    // What is hidden is hidden in events and in documents.
    let hides = matches!(client, Speaker::Python(_));
    let place = Place::start(world, packages, name, server, hides).await?;
    let expected = match client {
        Speaker::Python("legacy") => "2025-11-25",
        speaker => speaker.mode(),
    };
    let (mut client, version) = Client::connect(packages, client, &place).await?;
    ensure!(said(&version, "/version") == expected, "another version: {version}");

    let list = client.step(json!({ "do": "list" })).await?;
    let all = ["create_issue", "close_issue", "delete_repository"];
    let shown = if hides { &all[..2] } else { &all };
    ensure!(list.get("tools") == Some(&json!(shown)), "{list}");
    let created = client.step(call("create_issue", json!({ "title": "broken" }))).await?;
    ensure!(created == json!({ "is_error": false, "text": "did create broken" }), "{created}");

    let secret = json!({ "title": "the customer Acme", "public": true });
    let denied = client.step(call("create_issue", secret)).await?;
    ensure!(failure(&denied)?.contains("forbidden by no-customers-in-public"), "{denied}");
    let deleted = client.step(call("delete_repository", json!({ "name": "all" }))).await?;
    ensure!(failure(&deleted)?.contains("forbidden by nobody-deletes-repositories"), "{deleted}");
    let read = client.step(json!({ "do": "read", "uri": "docs://handbook" })).await?;
    ensure!(said(&read, "/text") == "did read handbook", "{read}");
    let unread = client.step(json!({ "do": "read", "uri": "docs://salaries" })).await?;
    ensure!(unread.get("code") == Some(&json!(403)), "{unread}");
    ensure!(said(&unread, "/thrown").contains("policy does not allow"), "{unread}");

    prompts_and_ping(&mut client, expected).await?;

    client.tell(call("close_issue", json!({ "number": 1 }))).await?;
    let ticket = world.stack.approvals.pending(&place.path).await?;
    world.stack.approvals.approve(&ticket, "ben").await?;
    let closed = client.read().await?;
    ensure!(closed == json!({ "is_error": false, "text": "did close 1" }), "{closed}");

    let pending = client.step(call("close_issue", json!({ "number": 2 }))).await?;
    let text = failure(&pending)?;
    ensure!(text.starts_with("Not done yet: a person of maintainers was asked"), "{text}");
    let ticket = world.stack.approvals.pending(&place.path).await?;
    ensure!(text.contains(ticket.id()) && text.contains("/.well-known/countersign/tickets/"), "{text}");
    world.stack.approvals.approve(&ticket, "ben").await?;
    let closed = client.step(call("close_issue", json!({ "number": 2 }))).await?;
    ensure!(closed == json!({ "is_error": false, "text": "did close 2" }), "{closed}");

    let rejected = rejected(world, &mut client, &place).await?;
    ensure!(rejected.contains("not now"), "the reason is not told: {rejected}");

    let done = place.done();
    let expected = ["create broken", "read handbook", "prompt triage", "close 1", "close 2"];
    ensure!(done == expected, "really done: {done:?}");
    drop(client);
    place.gateway.stop().await
}

/// What a model reads of a call that somebody rejected.
async fn rejected(world: &World, client: &mut Client, place: &Place) -> Result<String> {
    client.tell(call("close_issue", json!({ "number": 3 }))).await?;
    let ticket = world.stack.approvals.pending(&place.path).await?;
    world.answer(&ticket, "ben", "reject", "not now").await?;
    let said = client.read().await?;
    Ok(failure(&said)?.to_owned())
}

async fn prompts_and_ping(client: &mut Client, version: &str) -> Result<()> {
    let prompt = client.step(json!({ "do": "prompt", "name": "triage" })).await?;
    ensure!(said(&prompt, "/text") == "did prompt triage", "{prompt}");
    let denied = client.step(json!({ "do": "prompt", "name": "salaries" })).await?;
    ensure!(denied.get("code") == Some(&json!(403)), "{denied}");
    // The newest version has none.
    if version < "2026" {
        let pong = client.step(json!({ "do": "ping" })).await?;
        ensure!(pong == json!({ "pong": true }), "{pong}");
    }
    Ok(())
}

/// What no official client sends any more, or never did.
async fn by_hand(world: &World) -> Result<()> {
    let packages = Packages::install().await?;
    let place = Place::start(world, packages, "hand", Speaker::Npm("2025-11-25"), false).await?;
    let http = reqwest::Client::new();
    let post = |headers: &[(&'static str, &str)], body: &Value| {
        let request = http.post(place.url()).header("x-agent", "helper");
        let request = request.header("accept", "application/json, text/event-stream").json(body);
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send()
    };
    let message = |id: i64, method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
    let tool = |id, name: &str, arguments| {
        message(id, "tools/call", json!({ "name": name, "arguments": arguments }))
    };

    let about = json!({ "protocolVersion": "2025-03-26", "capabilities": {},
        "clientInfo": { "name": "hand", "version": "1" } });
    let started = post(&[], &message(0, "initialize", about)).await?;
    let session = started.headers().get("mcp-session-id").context("no session")?.to_str()?.to_owned();
    let old = [("mcp-session-id", session.as_str())];
    post(&old, &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
        .await?
        .error_for_status()?;

    let one = tool(1, "create_issue", json!({ "title": "one" }));
    let both = json!([one, tool(2, "create_issue", json!({ "title": "two" }))]);
    let answer = post(&old, &both).await?.error_for_status()?.text().await?;
    ensure!(answer.contains("did create one") && answer.contains("did create two"), "{answer}");
    let mixed = json!([one, tool(2, "delete_repository", json!({ "name": "x" }))]);
    let answer: Value = post(&old, &mixed).await?.json().await?;
    let failed = |index: usize| answer.pointer(&format!("/{index}/result/isError")) == Some(&json!(true));
    ensure!(failed(0) && failed(1), "one part of a denied batch was done: {answer}");

    let [first, ..] = old;
    let newer = [first, ("mcp-protocol-version", "2025-06-18")];
    let answer = post(&newer, &both).await?;
    ensure!(answer.status() == 400, "a batch where there are none: {}", answer.status());
    for (name, value) in [("mcp-name", "close_issue"), ("mcp-method", "tools/list")] {
        let answer = post(&[newer.as_slice(), &[(name, value)]].concat(), &one).await?;
        let status = answer.status();
        let answer: Value = answer.json().await?;
        let code = answer.pointer("/error/code") == Some(&json!(-32020));
        ensure!(status == 400 && code && answer.get("id") == Some(&json!(1)), "{name}: {answer}");
    }
    let stolen: Value = post(&newer, &message(3, "tools/steal", json!({}))).await?.json().await?;
    ensure!(stolen.pointer("/error/code") == Some(&json!(-32601)), "{stolen}");
    ensure!(place.done() == ["create one", "create two"], "really done: {:?}", place.done());
    place.gateway.stop().await
}
