//! The machine that is measured on: what it is, which processors do what, and what the system says of a process.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use std::process::Command;
use tokio::time::{Instant, sleep};

use crate::envoy;
use crate::workspace::{Workspace, output};

/// What figures stand for.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Machine {
    pub(super) processor: String,
    pub(super) processors: usize,
    /// Bytes.
    pub(super) memory: u64,
    pub(super) kernel: String,
    pub(super) envoy: String,
    pub(super) rustc: String,
    pub(super) load: String,
    /// The state of the sources.
    pub(super) revision: String,
    /// UTC, `2026-01-31`.
    pub(super) date: String,
}

/// Which processors do what, as `taskset` takes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Processors {
    /// The gateway that is measured has this one for itself.
    pub(super) gateway: String,
    /// Load generator, approval service, upstream, authorizer and this program.
    pub(super) others: String,
    /// All of them.
    pub(super) all: String,
}

impl Machine {
    /// Looks at it.
    ///
    /// # Errors
    /// When the system does not tell.
    pub(super) fn here(workspace: &Workspace, processors: &Processors, load: &str) -> Result<Self> {
        let line = |program: &str, words: &[&str]| -> Result<String> {
            let mut command = Command::new(program);
            Ok(output(command.args(words).current_dir(workspace.root()))?.trim().to_owned())
        };
        Ok(Self {
            processor: field("/proc/cpuinfo", "model name")?,
            // Of this program only those that are left to it.
            processors: processors.all.split(',').count(),
            memory: kilobytes(&field("/proc/meminfo", "MemTotal")?)?,
            kernel: line("uname", &["-sr"])?,
            envoy: envoy::VERSION.into(),
            rustc: line("rustc", &["--version"])?,
            load: load.into(),
            revision: line("git", &["describe", "--always", "--dirty"]).unwrap_or_else(|_| "unknown".into()),
            date: line("date", &["--utc", "+%F"])?,
        })
    }
}

impl Processors {
    /// Shares out the processors that this program may use, which must be two at least.
    ///
    /// # Errors
    /// When there is one only, or the system does not tell.
    pub(super) fn share_out() -> Result<Self> {
        Self::of(&field("/proc/self/status", "Cpus_allowed_list")?)
    }

    fn of(list: &str) -> Result<Self> {
        let mut numbers = Vec::new();
        for range in list.split(',') {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            numbers.extend(first.trim().parse::<usize>()?..=last.trim().parse::<usize>()?);
        }
        let name = |numbers: &[usize]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let (gateway, others) = numbers.split_first().context("no processor")?;
        ensure!(!others.is_empty(), "the benchmark needs two processors: the gateway has one for itself");
        Ok(Self { gateway: gateway.to_string(), others: name(others), all: name(&numbers) })
    }

    /// Moves this program, and all that it starts from now on, away from the gateway's processor.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn step_aside(&self) -> Result<()> {
        take(&self.others)
    }

    /// Moves this program, and all that it starts from now on, to all processors.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn come_back(&self) -> Result<()> {
        take(&self.all)
    }
}

fn take(processors: &str) -> Result<()> {
    let id = std::process::id().to_string();
    output(Command::new("taskset").args(["--all-tasks", "--cpu-list", "--pid", processors, &id])).map(drop)
}

/// Lets this program and all that it starts open as many files as the system permits.
///
/// # Errors
/// When the system refuses.
pub(super) fn open_files() -> Result<u64> {
    let limits = field("/proc/self/limits", "Max open files")?;
    let hard = limits.split_whitespace().nth(1).context("no limit of open files")?;
    let id = std::process::id().to_string();
    output(Command::new("prlimit").args(["--pid", &id, &format!("--nofile={hard}:{hard}")]))?;
    hard.parse().context("no number of open files")
}

/// Gives a process, thread by thread, only the time that nobody else wants.
///
/// # Errors
/// When the system refuses.
pub(super) fn stand_back(process: u32) -> Result<()> {
    let mut renice = Command::new("renice");
    renice.args(["-n", "19", "-p"]);
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        renice.arg(thread?.file_name());
    }
    output(&mut renice).map(drop)
}

/// A process's memory that is in use now, bytes.
///
/// # Errors
/// When it is gone.
pub(crate) fn memory(process: u32) -> Result<u64> {
    kilobytes(&field(&format!("/proc/{process}/status"), "VmRSS")?)
}

/// The most memory of a process that ever was in use, bytes.
///
/// # Errors
/// When it is gone.
pub(super) fn most_memory(process: u32) -> Result<u64> {
    kilobytes(&field(&format!("/proc/{process}/status"), "VmHWM")?)
}

/// Waits until these processes rest, but not for ever: what one measurement left undone must not be work
/// during the next. Says whether they do.
///
/// # Errors
/// When one is gone.
pub(super) async fn rest(processes: &[u32], patience: Duration) -> Result<bool> {
    const LOOK: Duration = Duration::from_millis(200);
    /// Of 20 in that time.
    const BUSY: u64 = 1;
    let work = || processes.iter().map(|process| ticks(*process)).sum::<Result<u64>>();
    let deadline = Instant::now() + patience;
    let mut before = work()?;
    while Instant::now() < deadline {
        sleep(LOOK).await;
        let after = work()?;
        if after.saturating_sub(before) <= BUSY {
            return Ok(true);
        }
        before = after;
    }
    Ok(false)
}

/// Hundredths of a second that a process has worked.
fn ticks(process: u32) -> Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // proc_pid_stat(5): the name, in parentheses, may hold spaces; user and system time are fields 14 and 15.
    let (_, rest) = stat.rsplit_once(')').context("no name")?;
    let fields = rest.split_whitespace().skip(11).take(2);
    fields.map(|field| field.parse::<u64>().context("no number")).sum()
}

/// What follows `name` in a file of the system's, on its first line that begins so.
fn field(file: &str, name: &str) -> Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| file.to_owned())?;
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    let value = value.with_context(|| format!("{file} has no `{name}`"))?;
    Ok(value.trim_start_matches([' ', '\t', ':']).trim().to_owned())
}

fn kilobytes(text: &str) -> Result<u64> {
    let number: u64 = text.trim_end_matches("kB").trim().parse()?;
    Ok(number.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_has_a_processor_for_itself() {
        let shared = Processors::of("0-3,8").unwrap();
        assert_eq!((shared.gateway.as_str(), shared.others.as_str()), ("0", "1,2,3,8"));
        assert_eq!(shared.all, "0,1,2,3,8");
        assert!(Processors::of("2").is_err());
    }

    #[test]
    fn the_system_tells_of_a_process() {
        let this = std::process::id();
        assert!(memory(this).unwrap() > 1 << 20);
        assert!(ticks(this).is_ok());
        assert_eq!(kilobytes("12 kB").unwrap(), 12 * 1024);
    }
}
