//! Envoy, running: started, waited for, its access log read, and ended when it is dropped.

use std::collections::BTreeSet;
use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::EnvoyError;
use super::wire::{Framing, Reader};

/// How long it may take to be ready: compiling a filter on a busy machine takes many seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Lines of its log that are shown when it does not start.
const SHOWN: usize = 20;

/// A gateway that serves.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// Where clients connect to: in plain text, and by TLS.
    pub(super) addresses: Vec<SocketAddr>,
    admin: SocketAddr,
    /// What it says of itself.
    log: PathBuf,
}

/// What its access log says of a request.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Logged {
    /// The client's end of the connection.
    pub(super) client: String,
    /// Why the response is what it is.
    #[serde(default)]
    pub(super) details: Option<String>,
    /// What the filter left in filter state.
    #[serde(default)]
    pub(super) summary: Option<String>,
}

/// Starts Envoy and waits until it serves. Its access log goes to `log`.
///
/// # Errors
/// When it does not: what it said.
pub(super) async fn start(
    binary: &Path,
    folder: &Path,
    workers: usize,
    configuration: &Value,
    log: mpsc::UnboundedSender<Logged>,
) -> std::result::Result<Process, EnvoyError> {
    let (errors, place) = (folder.join("envoy.log"), folder.join("envoy.admin"));
    let mut child = launch(binary, folder, workers, configuration).map_err(|error| EnvoyError::Io {
        what: format!("start `{}` (`--envoy` names the program)", binary.display()),
        error,
    })?;
    let said = |why: &str| EnvoyError::Start { why: why.into(), log: tail(&errors) };
    if let Some(stdout) = child.stdout.take() {
        tokio::spawn(async move {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                serde_json::from_str(&line).into_iter().for_each(|line| _ = log.send(line));
            }
        });
    }
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(said(&format!("it ended: {status}")));
        }
        let admin = std::fs::read_to_string(&place).ok().and_then(|text| text.trim().parse().ok());
        if let Some(admin) = admin
            && ready(admin).await
        {
            let addresses = listeners(admin).await.map_err(|error| said(&error.to_string()))?;
            return Ok(Process { child, addresses, admin, log: errors });
        }
        sleep(Duration::from_millis(25)).await;
    }
    Err(said("it is not ready in time"))
}

impl Process {
    /// All that it logged so far, the filter's lines among it.
    ///
    /// # Errors
    /// When its log cannot be read: nobody knows then.
    pub(super) fn log(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(&self.log)?).into_owned())
    }

    /// The filter's metrics, a line each.
    ///
    /// # Errors
    /// When it does not tell.
    pub(super) async fn metrics(&self) -> Result<Vec<u8>> {
        get(self.admin, "/stats?filter=wasmcustom").await.map(|(_, text)| text)
    }

    /// Ends it, and waits until it is gone.
    pub(super) async fn stop(mut self) {
        let _gone = self.child.kill().await;
    }
}

fn launch(binary: &Path, folder: &Path, workers: usize, configuration: &Value) -> Result<Child> {
    let file = folder.join("envoy.json");
    std::fs::write(&file, configuration.to_string())?;
    let mut command = Command::new(binary);
    command.arg("--config-path").arg(file);
    command.arg("--admin-address-path").arg(folder.join("envoy.admin"));
    command.args(["--disable-hot-restart", "--concurrency", &workers.max(1).to_string()]);
    command.args(["--file-flush-interval-msec", "20", "--log-level", "warning"]);
    // The filter's own lines: they must not give anything away.
    command.args(["--component-log-level", "wasm:info"]);
    command.kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(std::fs::File::create(folder.join("envoy.log"))?);
    command.spawn()
}

/// Why the filter trapped, each reason once: the callback, and what the virtual machine said of it.
pub(super) fn traps(log: &str) -> Vec<String> {
    let traps: BTreeSet<_> = log.lines().filter_map(trap).collect();
    traps.into_iter().collect()
}

/// What a line of the log says of a trap: Envoy 1.40 writes `Function: CALLBACK failed: WHY` of each, as an error of
/// its part `wasm` (`Envoy::Extensions::Common::Wasm::EnvoyWasmVmIntegration::error`).
fn trap(line: &str) -> Option<String> {
    let (head, said) = line.split_once("Function: ")?;
    let (callback, why) = said.split_once(" failed: ")?;
    head.contains("[error][wasm]").then(|| format!("`{callback}`: {}", why.trim_end_matches("\\n")))
}

fn tail(log: &Path) -> String {
    let text = String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned();
    let lines: Vec<_> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(SHOWN)).copied().collect::<Vec<_>>().join("\n")
}

async fn ready(admin: SocketAddr) -> bool {
    get(admin, "/ready").await.is_ok_and(|(status, _)| status == 200)
}

async fn listeners(admin: SocketAddr) -> Result<Vec<SocketAddr>> {
    let (_, text) = get(admin, "/listeners?format=json").await?;
    let listeners: Value = serde_json::from_slice(&text)?;
    let statuses = listeners.get("listener_statuses").and_then(Value::as_array);
    let port = |listener: &Value| {
        let port = listener.pointer("/local_address/socket_address/port_value")?.as_u64()?;
        Some(SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).ok()?)))
    };
    let named = |name: &str| statuses.into_iter().flatten().find(|one| one.get("name") == Some(&name.into()));
    let addresses = ["plain", "tls"].into_iter().filter_map(named).filter_map(port);
    Ok(addresses.collect())
}

async fn get(from: SocketAddr, path: &str) -> Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(from).await?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n").as_bytes())
        .await?;
    let mut reader = Reader::new(stream);
    let head = reader.head().await?.ok_or(Error::from(ErrorKind::UnexpectedEof))?;
    let mut body = Vec::new();
    reader.body(head.framing().unwrap_or(Framing::Close), &mut body).await?;
    Ok((head.status(), body))
}
