//! Replays recordings, on several processors if that is wanted.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use countersign_host_test::Trial;
use countersign_protocol::recording::Entry;

use super::envoy::EnvoyError;
use super::reader::{ReadError, Reader, Recording};
use super::{Ending, Options, Played, Setting, Stage, Tally, verify};

/// Entries that wait for a job; a reader that is ahead waits then.
const AHEAD: usize = 1_024;

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A recording cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The filter does not take its configuration.
    #[error(transparent)]
    Filter(#[from] Trial),
    /// Envoy does not play it.
    #[error(transparent)]
    Envoy(#[from] EnvoyError),
    /// A job is gone.
    #[error("a job of the replay panicked")]
    Job,
}

/// What a replay is asked for.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The recordings, one after another; each begins in a new gateway.
    pub recordings: Vec<PathBuf>,
    /// How each gateway is set up.
    pub options: Options,
    /// Jobs at a time.
    pub jobs: usize,
    /// What to keep besides counts: see [`Tally`].
    pub tally: Tally,
}

/// Replays everything; `progress` is told how many entries were read.
///
/// # Errors
/// See [`RunError`].
pub fn run(
    setting: &Setting,
    plan: &Plan,
    progress: &mut dyn FnMut(u64),
) -> Result<(Vec<Recording>, Tally), RunError> {
    let mut tally = plan.tally.clone();
    let mut recordings = Vec::new();
    let mut number = 0;
    for path in &plan.recordings {
        let mut reader = Reader::open(path)?;
        let played = thread::scope(|scope| {
            let (senders, jobs): (Vec<SyncSender<_>>, Vec<_>) = (0..plan.jobs.max(1))
                .map(|_| {
                    let (sender, receiver) = sync_channel(AHEAD);
                    (sender, scope.spawn(move || job(setting, plan, path, &receiver)))
                })
                .unzip();
            let counts = (&mut number, &mut tally.partial);
            let read = distribute(&mut reader, &senders, counts, progress);
            drop(senders);
            let tallies = jobs.into_iter().map(|job| job.join().map_err(|_| RunError::Job)?);
            let tallies: Result<Vec<Tally>, RunError> = tallies.collect();
            read?;
            tallies
        })?;
        played.into_iter().for_each(|played| tally.join(played));
        recordings.push(reader.recording());
    }
    Ok((recordings, tally))
}

/// Gives each entry to the job that has had those like it: what can be joined comes to one gateway. An entry
/// without its whole body is none that could be judged as it was.
fn distribute(
    reader: &mut Reader,
    senders: &[SyncSender<(u64, Entry)>],
    (number, partial): (&mut u64, &mut u64),
    progress: &mut dyn FnMut(u64),
) -> Result<(), ReadError> {
    while let Some(entry) = reader.entry()? {
        if !entry.is_whole() {
            *partial += 1;
            *number += 1;
            continue;
        }
        let place = usize::try_from(likeness(&entry)).unwrap_or(0) % senders.len().max(1);
        // A job that is gone says why when it is joined.
        if senders.get(place).is_none_or(|sender| sender.send((*number, entry)).is_err()) {
            return Ok(());
        }
        *number += 1;
        if number.is_multiple_of(1_000) {
            progress(*number);
        }
    }
    progress(*number);
    Ok(())
}

fn likeness(entry: &Entry) -> u64 {
    let mut hasher = DefaultHasher::new();
    let named = |name: &str| [":method", ":authority", ":path"].contains(&name);
    for (name, value) in entry.request.headers.iter().filter(|(name, _)| named(name)) {
        (name, &value.0).hash(&mut hasher);
    }
    entry.request.body.as_ref().map(|body| &body.0).hash(&mut hasher);
    hasher.finish() >> 1
}

fn job(
    setting: &Setting,
    plan: &Plan,
    path: &Path,
    entries: &Receiver<(u64, Entry)>,
) -> Result<Tally, RunError> {
    let mut tally = plan.tally.clone();
    let mut stage = None;
    for (number, entry) in entries {
        let stage = match &mut stage {
            Some(stage) => stage,
            None => {
                let at = Duration::from_millis(entry.ts.unsigned_abs());
                stage.insert(Stage::start(setting, &plan.options, at)?)
            }
        };
        for played in stage.play(number, entry) {
            tally.add(path, &played, verify(&played));
        }
    }
    let Some(stage) = stage else { return Ok(tally) };
    let (rest, ending) = stage.finish();
    conclude(&mut tally, path, &rest, ending);
    Ok(tally)
}

/// Counts the last entries, and how it ended.
pub(super) fn conclude(tally: &mut Tally, path: &Path, rest: &[Played], ending: Ending) {
    for played in rest {
        tally.add(path, played, verify(played));
    }
    tally
        .faults
        .extend(ending.breaks.iter().map(|found| format!("the evidence does not hold together: {found:?}")));
    tally.trapped |= !ending.traps.is_empty();
    tally.faults.extend(ending.traps.iter().map(|why| format!("the filter traps in {why}")));
    tally.faults.extend(ending.faults);
    tally.memory.extend(ending.memory);
}
