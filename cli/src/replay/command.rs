//! `countersign replay`: decides every recorded request, and says what is not as it must be.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use countersign_core::bundle::Bundle;
use countersign_host_test::approvals::Otherwise;
use countersign_protocol::recording::Entry;

use super::envoy::{self, Envoy};
use super::{Ending, Options, Played, Setting, Stage, verify};

/// What `countersign replay` is told.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The policy folder.
    pub policies: PathBuf,
    /// Recordings, each `*.jsonl`.
    #[arg(required = true)]
    pub recordings: Vec<PathBuf>,
    /// The filter.
    #[arg(long, default_value = "countersign.wasm", env = "COUNTERSIGN_WASM")]
    pub filter: PathBuf,
    /// The filter's configuration, a JSON file; the folder takes the place of its `bundle`, and a scripted service
    /// that of its `approval`.
    #[arg(long)]
    pub configuration: Option<PathBuf>,
    /// Workers of the gateway.
    #[arg(long, default_value_t = 1)]
    pub workers: usize,
    /// What randomness follows from.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Where the recording does not say, everybody approves.
    #[arg(long, conflicts_with = "reject_all")]
    pub approve_all: bool,
    /// Where the recording does not say, somebody rejects.
    #[arg(long)]
    pub reject_all: bool,
    /// What runs the filter.
    #[arg(long, value_enum, default_value_t = Gateway::Harness)]
    pub gateway: Gateway,
    /// The program for `--gateway envoy`. Holds take real time there.
    #[arg(long, default_value = "envoy", env = "COUNTERSIGN_ENVOY")]
    pub envoy: PathBuf,
}

/// What runs the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Gateway {
    /// This program, in virtual time.
    Harness,
    /// A real Envoy, in real time.
    Envoy,
}

impl Arguments {
    fn options(&self) -> Options {
        let otherwise = match (self.approve_all, self.reject_all) {
            (true, _) => Otherwise::ApproveAll,
            (_, true) => Otherwise::RejectAll,
            _ => Otherwise::Silence,
        };
        Options { workers: self.workers, seed: self.seed, otherwise }
    }
}

/// Replays everything.
///
/// # Errors
/// When something cannot be read, or the filter does not take its configuration.
pub fn run(arguments: &Arguments, bundle: &Bundle) -> Result<ExitCode> {
    let setting = Setting::read(&arguments.filter, bundle, arguments.configuration.as_deref())?;
    let mut count = 0;
    for recording in &arguments.recordings {
        let (played, ending) = match arguments.gateway {
            Gateway::Harness => play(&setting, &arguments.options(), recording)?,
            Gateway::Envoy => play_in_envoy(arguments, &setting, recording)?,
        };
        for played in &played {
            let findings = verify(played);
            for f in &findings {
                println!("{}: {f:?}", played.entry.id);
            }
            if !findings.is_empty() {
                println!(
                    "   {:?} {:?} {:?}",
                    played.records.iter().map(|r| &r.kind).collect::<Vec<_>>(),
                    played.seen.summary,
                    String::from_utf8_lossy(&played.seen.response.body)
                );
            }
            count += usize::from(findings.is_empty());
        }
        println!("{count} of {} {ending:?}", played.len());
    }
    Ok(ExitCode::SUCCESS)
}

fn play(setting: &Setting, options: &Options, recording: &Path) -> Result<(Vec<Played>, Ending)> {
    let file = File::open(recording).with_context(|| format!("cannot read `{}`", recording.display()))?;
    let mut stage = None;
    let mut played = Vec::new();
    for line in BufReader::new(file).lines() {
        let entry: Entry = serde_json::from_str(&line?)?;
        let stage = match &mut stage {
            Some(stage) => stage,
            None => {
                let at = Duration::from_millis(entry.ts.unsigned_abs());
                stage.insert(Stage::start(setting, options, at)?)
            }
        };
        played.extend(stage.play(entry));
    }
    let Some(stage) = stage else { bail!("`{}` holds nothing", recording.display()) };
    let (rest, ending) = stage.finish();
    played.extend(rest);
    Ok((played, ending))
}

fn play_in_envoy(
    arguments: &Arguments,
    setting: &Setting,
    recording: &Path,
) -> Result<(Vec<Played>, Ending)> {
    let text = std::fs::read_to_string(recording)
        .with_context(|| format!("cannot read `{}`", recording.display()))?;
    let entries = text.lines().map(serde_json::from_str).collect::<Result<Vec<Entry>, _>>()?;
    let envoy = Envoy { binary: arguments.envoy.clone(), filter: arguments.filter.clone() };
    let runtime = tokio::runtime::Runtime::new()?;
    Ok(runtime.block_on(envoy::play(&envoy, setting, &arguments.options(), entries))?)
}
