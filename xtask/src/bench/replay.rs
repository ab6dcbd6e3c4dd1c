//! How fast recorded traffic is replayed, and in how much memory: the harness with the released filter.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde_json::{Value, json};

use super::machine::{self, Processors};
use crate::workspace::Workspace;

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Bytes of the body of a request that has one.
const BODY: usize = 2_000;

/// The day of the recordings: the example's change window is open on it.
const DAY: i64 = 1_767_607_200_000;

/// What is replayed.
#[derive(Debug, Clone, Copy)]
enum Traffic {
    /// Header fields alone.
    Headers,
    /// A JSON body that a route reads.
    Body,
}

/// One replay.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Replay {
    pub(super) name: &'static str,
    pub(super) requests: u64,
    pub(super) jobs: usize,
    /// Without the start of the program.
    pub(super) per_second: f64,
    /// The most that was resident, bytes.
    pub(super) memory: u64,
}

/// How fast it starts, and how fast it is then.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Replays {
    /// From the start of the program to its end, one request, nothing compiled before, seconds.
    pub(super) cold: f64,
    /// The same, the filter compiled before.
    pub(super) warm: f64,
    pub(super) replays: Vec<Replay>,
}

/// Replays a tenth of `requests` without bodies on one processor and on all, a twentieth with bodies on both, and all
/// without bodies on one.
pub(super) fn measure(workspace: &Workspace, requests: u64, processors: &Processors) -> Result<Replays> {
    let folder = tempfile::tempdir()?;
    let bench = Bench { workspace, folder: folder.path() };
    let all = processors.all.split(',').count();
    let one = bench.recording(Traffic::Headers, 1)?;
    // Nothing that was compiled before is found in an empty folder.
    let cache = folder.path().join("cache");
    let timed = || -> Result<f64> {
        let begun = Instant::now();
        bench.run(&one, 1, 1, Some(&cache))?;
        Ok(begun.elapsed().as_secs_f64())
    };
    let (cold, warm) = (timed()?, timed()?);
    let replays = [
        ("headers only", Traffic::Headers, requests / 10, 1),
        ("headers only", Traffic::Headers, requests / 10, all),
        ("JSON body of 2 KB, read by a route", Traffic::Body, requests / 20, 1),
        ("JSON body of 2 KB, read by a route", Traffic::Body, requests / 20, all),
        ("headers only", Traffic::Headers, requests, 1),
    ];
    let replay = |(name, traffic, requests, jobs)| {
        let recording = bench.recording(traffic, requests)?;
        let (per_second, memory) = bench.run(&recording, requests, jobs, None)?;
        std::fs::remove_file(recording)?;
        Ok(Replay { name, requests, jobs, per_second, memory })
    };
    Ok(Replays { cold, warm, replays: replays.into_iter().map(replay).collect::<Result<_>>()? })
}

struct Bench<'a> {
    workspace: &'a Workspace,
    folder: &'a Path,
}

impl Bench<'_> {
    fn recording(&self, traffic: Traffic, requests: u64) -> Result<PathBuf> {
        let path = self.folder.join(format!("{traffic:?}-{requests}.jsonl"));
        let mut file = BufWriter::new(std::fs::File::create(&path)?);
        for number in 0..requests {
            serde_json::to_writer(&mut file, &entry(traffic, number))?;
            file.write_all(b"\n")?;
        }
        file.flush()?;
        Ok(path)
    }

    /// Requests a second, and the most bytes that were resident.
    fn run(&self, recording: &Path, requests: u64, jobs: usize, cache: Option<&Path>) -> Result<(f64, u64)> {
        let example = self.workspace.root().join("examples/deploy-agent");
        let mut command = Command::new(self.workspace.target("release/countersign"));
        command.arg("replay").arg(example.join("policies")).arg(recording);
        command.arg("--filter").arg(self.workspace.target("countersign.wasm"));
        command.arg("--configuration").arg(example.join("configuration.json"));
        command.args(["--format", "json", "--jobs", &jobs.to_string()]).stdout(Stdio::piped());
        cache.iter().for_each(|cache| _ = command.env("XDG_CACHE_HOME", cache));
        let mut child = command.spawn()?;
        let mut memory = 0;
        while child.try_wait()?.is_none() {
            // Gone between the two looks is no error.
            memory = machine::most_memory(child.id()).unwrap_or(0).max(memory);
            std::thread::sleep(LOOK);
        }
        let said = child.wait_with_output()?;
        let report: Value = serde_json::from_slice(&said.stdout).context("no report of the replay")?;
        let allowed = report.pointer("/decisions/allow").and_then(Value::as_u64);
        ensure!(
            said.status.success() && allowed == Some(requests),
            "not every request was allowed: {report}"
        );
        let seconds = report.get("seconds").and_then(Value::as_f64).context("no time in the report")?;
        Ok((super::stats::float(requests) / seconds, memory))
    }
}

/// A request of the example's agent, a hundred in a second.
fn entry(traffic: Traffic, number: u64) -> Value {
    let ts = DAY.saturating_add(i64::try_from(number).unwrap_or_default().saturating_mul(10));
    let mut headers = vec![
        json!([":method", "GET"]),
        json!([":scheme", "http"]),
        json!([":authority", "deploy.example"]),
        json!([":path", format!("/v1/builds?status=passed&page={number}")]),
        json!(["accept", "application/json"]),
        json!(["user-agent", "release-bot/1.0"]),
        json!(["authorization", "Bearer recorded"]),
    ];
    let mut request = json!({});
    if let Traffic::Body = traffic {
        let notes = "x".repeat(BODY);
        let body =
            json!({ "service": "checkout", "version": format!("2.4.{number}"), "notes": notes }).to_string();
        headers.splice(
            0..4,
            [
                json!([":method", "POST"]),
                json!([":scheme", "http"]),
                json!([":authority", "deploy.example"]),
                json!([":path", "/v1/environments/staging/deployments"]),
                json!(["content-type", "application/json"]),
                json!(["content-length", body.len().to_string()]),
            ],
        );
        request = json!({ "body": body });
    }
    if let Some(members) = request.as_object_mut() {
        members.insert("headers".into(), headers.into());
    }
    json!({
        "v": 1, "id": number.to_string(), "ts": ts, "fidelity": "client", "peer": { "address": "10.1.2.3" },
        "claims": { "agents": { "iss": "https://sso.example", "sub": "release-bot" } }, "request": request,
    })
}
