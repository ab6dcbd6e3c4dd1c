//! The load generator: `wrk` where it is or can be installed, else `oha`; and what it counted.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::stats::float;
use super::variant::Request;
use crate::packages;

/// Connections, each with one request at a time.
pub(super) const CONNECTIONS: usize = 16;

/// How much longer than it should a run may take.
const GRACE: Duration = Duration::from_secs(30);

/// What sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    /// <https://github.com/wg/wrk>
    Wrk,
    /// <https://github.com/hatoo/oha>
    Oha,
}

/// What came of one run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Run {
    /// Answers each second.
    pub(super) rate: f64,
    /// Answers.
    pub(super) answers: u64,
    /// Of these, with a status that is not 2xx.
    pub(super) refused: u64,
    /// Connections or requests that failed without an answer.
    pub(super) broken: u64,
    /// Records of evidence that the filter dropped meanwhile.
    pub(super) dropped: u64,
    /// Until the answer, microseconds: median and 99th percentile.
    pub(super) p50: f64,
    pub(super) p99: f64,
}

impl Tool {
    /// The one to use here.
    ///
    /// # Errors
    /// When there is none and none can be installed.
    pub(super) fn find() -> Result<Self> {
        match packages::require_load() {
            Ok(()) => Ok(Self::Wrk),
            Err(_) if crate::workspace::found("oha") => Ok(Self::Oha),
            Err(error) => Err(error),
        }
    }

    /// What it says it is.
    pub(super) fn version(self) -> String {
        let (program, word) = if self == Self::Wrk { ("wrk", "-v") } else { ("oha", "--version") };
        // `wrk` prints its version and fails.
        let said = Command::new(program).arg(word).output().map(|done| done.stdout).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let words = said.lines().next().unwrap_or_default().split_whitespace().take(2);
        words.collect::<Vec<_>>().join(" ")
    }

    /// Sends `request` to `gateway` for `seconds`, as fast as answers come.
    ///
    /// # Errors
    /// When it cannot be started, fails, or prints what cannot be read.
    pub(super) async fn run(
        self,
        request: &Request,
        gateway: SocketAddr,
        seconds: u64,
        folder: &Path,
    ) -> Result<Run> {
        let command = if self == Self::Wrk {
            let script = folder.join("request.lua");
            std::fs::write(&script, lua(request)?)?;
            wrk(request, gateway, seconds, &script)
        } else {
            oha(request, gateway, seconds)
        };
        let patience = Duration::from_secs(seconds) + GRACE;
        let mut command = tokio::process::Command::from(command);
        let done: Output =
            timeout(patience, command.kill_on_drop(true).output()).await.context("no end of the load")??;
        let (said, wrong) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        if !done.status.success() {
            bail!("the load generator failed: {}\n{said}{wrong}", done.status);
        }
        let run = if self == Self::Wrk { counted_by_wrk(&said) } else { counted_by_oha(&said) };
        run.with_context(|| format!("the load generator said:\n{said}{wrong}"))
    }
}

fn wrk(request: &Request, gateway: SocketAddr, seconds: u64, script: &Path) -> Command {
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads", "1", "--timeout", "5s", "--connections", &CONNECTIONS.to_string()]);
    wrk.args(["--duration", &format!("{seconds}s"), "--script"]).arg(script);
    wrk.arg(format!("http://{gateway}{}", request.path));
    wrk
}

/// The request, and one line of JSON at the end in place of a table that is for eyes.
fn lua(request: &Request) -> Result<String> {
    // JSON's strings are Lua's as long as nothing but ASCII is in them.
    let text = |text: &str| serde_json::to_string(text);
    let mut script = format!("wrk.method = {}\n", text(request.method)?);
    for (name, value) in &request.headers {
        // `wrk` knows it in this case only, and would add its own.
        let name = if *name == "host" { "Host" } else { name };
        script.push_str(&format!("wrk.headers[{}] = {}\n", text(name)?, text(value)?));
    }
    if let Some(body) = &request.body {
        script.push_str(&format!("wrk.body = {}\n", text(body)?));
    }
    script.push_str(REPORT);
    Ok(script)
}

const REPORT: &str = r#"
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"duration":%d,"status":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,"p50":%d,"p99":%d}\n',
    summary.requests, summary.duration, e.status, e.connect, e.read, e.write, e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"#;

