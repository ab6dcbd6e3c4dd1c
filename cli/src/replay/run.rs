//! Replays recordings, on several processors if that is wanted.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use countersign_host_test::Trial;
use countersign_protocol::recording::{Entry, Trouble};

use super::envoy::EnvoyError;
use super::reader::{ReadError, Reader, Recording};
use super::{Ending, Options, Played, Setting, Stage, Tally, verify};

/// How many entries a job is given at a time: to wake it for each would take a tenth of all time.
const BATCH: usize = 64;

/// Batches that wait for a job; a reader that is ahead waits then.
const AHEAD: usize = 16;

/// That nothing was replayed.
pub(crate) const NOTHING: &str =
    "no request was replayed: the recordings have no entry with its whole request";

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

/// Replays everything; `progress` is told how many bytes were read.
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
    let (mut number, mut before) = (0, 0);
    for path in &plan.recordings {
        let mut reader = Reader::open(path)?;
        let played = thread::scope(|scope| {
            let (mut jobs, workers): (Vec<Job>, Vec<_>) = (0..plan.jobs.max(1))
                .map(|_| {
                    let (sender, receiver) = sync_channel(AHEAD);
                    let job = Job { sender, batch: Vec::new() };
                    (job, scope.spawn(move || work(setting, plan, path, &receiver)))
                })
                .unzip();
            let counts = (&mut number, &mut tally);
            let read = distribute(&mut reader, &mut jobs, counts, &mut |bytes| progress(before + bytes));
            jobs.into_iter().for_each(Job::finish);
            let tallies = workers.into_iter().map(|worker| worker.join().map_err(|_| RunError::Job)?);
            let tallies: Result<Vec<Tally>, RunError> = tallies.collect();
            read?;
            tallies
        })?;
        played.into_iter().for_each(|played| tally.join(played));
        before += reader.bytes();
        recordings.push(reader.recording());
    }
    notice_nothing(&mut tally);
    Ok((recordings, tally))
}

/// What a job is told.
enum Told {
    /// To play an entry, by number.
    Play(u64, Box<Entry>),
    /// That the service fails around a time, says an entry that another job plays.
    Trouble(Duration, Vec<Trouble>),
}

/// A job, and what it is to be told next.
struct Job {
    sender: SyncSender<Vec<Told>>,
    batch: Vec<Told>,
}

impl Job {
    /// Whether it is still there; one that is gone says why when it is joined.
    fn tell(&mut self, told: Told) -> bool {
        self.batch.push(told);
        self.batch.len() < BATCH || self.sender.send(std::mem::take(&mut self.batch)).is_ok()
    }

    /// There is nothing more for it.
    fn finish(self) {
        _ = self.sender.send(self.batch);
    }
}

/// Gives each entry to the job that has had those like it: what can be joined comes to one gateway. How the service
/// fails concerns all of them. An entry without its whole body is none that could be judged as it was.
fn distribute(
    reader: &mut Reader,
    jobs: &mut [Job],
    (number, tally): (&mut u64, &mut Tally),
    progress: &mut dyn FnMut(u64),
) -> Result<(), ReadError> {
    while let Some(entry) = reader.entry()? {
        if !entry.is_whole() {
            tally.skip(reader.path(), *number, &entry);
            *number += 1;
            continue;
        }
        let place = usize::try_from(likeness(&entry)).unwrap_or(0) % jobs.len().max(1);
        if !entry.service.is_empty() {
            let others = jobs.iter_mut().enumerate().filter(|(job, _)| *job != place);
            others.for_each(|(_, other)| _ = other.tell(Told::Trouble(time(&entry), entry.service.clone())));
        }
        let told = Told::Play(*number, Box::new(entry));
        if !jobs.get_mut(place).is_some_and(|job| job.tell(told)) {
            return Ok(());
        }
        *number += 1;
        progress(reader.bytes());
    }
    Ok(())
}

/// When an entry comes.
fn time(entry: &Entry) -> Duration {
    Duration::from_millis(entry.ts.unsigned_abs())
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

fn work(setting: &Setting, plan: &Plan, path: &Path, told: &Receiver<Vec<Told>>) -> Result<Tally, RunError> {
    let mut tally = plan.tally.clone();
    let mut stage: Option<Stage> = None;
    // Told before there is a gateway for them.
    let mut troubles = Vec::new();
    for told in told.iter().flatten() {
        let (number, entry) = match (told, &mut stage) {
            (Told::Play(number, entry), _) => (number, entry),
            (Told::Trouble(at, service), Some(stage)) => {
                stage.trouble(service, at);
                continue;
            }
            (Told::Trouble(at, service), None) => {
                troubles.push((at, service));
                continue;
            }
        };
        let stage = match &mut stage {
            Some(stage) => stage,
            None => {
                let stage = stage.insert(Stage::start(setting, &plan.options, time(&entry))?);
                troubles.drain(..).for_each(|(at, service)| stage.trouble(service, at));
                stage
            }
        };
        for played in stage.play(number, *entry) {
            tally.add(path, &played, verify(&played));
        }
    }
    let Some(stage) = stage else { return Ok(tally) };
    let (rest, ending) = stage.finish();
    conclude(&mut tally, path, &rest, &ending);
    Ok(tally)
}

/// Counts the last entries, and how it ended.
pub(super) fn conclude(tally: &mut Tally, path: &Path, rest: &[Played], ending: &Ending) {
    for played in rest {
        tally.add(path, played, verify(played));
    }
    tally.trapped |= !ending.traps.is_empty();
    tally.faults.extend(ending.all());
    tally.memory.extend(&ending.memory);
    tally.evidence.push(ending.evidence);
}

/// That an entry of which something is expected is left out.
pub(crate) fn left_out(entry: &Entry) -> Option<String> {
    let what = || {
        format!("`{}` is left out, because its body was not recorded whole, and has expectations", entry.id)
    };
    entry.expect.as_ref().map(|_| what())
}

/// Recordings of which nothing could be replayed say nothing about policies.
pub(super) fn notice_nothing(tally: &mut Tally) {
    if tally.decisions.total() == 0 {
        tally.faults.push(NOTHING.into());
    }
}
