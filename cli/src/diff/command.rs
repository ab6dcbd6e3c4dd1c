//! `countersign diff`: what a change of policies would do to recorded traffic.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use countersign_core::bundle::Bundle;
use countersign_host_test::approvals::Otherwise;

use super::report::{Format, Report};
use super::{Change, Table};
use crate::replay::command::{DIFFERS, GatewayArguments, unreadable};
use crate::replay::{Chunking, Options, Played, Reader, Recording, RunError, Setting, Stage};

/// What `countersign diff` is told.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The policy folder as it is.
    pub old: PathBuf,
    /// The policy folder as it would be.
    pub new: PathBuf,
    /// Recordings, each `*.jsonl`.
    #[arg(required = true)]
    pub recordings: Vec<PathBuf>,
    /// The gateway.
    #[command(flatten)]
    pub gateway: GatewayArguments,
    /// Changes that are a failure.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub fail_on: Vec<Change>,
    /// The form of the report.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Replays everything with both and prints the report.
///
/// # Errors
/// None that are not said here, with their own exit code.
pub fn run(arguments: &Arguments, old: &Bundle, new: &Bundle) -> Result<ExitCode> {
    let gateway = &arguments.gateway;
    let old = match Setting::read(&gateway.filter, old, gateway.configuration.as_deref()) {
        Ok(setting) => setting,
        Err(error) => return Ok(unreadable(&error)),
    };
    let new = old.with(new);
    let mut sides = Sides::default();
    let mut recordings = Vec::new();
    for path in &arguments.recordings {
        match sides.replay(arguments, (&old, &new), path) {
            Ok(recording) => recordings.push(recording),
            Err(error) => return Ok(unreadable(&error)),
        }
    }
    let report = Report {
        filter: Report::named(&gateway.filter, old.filter_hash),
        old: Report::named(&arguments.old, old.bundle_hash),
        new: Report::named(&arguments.new, new.bundle_hash),
        recordings,
        table: sides.table,
        faults: sides.faults,
    };
    print!("{}", report.render(arguments.format));
    let fails = arguments.fail_on.iter().any(|change| report.table.count(*change) > 0);
    Ok(if fails || !report.faults.is_empty() { ExitCode::from(DIFFERS) } else { ExitCode::SUCCESS })
}

/// Both sides, and what of one still waits for the other.
#[derive(Default)]
struct Sides {
    table: Table,
    faults: Vec<String>,
    waiting: [BTreeMap<u64, Played>; 2],
}

impl Sides {
    fn replay(
        &mut self,
        arguments: &Arguments,
        (old, new): (&Setting, &Setting),
        path: &std::path::Path,
    ) -> Result<Recording, RunError> {
        let mut reader = Reader::open(path)?;
        let mut stages: Option<[Stage; 2]> = None;
        let mut number = 0;
        while let Some(entry) = reader.entry()? {
            if !entry.is_whole() {
                continue;
            }
            if stages.is_none() {
                let at = Duration::from_millis(entry.ts.unsigned_abs());
                let options = options(&arguments.gateway);
                stages = Some([Stage::start(old, &options, at)?, Stage::start(new, &options, at)?]);
            }
            let Some([before, after]) = &mut stages else { continue };
            let played = [before.play(number, entry.clone()), after.play(number, entry)];
            self.meet(played);
            number += 1;
        }
        for (side, stage) in stages.into_iter().flatten().enumerate() {
            let (played, ending) = stage.finish();
            let name = ["old", "new"].get(side).copied().unwrap_or_default();
            let breaks =
                ending.breaks.iter().map(|found| format!("the evidence does not hold together: {found:?}"));
            let traps = ending.traps.iter().map(|why| format!("the filter traps in {why}"));
            let faults = breaks.chain(traps).chain(ending.faults);
            self.faults.extend(faults.map(|fault| format!("{name}: {fault}")));
            let mut sides = [Vec::new(), Vec::new()];
            if let Some(place) = sides.get_mut(side) {
                *place = played;
            }
            self.meet(sides);
        }
        Ok(reader.recording())
    }

    /// Counts the requests of which both sides are known.
    fn meet(&mut self, played: [Vec<Played>; 2]) {
        let [old, new] = &mut self.waiting;
        let [before, after] = played;
        old.extend(before.into_iter().map(|played| (played.number, played)));
        new.extend(after.into_iter().map(|played| (played.number, played)));
        let both: Vec<_> = old.keys().filter(|number| new.contains_key(number)).copied().collect();
        for number in both {
            if let (Some(before), Some(after)) = (old.remove(&number), new.remove(&number)) {
                self.table.add(&before, &after);
            }
        }
    }
}

/// Nobody has to be waited for: where the recording does not say, the answer is no.
fn options(gateway: &GatewayArguments) -> Options {
    Options {
        name: String::new(),
        workers: gateway.workers,
        seed: gateway.seed,
        otherwise: Otherwise::RejectAll,
        chunking: Chunking::Recorded,
    }
}
