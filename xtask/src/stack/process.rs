//! A server that runs beside this program, and never longer than it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::PATIENCE;

/// Lines of a log that are shown when something fails.
const SHOWN: usize = 40;

/// A running server with its log. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    /// What it prints, where that is kept.
    printed: Option<PathBuf>,
    /// Kept open: a server that cannot print any more may end.
    stdout: Option<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts a server whose output goes to files in `folder`: two of them, or what it prints and what it logs would
    /// tear each other's lines.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &str, command: Command, folder: &Path) -> Result<Self> {
        let [log, printed] = ["log", "out"].map(|kind| folder.join(format!("{name}.{kind}")));
        let (file, stdout) = (File::create(&log)?, File::create(&printed)?);
        let process = Self::spawn(name, command, log, file, stdout.into())?;
        Ok(Self { printed: Some(printed), ..process })
    }

    /// Starts a server that prints one line of JSON when it is ready, and waits for it. A log that is there
    /// already goes on: it is the same server, started again. One that is not ready after `patience` is ended, and gone
    /// on return: another can take its address.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not become ready.
    pub async fn ready(
        name: &str,
        command: Command,
        folder: &Path,
        patience: Duration,
    ) -> Result<(Self, Value)> {
        let log = folder.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log)?;
        let mut process = Self::spawn(name, command, log, file, Stdio::piped())?;
        let stdout = process.child.stdout.take().context("no standard output")?;
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        let read = timeout(patience, stdout.read_line(&mut line)).await;
        process.stdout = Some(stdout);
        if !matches!(read, Ok(Ok(length)) if length > 0) {
            process.kill().await?;
            bail!("{name} does not become ready\n{}", process.tail());
        }
        let said = serde_json::from_str(&line).with_context(|| format!("{name} said `{}`", line.trim()))?;
        Ok((process, said))
    }

    fn spawn(name: &str, mut command: Command, log: PathBuf, file: File, stdout: Stdio) -> Result<Self> {
        // In this program's process group: Ctrl-C in a terminal reaches them all.
        command.kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(stdout).stderr(file);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name: name.into(), child, log, printed: None, stdout: None })
    }

    /// The system's number for it, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// How it ended, if it did.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it does not.
    pub async fn end(&mut self) -> Result<ExitStatus> {
        let ended = timeout(PATIENCE, self.child.wait()).await;
        Ok(ended.with_context(|| format!("{} does not end\n{}", self.name, self.tail()))??)
    }

    /// Ends it at once, as SIGKILL does, and waits until it is gone.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.with_context(|| format!("cannot stop {}", self.name))
    }

    /// What it printed so far, where that is kept.
    #[must_use]
    pub fn printed(&self) -> String {
        self.printed.as_deref().map(text).unwrap_or_default()
    }

    /// What it printed, and then what it logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.printed() + &text(&self.log)
    }

    /// The end of its log, for an error message.
    #[must_use]
    pub fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        let last = lines.iter().skip(lines.len().saturating_sub(SHOWN)).copied().collect::<Vec<_>>();
        format!("--- end of the log of {}\n{}\n---", self.name, last.join("\n"))
    }
}

fn text(file: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).into_owned()
}