/// Times are microseconds.
#[derive(Deserialize)]
struct Wrk {
    requests: u64,
    duration: u64,
    status: u64,
    connect: u64,
    read: u64,
    write: u64,
    timeout: u64,
    p50: f64,
    p99: f64,
}

fn counted_by_wrk(said: &str) -> Result<Run> {
    let line = said.lines().rev().find(|line| line.starts_with('{')).context("no figures")?;
    let wrk: Wrk = serde_json::from_str(line)?;
    Ok(Run {
        rate: float(wrk.requests) / (float(wrk.duration) / 1e6),
        answers: wrk.requests,
        refused: wrk.status,
        broken: wrk.connect + wrk.read + wrk.write + wrk.timeout,
        dropped: 0,
        p50: wrk.p50,
        p99: wrk.p99,
    })
}

fn oha(request: &Request, gateway: SocketAddr, seconds: u64) -> Command {
    let mut oha = Command::new("oha");
    oha.args(["--no-tui", "--output-format", "json", "-c", &CONNECTIONS.to_string()]);
    oha.args(["-z", &format!("{seconds}s"), "-m", request.method]);
    for (name, value) in &request.headers {
        oha.args(["-H", &format!("{name}: {value}")]);
    }
    if let Some(body) = &request.body {
        oha.args(["-d", body]);
    }
    oha.arg(format!("http://{gateway}{}", request.path));
    oha
}

/// Times are seconds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Oha {
    summary: OhaSummary,
    latency_percentiles: BTreeMap<String, Option<f64>>,
    status_code_distribution: BTreeMap<String, u64>,
    error_distribution: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct OhaSummary {
    total: f64,
}

fn counted_by_oha(said: &str) -> Result<Run> {
    let oha: Oha = serde_json::from_str(said)?;
    let answers = oha.status_code_distribution.values().sum();
    let good = oha.status_code_distribution.iter().filter(|(status, _)| status.starts_with('2'));
    // What is in flight when the time is over is no error.
    let broken = oha.error_distribution.iter().filter(|(what, _)| !what.contains("deadline"));
    let time = |name: &str| oha.latency_percentiles.get(name).copied().flatten().unwrap_or_default() * 1e6;
    Ok(Run {
        rate: float(answers) / oha.summary.total,
        answers,
        refused: answers - good.map(|(_, count)| count).sum::<u64>(),
        broken: broken.map(|(_, count)| count).sum(),
        dropped: 0,
        p50: time("p50"),
        p99: time("p99"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_counted_is_read() {
        let said = "Running 2s test @ http://127.0.0.1:1/\n  thread calibration\nRequests/sec: 1\n\
            {\"requests\":5000,\"duration\":2000000,\"status\":7,\"connect\":0,\"read\":1,\"write\":0,\
            \"timeout\":2,\"p50\":310,\"p99\":900}\n";
        let run = counted_by_wrk(said).unwrap();
        assert_eq!((run.rate, run.answers, run.refused, run.broken), (2500.0, 5000, 7, 3));
        assert_eq!((run.p50, run.p99), (310.0, 900.0));
        assert!(counted_by_wrk("Running 2s test\n").is_err());
    }

    #[test]
    fn what_oha_counted_is_read() {
        let said = r#"{"summary":{"successRate":1.0,"total":2.0,"requestsPerSec":2508.0},
            "latencyPercentiles":{"p50":0.0003,"p99":0.001,"p99.9":null},
            "statusCodeDistribution":{"200":4990,"403":10},
            "errorDistribution":{"aborted due to deadline":16,"connection refused":2}}"#;
        let run = counted_by_oha(said).unwrap();
        assert_eq!((run.rate, run.answers, run.refused, run.broken), (2500.0, 5000, 10, 2));
        assert!((run.p50 - 300.0).abs() < 1e-6);
    }

    #[test]
    fn a_request_becomes_a_script() {
        let request = Request {
            method: "PUT",
            path: "/a",
            headers: vec![("host", "a.example".into()), ("x-agent", "builder".into())],
            body: Some("{\"a\":1}".into()),
        };
        let script = lua(&request).unwrap();
        assert!(script.starts_with("wrk.method = \"PUT\"\nwrk.headers[\"Host\"] = \"a.example\"\nwrk.headers[\"x-agent\"] = \"builder\"\n"));
        assert!(script.contains("wrk.body = \"{\\\"a\\\":1}\"\n"));
    }
}
