//! The approval service's interface against its own OpenAPI document: what the document allows and what it forbids is
//! sent by `schemathesis`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use reqwest::Client;
use serde_json::{Value, json};

use crate::packages;
use crate::stack::login::Login;
use crate::stack::process::Process;
use crate::workspace::{Workspace, output, run};

/// The tool, as its registry publishes it.
const PIP: &str = "schemathesis==4.32.5";
/// A service that nothing limits, and whose polls last no longer than it takes to see that they do.
const OPTIONS: [&str; 12] = [
    "--listen",
    "127.0.0.1:0",
    "--most-open",
    "1000000",
    "--most-open-per-principal",
    "1000000",
    "--most-open-per-gate",
    "1000000",
    "--most-per-minute",
    "1000000",
    "--longest-poll",
    "50ms",
];
/// Requests of each kind for each operation; the same ones each time.
const EFFORT: [&str; 6] = ["--max-examples", "40", "--seed", "1", "--checks", "all"];

/// A running service, and who may call it.
struct Service {
    url: String,
    gateway: String,
    token: String,
    ticket: String,
    /// Kept: it ends when it is dropped.
    _process: Process,
}

/// Lets `schemathesis` try every operation.
///
/// # Errors
/// When it finds something, or cannot be installed.
pub fn test(workspace: &Workspace) -> Result<()> {
    packages::require()?;
    let tool = install(workspace)?;
    let servers = ["build", "--quiet", "--workspace", "--bin", "countersign-approvals"];
    run(workspace.cargo().args(servers))?;
    let folder = tempfile::tempdir()?;
    let binary = workspace.target("debug").join("countersign-approvals");
    let runtime = tokio::runtime::Runtime::new()?;
    let service = runtime.block_on(Service::start(&binary, folder.path()))?;
    let config = folder.path().join("schemathesis.toml");
    std::fs::write(&config, format!("[parameters]\n\"path.ticket\" = \"{}\"\n", service.ticket))?;
    let check = |credential: &str, words: &[&str]| {
        let mut check = Command::new(&tool);
        check.arg("--config-file").arg(&config).arg("run").arg(format!("{}/v1/openapi.json", service.url));
        check.args(EFFORT).args(words).arg("--header").arg(format!("Authorization: Bearer {credential}"));
        run(check.current_dir(folder.path()))
    };
    // Lines of evidence are strings to the document, and not every string is a record; a question that is malformed
    // answers for itself in a reply that takes the others; and the tool cannot write the media type that evidence comes
    // in on its own.
    let checks = "positive_data_acceptance,negative_data_rejection";
    let gateways =
        ["--include-tag", "gateways", "--exclude-path", "/v1/evidence", "--exclude-checks", checks];
    check(&service.gateway, &gateways)?;
    // What changes until nobody hears of it is no reply.
    check(&service.token, &["--exclude-tag", "gateways", "--exclude-path", "/v1/live"])
}

fn install(workspace: &Workspace) -> Result<PathBuf> {
    let (folder, marker) = (workspace.target("schemathesis-venv"), "installed");
    if std::fs::read_to_string(folder.join(marker)).unwrap_or_default() != PIP {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        let words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PIP];
        output(Command::new(folder.join("bin/python")).args(words))?;
        std::fs::write(folder.join(marker), PIP)?;
    }
    Ok(folder.join("bin/schemathesis"))
}

impl Service {
    async fn start(binary: &Path, folder: &Path) -> Result<Self> {
        let data = folder.join("data");
        let command = |words: &[&str]| {
            let mut command = Command::new(binary);
            command.arg("--data").arg(&data).args(words);
            command
        };
        let said =
            |words: &[&str]| -> Result<Value> { Ok(serde_json::from_str(&output(&mut command(words))?)?) };
        let root: Login =
            serde_json::from_value(said(&["user", "add", "root", "--group", "admins", "--group", "sre"])?)?;
        let gateway = text(&said(&["gateway", "add", "edge", "--audience", "edge"])?, "token")?;
        said(&["user", "add", "ada", "--group", "sre"])?;
        let (process, ready) = Process::ready("approvals", command(&OPTIONS).into(), folder).await?;
        let url = format!("http://{}", text(&ready, "listening")?);
        let http = Client::new();
        let post = async |path: &str, credential: &str, body: Value| -> Result<Value> {
            let request = http.post(format!("{url}{path}")).bearer_auth(credential).json(&body);
            Ok(request.send().await?.error_for_status()?.json().await?)
        };
        let log_in = json!({ "user": "root", "password": root.password, "totp": root.code(0)? });
        let session = text(&post("/v1/sessions", "", log_in).await?, "session")?;
        let scopes =
            json!({ "name": "schemathesis", "scopes": ["read", "answer", "audit", "admin"], "days": 1 });
        let token = text(&post("/v1/tokens", &session, scopes).await?, "token")?;
        let asked = post("/v1/requests", &gateway, json!({ "evidence": [], "items": [question()] })).await?;
        let ticket = text(&asked["items"][0], "ticket")?;
        Ok(Self { url, gateway, token, ticket, _process: process })
    }
}

fn text(value: &Value, member: &str) -> Result<String> {
    let text = value.get(member).and_then(Value::as_str);
    text.map(str::to_owned).with_context(|| format!("no `{member}` in {value}"))
}

/// A request that one of sre may approve.
fn question() -> Value {
    let (zeros, ones) = ("0".repeat(64), "1".repeat(32));
    json!({
        "nonce": ones, "waiter": ones, "digest": zeros,
        "question": {
            "cedar": { "principal": "A::\"a\"", "action": "A::Action::\"b\"", "resource": "A::\"c\"", "context": {} },
            "involved": [{ "role": "agent", "entity": "A::\"a\"", "names": [] }],
            "gates": [{
                "id": "gate", "hash": zeros, "group": { "issuer": "local", "id": "sre" }, "group_name": "sre",
                "quorum": 2, "reason": null, "channel": null,
            }],
            "terms": {
                "hold_ms": 0, "expires_ms": 86_400_000, "use_within_ms": 60_000, "uses": 1, "severity": "medium",
            },
            "request": {
                "method": "GET", "scheme": "https", "authority": "a.example", "path": "/", "headers": [],
                "body": { "text": "" }, "body_sha256": zeros, "trailers": [],
            },
            "justification": null,
        },
    })
}
