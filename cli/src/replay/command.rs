//! `countersign replay`: decides every recorded request, and says what is not as it must be.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use countersign_core::bundle::Bundle;
use countersign_core::engine::Rules;
use countersign_host_test::approvals::Otherwise;

use super::envoy::{self, Envoy};
use super::reader::is_piped;
use super::report::{Format, Places, Report};
use super::run::{Plan, RunError, run as replay};
use super::{Chunking, Options, Setting, Tally, update};
use crate::failure::{DIFFERS, Failure, TRAPPED};
use crate::output;
use crate::progress::Progress;

/// What `countersign replay` is told.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The policy folder.
    pub policies: PathBuf,
    /// Recordings, each `*.jsonl`; `-` is what is piped in.
    #[arg(required = true)]
    pub recordings: Vec<PathBuf>,
    #[command(flatten)]
    /// The gateway.
    pub gateway: GatewayArguments,
    /// The parts in which bodies come: as recorded, or in every way, each of which must come to the same.
    #[arg(long, value_enum, default_value_t)]
    pub chunking: ChunkingArgument,
    /// Jobs at a time. What is alike stays in one; caps on what is held count for each.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    pub jobs: usize,
    /// What people do.
    #[command(flatten)]
    pub people: PeopleArguments,
    /// Write what came as what is expected from now on. Refused where `CI` is set.
    #[arg(long)]
    pub update: bool,
    /// The form of the report.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// What runs the filter.
    #[arg(long = "gateway", value_enum, default_value_t)]
    pub runs: Runs,
    /// The program for `--gateway envoy`.
    #[arg(long, default_value = "envoy", env = "COUNTERSIGN_ENVOY")]
    pub envoy: PathBuf,
}

/// What runs the filter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Runs {
    /// This program, in virtual time.
    #[default]
    Harness,
    /// A real Envoy. Now is now there whatever was recorded, and holds take their time.
    Envoy,
}

/// What people do where the recording does not say.
#[derive(Debug, Clone, Args)]
pub struct PeopleArguments {
    /// Where the recording does not say, everybody approves.
    #[arg(long, group = "people")]
    pub approve_all: bool,
    /// Where the recording does not say, somebody rejects.
    #[arg(long, group = "people")]
    pub reject_all: bool,
    /// Where the recording does not say, people do what this file says: a JSON array of what a recording has
    /// under `people`.
    #[arg(long, group = "people")]
    pub script: Option<PathBuf>,
}

/// The gateway of a replay.
#[derive(Debug, Clone, Args)]
pub struct GatewayArguments {
    /// The filter.
    #[arg(long, default_value = "countersign.wasm", env = "COUNTERSIGN_WASM")]
    pub filter: PathBuf,
    /// The filter's configuration, a JSON file; the folder takes the place of its `bundle`, and a scripted service
    /// that of its `approval`.
    #[arg(long)]
    pub configuration: Option<PathBuf>,
    /// Workers of the gateway.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    pub workers: usize,
    /// What randomness follows from.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// A number of things without which nothing happens.
pub(crate) fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=1_024).contains(number));
    number.ok_or_else(|| "write 1 to 1024".into())
}

/// What may be why things differ.
const NOBODY: &str =
    "no `--configuration` was given: without its `identity` nobody is known, and everybody is anonymous";

/// The parts in which bodies come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ChunkingArgument {
    /// As they were recorded.
    #[default]
    Recorded,
    /// In every way.
    All,
}

