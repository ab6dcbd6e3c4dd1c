//! An Envoy that is measured: on processors of its own, with its times, its memory and its work.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::process::Command;
use tokio::time::sleep;

use super::machine;
use crate::stack::PATIENCE;
use crate::stack::process::Process;

/// How often a starting gateway is asked whether it is ready.
const PROBE: Duration = Duration::from_millis(2);

/// How an Envoy is started.
#[derive(Debug, Clone)]
pub(super) struct Launch<'a> {
    /// Its binary.
    pub(super) envoy: &'a Path,
    /// Where configuration and log go.
    pub(super) folder: &'a Path,
    /// The processors that it may use, as `taskset` takes them.
    pub(super) processors: &'a str,
    /// Workers.
    pub(super) workers: usize,
}

/// An Envoy that serves.
#[derive(Debug)]
pub(super) struct Server {
    process: Process,
    id: u32,
    admin: String,
    /// Where clients connect to.
    pub(super) address: SocketAddr,
    /// From its start until it said that it is ready.
    pub(super) ready: Duration,
}

impl Launch<'_> {
    /// Starts it and waits until it serves.
    ///
    /// # Errors
    /// When it does not: its log says why.
    pub(super) async fn start(&self, name: &str, configuration: &Value) -> Result<Server> {
        let place = self.folder.join(format!("{name}.admin"));
        if place.exists() {
            std::fs::remove_file(&place)?;
        }
        let file = self.folder.join(format!("{name}.json"));
        std::fs::write(&file, serde_json::to_vec(configuration)?)?;
        let command = self.command(&file, &place);
        let begun = Instant::now();
        let mut process = Process::start(name, command, self.folder)?;
        let ready = ready(&mut process, &place, begun).await;
        let (ready, admin) = ready.with_context(|| process.tail())?;
        let address = listener(&admin).await.with_context(|| process.tail())?;
        let id = process.id().with_context(|| format!("{name} ended"))?;
        Ok(Server { process, id, admin, address, ready })
    }

    fn command(&self, file: &Path, place: &PathBuf) -> Command {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", self.processors]).arg(self.envoy).arg("--config-path").arg(file);
        command.arg("--admin-address-path").arg(place);
        command.args(["--disable-hot-restart", "--concurrency", &self.workers.to_string()]);
        command.args(["--log-level", "warning", "--component-log-level", "wasm:info"]);
        command
    }
}

/// Waits until it is ready, looking often: how long that takes is a figure.
async fn ready(process: &mut Process, place: &Path, begun: Instant) -> Result<(Duration, String)> {
    let http = reqwest::Client::new();
    while begun.elapsed() < PATIENCE {
        if let Some(status) = process.ended()? {
            bail!("it ended: {status}");
        }
        if let Ok(admin) = std::fs::read_to_string(place) {
            let answer = http.get(format!("http://{admin}/ready")).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok((begun.elapsed(), admin));
            }
        }
        sleep(PROBE).await;
    }
    bail!("it is not ready after {} s", PATIENCE.as_secs())
}

async fn listener(admin: &str) -> Result<SocketAddr> {
    let listeners = reqwest::get(format!("http://{admin}/listeners?format=json")).await?;
    let listeners: Value = listeners.json().await?;
    let port = listeners.pointer("/listener_statuses/0/local_address/socket_address/port_value");
    let port = port.and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
    let port = port.with_context(|| format!("it does not listen: {listeners}"))?;
    Ok(SocketAddr::from(([127, 0, 0, 1], port)))
}

impl Server {
    /// Its memory that is in use now, bytes.
    ///
    /// # Errors
    /// When the system does not tell.
    pub(super) fn memory(&self) -> Result<u64> {
        machine::memory(self.id)
    }

    /// How many records its filter has dropped; none without Countersign.
    ///
    /// # Errors
    /// When its console does not say.
    pub(super) async fn dropped(&self) -> Result<u64> {
        let stats = reqwest::get(format!("http://{}/stats/prometheus", self.admin)).await?.text().await?;
        let lines = stats.lines().filter(|line| line.starts_with("countersign_evidence_dropped_total{"));
        let numbers = lines.map(|line| line.rsplit(' ').next().unwrap_or_default().parse::<u64>());
        numbers.sum::<Result<u64, _>>().context("no number")
    }

    /// One of its counters or gauges.
    ///
    /// # Errors
    /// When its console does not say.
    pub(super) async fn stat(&self, name: &str) -> Result<u64> {
        let url = format!("http://{}/stats?filter=^{name}$", self.admin);
        let stats = reqwest::get(url).await?.text().await?;
        let number = stats.trim().strip_prefix(name).and_then(|rest| rest.strip_prefix(": "));
        number.with_context(|| format!("no `{name}` in `{stats}`"))?.parse().context("no number")
    }

    /// The number of its process.
    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// The end of its log, for a message.
    pub(super) fn tail(&self) -> String {
        self.process.tail()
    }

    /// Ends it and waits until it is gone.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub(super) async fn stop(mut self) -> Result<()> {
        self.process.kill().await
    }
}
