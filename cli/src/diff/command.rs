//! `countersign diff`: what a change of policies would do to recorded traffic.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use countersign_core::bundle::Bundle;
use countersign_core::engine::Rules;
use countersign_host_test::approvals::Otherwise;

use super::report::{Format, Report};
use super::{Change, Table};
use crate::failure::{DIFFERS, Failure, TRAPPED};
use crate::output;
use crate::progress::Progress;
use crate::replay::command::{GatewayArguments, PeopleArguments};
use crate::replay::report::Places;
use crate::replay::{
    NOTHING, Options, Played, Reader, Recording, RunError, Setting, Stage, broken, left_out,
};

/// What `countersign diff` is told.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The policy folder as it is.
    pub old: PathBuf,
    /// The policy folder as it would be.
    pub new: PathBuf,
    /// Recordings, each `*.jsonl`; `-` is what is piped in.
    #[arg(required = true)]
    pub recordings: Vec<PathBuf>,
    /// Read the old policies from this commit, in place of from the folder as it is now.
    #[arg(long, value_name = "REVISION")]
    pub old_rev: Option<String>,
    /// The gateway.
    #[command(flatten)]
    pub gateway: GatewayArguments,
    /// What people do; they say no where nothing does.
    #[command(flatten)]
    pub people: PeopleArguments,
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
/// When there is no report; see [`Failure`].
pub fn run(
    arguments: &Arguments,
    (old, old_rules): (Bundle, Rules),
    (new, new_rules): (Bundle, Rules),
) -> Result<ExitCode, Failure> {
    let (gateway, options) = (&arguments.gateway, options(arguments)?);
    let places = [Places::of(&arguments.new, &new_rules), Places::of(&arguments.old, &old_rules)];
    let old = Setting::read(&gateway.filter, &old, gateway.configuration.as_deref())?;
    let new = old.with(&new);
    let mut sides = Sides::default();
    let mut recordings = Vec::new();
    let (bar, mut before) = (Progress::over(&arguments.recordings), 0);
    for path in &arguments.recordings {
        let progress = |bytes| bar.at(before + bytes);
        let (recording, bytes) = sides.replay(&options, (&old, &new), path, progress)?;
        recordings.push(recording);
        before += bytes;
    }
    drop(bar);
    if sides.table.total() == 0 {
        sides.faults.push(NOTHING.into());
    }
    let report = Report {
        filter: Report::named(&gateway.filter, old.filter_hash),
        old: Report::named(&arguments.old, old.bundle_hash),
        new: Report::named(&arguments.new, new.bundle_hash),
        recordings,
        seconds: sides.table.seconds(),
        asked_daily: sides.table.asked_daily(),
        table: sides.table,
        partial: sides.partial,
        faults: sides.faults,
        trapped: sides.trapped,
        fail_on: arguments.fail_on.clone(),
        places,
    };
    match arguments.format {
        Format::Json => output::print_json(&report.render(Format::Json))?,
        format => output::print(&report.render(format))?,
    }
    let fails = arguments.fail_on.iter().any(|change| report.table.count(*change) > 0);
    Ok(match (report.trapped, fails || !report.faults.is_empty()) {
        (true, _) => ExitCode::from(TRAPPED),
        (false, true) => ExitCode::from(DIFFERS),
        (false, false) => ExitCode::SUCCESS,
    })
}

/// The names of both sides.
const NAMES: [&str; 2] = ["old", "new"];

/// Faults that are kept in full.
const FAULTS: usize = 100;

/// Both sides, and what of one still waits for the other.
#[derive(Default)]
struct Sides {
    table: Table,
    partial: u64,
    faults: Vec<String>,
    trapped: bool,
    waiting: [BTreeMap<u64, Played>; 2],
}

impl Sides {
    fn replay(
        &mut self,
        options: &Options,
        (old, new): (&Setting, &Setting),
        path: &Path,
        progress: impl Fn(u64),
    ) -> Result<(Recording, u64), RunError> {
        self.table.begin();
        let mut reader = Reader::open(path)?;
        let mut stages: Option<[Stage; 2]> = None;
        let mut number = 0;
        while let Some(entry) = reader.entry()? {
            if !entry.is_whole() {
                self.partial += 1;
                self.faults.extend(left_out(&entry));
                continue;
            }
            if stages.is_none() {
                let at = Duration::from_millis(entry.ts.unsigned_abs());
                stages = Some([Stage::start(old, options, at)?, Stage::start(new, options, at)?]);
            }
            let Some([before, after]) = &mut stages else { continue };
            let played = [before.play(number, entry.clone()), after.play(number, entry)];
            self.meet(path, played);
            number += 1;
            progress(reader.bytes());
        }
        for (side, stage) in stages.into_iter().flatten().enumerate() {
            let (played, ending) = stage.finish();
            let name = NAMES.get(side).copied().unwrap_or_default();
            self.trapped |= !ending.traps.is_empty();
            ending.all().for_each(|fault| self.fault(format!("{name}: {fault}")));
            let mut sides = [Vec::new(), Vec::new()];
            if let Some(place) = sides.get_mut(side) {
                *place = played;
            }
            self.meet(path, sides);
        }
        Ok((reader.recording(), reader.bytes()))
    }

    fn fault(&mut self, what: String) {
        match self.faults.len() {
            0..FAULTS => self.faults.push(what),
            FAULTS => self.faults.push("… and more faults".into()),
            _ => {}
        }
    }

    /// Counts the requests of which both sides are known.
    fn meet(&mut self, path: &Path, played: [Vec<Played>; 2]) {
        for (name, played) in NAMES.into_iter().zip(&played) {
            for played in played {
                let id = &played.entry.id;
                broken(played).iter().for_each(|what| self.fault(format!("{name}: `{id}`: {what}")));
            }
        }
        let [old, new] = &mut self.waiting;
        let [before, after] = played;
        old.extend(before.into_iter().map(|played| (played.number, played)));
        new.extend(after.into_iter().map(|played| (played.number, played)));
        let both: Vec<_> = old.keys().filter(|number| new.contains_key(number)).copied().collect();
        for number in both {
            if let (Some(before), Some(after)) = (old.remove(&number), new.remove(&number)) {
                self.table.add(path, &before, &after);
            }
        }
    }
}

/// Nobody has to be waited for: where neither the recording nor the command line says, the answer is no.
fn options(arguments: &Arguments) -> Result<Options, Failure> {
    Ok(Options {
        workers: arguments.gateway.workers,
        seed: arguments.gateway.seed,
        otherwise: arguments.people.otherwise()?.unwrap_or(Otherwise::RejectAll),
        ..Options::default()
    })
}