/// Replays everything and prints the report.
///
/// # Errors
/// When there is no report; see [`Failure`].
pub fn run(arguments: &Arguments, bundle: &Bundle, rules: &Rules) -> Result<ExitCode, Failure> {
    let otherwise = arguments.people.otherwise()?.unwrap_or(Otherwise::Silence);
    if arguments.update {
        update::permitted()?;
    }
    let twice = arguments.update || arguments.chunking == ChunkingArgument::All;
    if twice && arguments.recordings.iter().any(|path| is_piped(path)) {
        return Err(Failure::Usage(
            "`-` can be read once: `--update` and `--chunking all` need a file".into(),
        ));
    }
    let gateway = &arguments.gateway;
    let setting = Setting::read(&gateway.filter, bundle, gateway.configuration.as_deref())?;
    let begun = Instant::now();
    let (mut recordings, tally) = all(arguments, &setting, &otherwise)?;
    // What is broken is no expectation.
    let updated = arguments.update && tally.is_sound();
    if let Some(came) = tally.came.as_ref().filter(|_| updated) {
        recordings = update::write(&arguments.recordings, came)?;
    }
    let paths = (gateway.filter.clone(), arguments.policies.clone());
    let mut report = Report::new(&setting, paths, recordings, tally);
    report.seconds = begun.elapsed().as_secs_f64();
    report.places = Places::of(&arguments.policies, rules);
    match arguments.format {
        Format::Json => output::print_json(&report.render(Format::Json))?,
        format => output::print(&report.render(format))?,
    }
    if gateway.configuration.is_none() && !report.tally.is_clean() {
        output::say(NOBODY);
    }
    if arguments.update && !updated {
        output::say("nothing was updated: what is broken is no expectation");
    }
    Ok(match (report.tally.trapped, report.tally.is_clean() || updated) {
        (true, _) => ExitCode::from(TRAPPED),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::from(DIFFERS),
    })
}

/// Replays in every way that is asked for; what comes of a way that is not the recorded one counts only when it
/// is not as it must be.
fn all(
    arguments: &Arguments,
    setting: &Setting,
    otherwise: &Otherwise,
) -> Result<(Vec<super::Recording>, Tally), RunError> {
    let ways = match arguments.chunking {
        ChunkingArgument::Recorded => &Chunking::ALL[..1],
        ChunkingArgument::All => &Chunking::ALL[..],
    };
    let mut all: Option<(Vec<super::Recording>, Tally)> = None;
    for chunking in ways {
        let keeps_all = ways.len() > 1 || arguments.update;
        let tally = Tally {
            cases: (arguments.format == Format::Junit).then(Vec::new),
            came: keeps_all.then(Default::default),
            ..Tally::default()
        };
        let gateway = &arguments.gateway;
        let options = Options {
            workers: gateway.workers,
            seed: gateway.seed,
            otherwise: otherwise.clone(),
            chunking: *chunking,
            ..Options::default()
        };
        let plan = Plan { recordings: arguments.recordings.clone(), options, jobs: arguments.jobs, tally };
        let bar = Progress::over(&arguments.recordings);
        let progress = &mut |bytes| bar.at(bytes);
        let played = match arguments.runs {
            Runs::Harness => replay(setting, &plan, progress)?,
            Runs::Envoy => {
                let (binary, filter) = (arguments.envoy.clone(), gateway.filter.clone());
                envoy::run(&Envoy { binary, filter }, setting, &plan, progress)?
            }
        };
        drop(bar);
        match &mut all {
            None => all = Some(played),
            Some((_, first)) => first.compare(*chunking, &played.1),
        }
    }
    let (recordings, mut tally) = all.unwrap_or_default();
    tally.came = tally.came.filter(|_| arguments.update);
    Ok((recordings, tally))
}

impl PeopleArguments {
    /// What they come to; nothing when none is there.
    pub(crate) fn otherwise(&self) -> Result<Option<Otherwise>, Failure> {
        if let Some(script) = &self.script {
            let shown = script.display();
            let text = std::fs::read(script)
                .map_err(|error| Failure::Unreadable(format!("cannot read `{shown}`: {error}")))?;
            let acts = serde_json::from_slice(&text).map_err(|error| {
                Failure::Unreadable(format!(
                    "`{shown}` is no array of what people do, such as `[{{\"after\": \"3s\", \"do\": \"approve\", \"by\": \"u1\"}}]` \
                     (see docs/recordings.md): {error}"
                ))
            })?;
            return Ok(Some(Otherwise::Acts(acts)));
        }
        Ok(match (self.approve_all, self.reject_all) {
            (true, _) => Some(Otherwise::ApproveAll),
            (_, true) => Some(Otherwise::RejectAll),
            _ => None,
        })
    }
}
