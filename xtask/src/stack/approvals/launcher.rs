//! How the approval service is started, and what is done before it runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::process::Command;

use super::Options;
use crate::stack::AUDIENCE;
use crate::stack::process::Process;
use crate::stack::ticket::text;

/// What is asked here is asked by few principals, of nobody who could tire.
const UNLIMITED: [&str; 10] = [
    "--most-open",
    "100000",
    "--most-open-per-audience",
    "100000",
    "--most-open-per-principal",
    "100000",
    "--most-open-per-gate",
    "100000",
    "--most-per-minute",
    "1000000",
];

/// How it is started, each time.
#[derive(Debug)]
pub(super) struct Launcher {
    binary: PathBuf,
    folder: PathBuf,
    pub(super) options: Options,
    environment: Vec<(&'static str, String)>,
}

impl Launcher {
    pub(super) fn new(binary: &Path, folder: &Path, options: Options) -> Result<Self> {
        let environment = match options.clock_ahead {
            0 => Vec::new(),
            ahead => clock(ahead)?,
        };
        Ok(Self { binary: binary.to_owned(), folder: folder.to_owned(), options, environment })
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("approvals")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.arg("--data").arg(self.data());
        command
    }

    pub(super) async fn add_gateway(&self, name: &str) -> Result<String> {
        text(&self.prepare(&["gateway", "add", name, "--audience", AUDIENCE]).await?, "token")
    }

    pub(super) async fn serve(
        &self,
        listen: &str,
        arguments: &[String],
        patience: Duration,
    ) -> Result<(Process, Value)> {
        let mut command = self.command();
        command.args(["--listen", listen]).args(UNLIMITED).args(arguments);
        Process::ready("approvals", command, &self.folder, patience).await
    }

    /// Runs one of the service's subcommands, which print one line of JSON.
    pub(super) async fn prepare(&self, words: &[&str]) -> Result<Value> {
        let done = self.command().args(words).output().await?;
        if !done.status.success() {
            bail!("the approval service refuses {words:?}: {}", String::from_utf8_lossy(&done.stderr));
        }
        Ok(serde_json::from_slice(&done.stdout)?)
    }
}

/// The environment in which a program's clock is ahead; its timers are as they were. Debian's `faketime` says where its
/// library lies; it is not run around the program, because what is started here must be what is stopped.
fn clock(ahead: i64) -> Result<Vec<(&'static str, String)>> {
    let said = crate::workspace::output(std::process::Command::new("faketime").args(["-f", "+0", "env"]))?;
    let library = said.lines().find_map(|line| line.strip_prefix("LD_PRELOAD="));
    let library = library.context("faketime does not say where its library lies")?.to_owned();
    let monotonic = ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned());
    Ok(vec![("LD_PRELOAD", library), ("FAKETIME", format!("{ahead:+}s")), monotonic])
}
