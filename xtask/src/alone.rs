//! The approval service without a gateway: what speaks to it is a client of this program's own.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use countersign_view::View;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::stack::PATIENCE;
use crate::stack::login::Login;
use crate::stack::process::Process;
use crate::workspace::output;

/// Options of a service that nothing limits.
pub const UNLIMITED: [&str; 10] = [
    "--most-open",
    "1000000",
    "--most-open-per-audience",
    "1000000",
    "--most-open-per-principal",
    "1000000",
    "--most-open-per-gate",
    "1000000",
    "--most-per-minute",
    "100000000",
];

/// How many principals ask.
const PRINCIPALS: u128 = 128;

/// A running service with a gateway, and an administrator who may approve.
pub struct Alone {
    /// Where it is.
    pub url: String,
    /// The gateway's token.
    pub gateway: String,
    /// The administrator's API token, for everything.
    pub token: String,
    root: Login,
    http: Client,
    process: Process,
}

impl Alone {
    /// Starts it with its data in `folder`, on the database at that address or on SQLite.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn start(
        binary: &Path,
        folder: &Path,
        database: Option<&str>,
        options: &[&str],
    ) -> Result<Self> {
        let command = |words: &[&str]| {
            let mut command = Command::new(binary);
            command.arg("--data").arg(folder.join("data"));
            command.args(database.into_iter().flat_map(|database| ["--database", database])).args(words);
            command
        };
        let said =
            |words: &[&str]| -> Result<Value> { Ok(serde_json::from_str(&output(&mut command(words))?)?) };
        let root = said(&["user", "add", "root", "--group", "admins", "--group", "sre"])?;
        let root: Login = serde_json::from_value(root)?;
        let gateway = text(&said(&["gateway", "add", "edge", "--audience", "edge"])?, "token")?;
        // Two of one group can approve what needs two.
        said(&["user", "add", "ada", "--group", "sre"])?;
        let serve = [&["--listen", "127.0.0.1:0"], &UNLIMITED[..], options].concat();
        let (process, ready) = Process::ready("approvals", command(&serve).into(), folder, PATIENCE).await?;
        let (url, http) = (format!("http://{}", text(&ready, "listening")?), Client::new());
        let mut alone = Self { url, gateway, token: String::new(), root, http, process };
        let session = alone.session(0).await?;
        let scopes = json!({ "name": "all", "scopes": ["read", "answer", "audit", "admin"], "days": 1 });
        alone.token = text(&alone.post("/v1/tokens", &session, &scopes).await?, "token")?;
        Ok(alone)
    }

    /// A session of the administrator's, whose second factor was proven with the code of that many seconds from now: each
    /// code counts once, and only one that is later than the last.
    ///
    /// # Errors
    /// When the service does not let them in.
    pub async fn session(&self, ahead: i64) -> Result<String> {
        let Self { root, .. } = self;
        let log_in = json!({ "user": "root", "password": root.password, "totp": root.code(ahead)? });
        text(&self.post("/v1/sessions", "", &log_in).await?, "session")
    }

    /// Asks for what takes `quorum` of sre, through a waiter; gives the ticket and the hash of what is shown.
    ///
    /// # Errors
    /// When the service does not take it.
    pub async fn ask(&self, number: u128, waiter: u128, quorum: u8) -> Result<(String, String)> {
        // As many principals as the usual limit of each leaves room for.
        let question = question(quorum, &format!("A::\"a{}\"", number % PRINCIPALS));
        let raw = question.to_string();
        let shown = View::of(&serde_json::from_str(&raw)?, raw.as_bytes()).hash().to_string();
        let item = json!({
            "nonce": format!("{number:032x}"), "waiter": format!("{waiter:032x}"), "digest": format!("{number:064x}"),
            "question": question,
        });
        let reply =
            self.post("/v1/requests", &self.gateway, &json!({ "evidence": [], "items": [item] })).await?;
        let ticket = text(reply.pointer("/items/0").context("no reply to the question")?, "ticket")?;
        Ok((ticket, shown))
    }

    /// # Errors
    /// When the service does not answer, or not well.
    pub async fn post(&self, path: &str, credential: &str, body: &Value) -> Result<Value> {
        let request = self.http.request(Method::POST, format!("{}{path}", self.url)).bearer_auth(credential);
        let reply = request.json(body).send().await?;
        let (status, said) = (reply.status(), reply.text().await?);
        anyhow::ensure!(status.is_success(), "{path}: {status} {said}");
        Ok(serde_json::from_str(&said)?)
    }

    /// The system's number for its process, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }
}

fn text(value: &Value, member: &str) -> Result<String> {
    let text = value.get(member).and_then(Value::as_str);
    text.map(str::to_owned).with_context(|| format!("no `{member}` in {value}"))
}

/// A request that so many of sre may approve.
fn question(quorum: u8, principal: &str) -> Value {
    let zeros = "0".repeat(64);
    json!({
        "cedar": { "principal": principal, "action": "A::Action::\"b\"", "resource": "A::\"c\"", "context": {} },
        "involved": [{ "role": "agent", "entity": principal, "names": [] }],
        "gates": [{
            "id": "gate", "hash": zeros, "group": { "issuer": "local", "id": "sre" }, "group_name": "sre",
            "quorum": quorum, "reason": null, "channel": null,
        }],
        "terms": {
            "hold_ms": 3_600_000, "expires_ms": 86_400_000, "use_within_ms": 600_000, "uses": 1, "severity": "medium",
        },
        "request": {
            "method": "POST", "scheme": "https", "authority": "a.example", "path": "/deployments", "headers": [],
            "body": { "text": "{\"build\":42}" }, "body_sha256": zeros, "trailers": [],
        },
        "justification": null,
    })
}
