//! Envoy with the filter.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitStatus;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::process::Command;

use super::process::Process;
use super::until;
use crate::bench::machine;

/// How a gateway is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Threads that serve requests; each has a filter of its own.
    pub workers: u32,
    /// Added to its environment.
    pub environment: Vec<(&'static str, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self { workers: 2, environment: Vec::new() }
    }
}

/// A gateway that serves.
#[derive(Debug)]
pub struct Gateway {
    process: Process,
    address: SocketAddr,
    admin: String,
}

impl Gateway {
    pub(super) async fn start(
        envoy: &Path,
        folder: &Path,
        name: &str,
        config: &Value,
        options: &Options,
    ) -> Result<Self> {
        let mut process = launch(envoy, folder, name, config, options)?;
        let place = folder.join(format!("{name}.admin"));
        let http = reqwest::Client::new();
        let started = until("the gateway to serve", async || {
            if let Some(status) = process.ended()? {
                bail!("{name} ended: {status}");
            }
            let Ok(admin) = std::fs::read_to_string(&place) else { return Ok(None) };
            let ready = http.get(format!("http://{admin}/ready")).send().await;
            Ok(ready.is_ok_and(|answer| answer.status().is_success()).then_some(admin))
        });
        let admin = started.await.with_context(|| process.tail())?;
        let listeners = http.get(format!("http://{admin}/listeners?format=json")).send().await?;
        let listeners: Value = listeners.json().await?;
        let port = listeners.pointer("/listener_statuses/0/local_address/socket_address/port_value");
        let port = port.and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
        let port = port.with_context(|| format!("the gateway does not listen: {listeners}"))?;
        Ok(Self { process, address: SocketAddr::from(([127, 0, 0, 1], port)), admin })
    }

    pub(super) async fn refused(envoy: &Path, folder: &Path, name: &str, config: &Value) -> Result<String> {
        let mut process = launch(envoy, folder, name, config, &Options::default())?;
        let status = process.end().await?;
        if status.success() {
            bail!("{name} ended without an error\n{}", process.tail());
        }
        Ok(process.log())
    }

    /// Where clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The gateway's own console.
    #[must_use]
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Bytes that it read from its clients so far.
    ///
    /// # Errors
    /// When its console does not say.
    pub async fn read(&self) -> Result<usize> {
        self.stat("http.gateway.downstream_cx_rx_bytes_total").await
    }

    /// One of its counters or gauges.
    ///
    /// # Errors
    /// When its console does not say.
    pub async fn stat(&self, name: &str) -> Result<usize> {
        let stats = reqwest::get(format!("http://{}/stats", self.admin)).await?.text().await?;
        let named = |line: &str| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned);
        let number = stats.lines().find_map(named);
        number.with_context(|| format!("there is no `{name}`"))?.parse().context("no number")
    }

    /// Its memory that is in use now, bytes.
    ///
    /// # Errors
    /// When it is gone.
    pub fn memory(&self) -> Result<u64> {
        machine::memory(self.process.id().context("the gateway is gone")?)
    }

    /// Tells its console to do something.
    ///
    /// # Errors
    /// When the console does not take it.
    pub async fn command(&self, path: &str) -> Result<()> {
        reqwest::Client::new()
            .post(format!("http://{}{path}", self.admin))
            .send()
            .await?
            .error_for_status()?;
        Ok(())
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it does not.
    pub async fn end(&mut self) -> Result<ExitStatus> {
        self.process.end().await
    }

    /// Ends it at once, as SIGKILL does.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.kill().await
    }

    /// What it logged so far, access log and all.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The end of its log, for a message.
    #[must_use]
    pub fn tail(&self) -> String {
        self.process.tail()
    }

    /// The access log so far: one object for each finished request.
    #[must_use]
    pub fn access_log(&self) -> Vec<Value> {
        self.process.printed().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Ends it and waits until it is gone.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn stop(mut self) -> Result<()> {
        self.process.kill().await
    }
}

fn launch(envoy: &Path, folder: &Path, name: &str, config: &Value, options: &Options) -> Result<Process> {
    let file = folder.join(format!("{name}.json"));
    std::fs::write(&file, serde_json::to_string_pretty(config)?)?;
    let mut command = Command::new(envoy);
    command.arg("--config-path").arg(file);
    command.arg("--admin-address-path").arg(folder.join(format!("{name}.admin")));
    command.args(["--disable-hot-restart", "--concurrency", &options.workers.to_string()]);
    command.envs(options.environment.iter().map(|(name, value)| (name, value)));
    command.args(["--file-flush-interval-msec", "50"]);
    command.args(["--log-level", "warning", "--component-log-level", "wasm:info"]);
    Process::start(name, command, folder)
}
