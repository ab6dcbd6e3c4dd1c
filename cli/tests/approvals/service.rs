//! An approval service by script, which says whatever a test wants, and the command that asks it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use countersign_protocol::Hash;
use countersign_view::View;
use serde_json::{Value, json};

/// The ticket of the request that a service has unless it is told otherwise.
pub(crate) const TICKET: &str = "3f2a00000000000000000000000000aa";

/// What a service says, and what was said to it.
#[derive(Default)]
pub(crate) struct Script {
    /// Each request with all there is about it, JSON: its ticket, and the reply.
    pub(crate) requests: Vec<(String, String)>,
    /// The records that are kept.
    pub(crate) evidence: String,
    /// What an answer is refused with, where it is: a problem.
    pub(crate) refusal: Option<Value>,
    /// What was posted, in order: path and body.
    pub(crate) posted: Vec<(String, Value)>,
    /// Who follows what happens.
    following: Vec<TcpStream>,
}

/// A service that listens.
pub(crate) struct Service {
    pub(crate) script: Arc<Mutex<Script>>,
    url: String,
}

/// An agent asks to deploy with this body.
pub(crate) fn question(body: Value) -> Value {
    json!({
        "cedar": {
            "principal": "Agent::\"deployer\"", "action": "Deploy::Action::\"create\"",
            "resource": "Deploy::Environment::\"production\"", "context": { "build": 42 },
        },
        "involved": [
            { "role": "owner", "entity": "User::\"oda\"", "names": [{ "issuer": "local", "subject": "oda" }] },
        ],
        "gates": [{
            "id": "production", "hash": Hash::of(b"production"), "quorum": 2, "group_name": "sre",
            "group": { "issuer": "local", "id": "sre" }, "reason": "Production needs a second look",
            "channel": "#deploys",
            "break_glass": { "group": { "issuer": "local", "id": "oncall" }, "group_name": "oncall" },
        }],
        "terms": {
            "hold_ms": 25_000, "expires_ms": 3_600_000, "use_within_ms": 600_000, "uses": 1,
            "severity": "medium",
        },
        "request": {
            "method": "POST", "scheme": "https", "authority": "deploy.example", "path": "/deployments?env=production",
            "headers": [{ "name": "x-team", "value": { "text": "web" }, "bound": true }],
            "body": body, "body_sha256": Hash::of(b""), "trailers": [],
        },
        "justification": "Release 42 fixes the login page",
    })
}

/// What everybody is shown of a question.
pub(crate) fn view(raw: &str) -> View {
    View::of(&serde_json::from_str(raw).unwrap(), raw.as_bytes())
}

/// A request as the service describes it, but for the question.
pub(crate) fn about(question: &str) -> Value {
    let asked: Value = serde_json::from_str(question).unwrap();
    json!({
        "ticket": TICKET, "state": "pending", "audience": "prod", "severity": asked["terms"]["severity"],
        "principal": asked["cedar"]["principal"], "action": asked["cedar"]["action"],
        "resource": asked["cedar"]["resource"], "method": asked["request"]["method"],
        "authority": asked["request"]["authority"], "path": asked["request"]["path"],
        "answer_by": 1_700_000_000_000_i64, "missing": 1, "shown": view(question).hash(),
        "answers": [{ "kind": "flag", "person": { "issuer": "local", "subject": "cleo" }, "reason": "odd hour" }],
    })
}

/// The reply about a request: the question in it byte for byte.
pub(crate) fn reply(about: &Value, question: &str) -> String {
    let about = about.to_string();
    format!("{},\"question\":{question}}}", about.strip_suffix('}').unwrap())
}

impl Service {
    /// One that has this request.
    pub(crate) fn with(question: &str) -> Self {
        Self::saying(vec![(TICKET.into(), reply(&about(question), question))])
    }

    /// One that has these, whatever it says about them.
    pub(crate) fn saying(requests: Vec<(String, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(Script { requests, ..Script::default() }));
        let said = Arc::clone(&script);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let said = Arc::clone(&said);
                std::thread::spawn(move || answer(stream, &said));
            }
        });
        Self { script, url }
    }

    /// The command with these words, as somebody who is logged in runs it.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(["approvals", "--url", &self.url]).args(words);
        self.prepared(command)
    }

    fn prepared(&self, mut command: Command) -> Command {
        command.env("COUNTERSIGN_TOKEN", "token").env_remove("COUNTERSIGN_APPROVALS");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it where there is no terminal.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// What it prints, when all goes well.
    pub(crate) fn said(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// What it says when it refuses, with this exit code.
    pub(crate) fn refused(&self, words: &[&str], code: i32) -> String {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", text(&output.stderr));
        text(&output.stderr)
    }

    /// Runs it on a terminal, where somebody types that: whether all went well, and all that the terminal got.
    pub(crate) fn typed(&self, words: &[&str], typed: &str) -> (bool, String) {
        const TERMINAL: &str =
            "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
        let mut command = Command::new("python3");
        command.args(["-c", TERMINAL, env!("CARGO_BIN_EXE_countersign"), "approvals", "--url", &self.url]);
        command.args(words);
        let mut child = self.prepared(command).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(text(&output.stderr), "");
        // A terminal gets both where a line ends.
        (output.status.success(), text(&output.stdout).replace("\r\n", "\n"))
    }

    /// What was posted so far, path and body.
    pub(crate) fn posted(&self) -> Vec<(String, Value)> {
        self.script.lock().unwrap().posted.clone()
    }

    /// Tells everybody who follows that something has changed.
    pub(crate) fn tell(&self) {
        for stream in &mut self.script.lock().unwrap().following {
            stream.write_all(b"data: {}\n\n").unwrap();
        }
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Answers one request and ends the connection.
fn answer(mut stream: TcpStream, script: &Mutex<Script>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let path = target.split('?').next().unwrap();
    let mut script = script.lock().unwrap();
    if path == "/v1/live" {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").unwrap();
        script.following.push(stream);
        return;
    }
    let (status, body) = match method {
        "POST" => script.posted(path, serde_json::from_slice(&body).unwrap()),
        _ => script.read(path),
    };
    let head = format!("HTTP/1.1 {status} \r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).unwrap();
}

impl Script {
    fn read(&self, path: &str) -> (u16, String) {
        match path {
            "/v1/requests" => {
                let all: Vec<_> = self.requests.iter().map(|(_, reply)| reply.as_str()).collect();
                (200, format!("{{\"items\":[{}]}}", all.join(",")))
            }
            "/v1/evidence" => (200, self.evidence.clone()),
            path => self.one(path.rsplit('/').next().unwrap()),
        }
    }

    fn one(&self, ticket: &str) -> (u16, String) {
        let unknown = json!({ "code": "not_found", "detail": "there is no such request" });
        let found = self.requests.iter().find(|(known, _)| known == ticket);
        found.map_or_else(|| (404, unknown.to_string()), |(_, reply)| (200, reply.clone()))
    }

    fn posted(&mut self, path: &str, body: Value) -> (u16, String) {
        self.posted.push((path.to_owned(), body));
        match (&self.refusal, path) {
            (_, "/v1/sessions/totp") => (200, "{}".to_owned()),
            (Some(refusal), _) => (422, refusal.to_string()),
            (None, path) => self.one(path.split('/').nth(3).unwrap()),
        }
    }
}
