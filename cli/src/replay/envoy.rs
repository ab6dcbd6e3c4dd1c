//! Plays entries through a real Envoy: what the harness says is true where both agree.
//!
//! The same filter, configuration and scripted approval service; but sockets, and the real clock. Recorded gaps between
//! entries are not waited for, holds are.

mod certificates;
mod client;
mod configuration;
mod gather;
mod log;
mod message;
mod order;
mod process;
mod service;
mod upstream;
mod wire;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_core::explain::Explainer;
use countersign_host_test::Time;
use countersign_host_test::approvals::Approvals;
use countersign_protocol::recording::Entry;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::leaks::Leaks;
use super::request::facts;
use super::run::{conclude, notice_nothing};
use super::{Ending, Options, Plan, Played, Reader, Recording, RunError, Setting, Tally};
use certificates::{Connectors, Files};
use configuration::{Parts, configuration};
use gather::Run;
use log::Log;
use message::{Message, message};
use process::Process;
use service::Service;
use upstream::Upstream;

/// Fields that Envoy's connection manager or router adds or writes anew on the way to the upstream, and those that say
/// where a message ends: HTTP/1.1 needs some form of them, and which one is the hop's own matter.
pub const ADDED: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "te",
    "transfer-encoding",
    "x-envoy-external-address",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-request-id",
];

/// What a replay through Envoy needs besides a setting.
#[derive(Debug, Clone)]
pub struct Envoy {
    /// The program.
    pub binary: PathBuf,
    /// The filter's file: the one that the setting was read from.
    pub filter: PathBuf,
}

/// Why entries cannot be played through Envoy.
#[derive(Debug, thiserror::Error)]
pub enum EnvoyError {
    /// The system does not let it.
    #[error("cannot {what}: {error}")]
    Io {
        /// What was to be done.
        what: String,
        /// Why it cannot.
        error: std::io::Error,
    },
    /// Envoy does not serve.
    #[error("Envoy does not serve: {why}\n{log}")]
    Start {
        /// Why.
        why: String,
        /// The end of its log.
        log: String,
    },
    /// A client's name cannot be put into a certificate.
    #[error("cannot make certificates: {0}")]
    Certificates(String),
    /// An entry has no form in which it could be sent.
    #[error("`{id}` cannot be sent over HTTP/1.1: {why}")]
    Message {
        /// The entry.
        id: String,
        /// Why.
        why: String,
    },
}

impl EnvoyError {
    fn io(what: &str) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let what = what.to_owned();
        move |error| Self::Io { what, error }
    }
}

/// An entry as it is sent.
struct Sendable {
    entry: Entry,
    message: Message,
}

/// Everything around Envoy, and Envoy itself.
struct Site {
    process: Process,
    log: Log,
    service: Service,
    upstream: Upstream,
    connectors: Connectors,
    /// Goes last: those above write into it.
    _folder: tempfile::TempDir,
}

/// Replays recordings, each in an Envoy of its own; `progress` is told how many bytes were read.
///
/// # Errors
/// When a recording cannot be read, or see [`EnvoyError`].
pub fn run(
    envoy: &Envoy,
    setting: &Setting,
    plan: &Plan,
    progress: &mut dyn FnMut(u64),
) -> Result<(Vec<Recording>, Tally), RunError> {
    let runtime = Runtime::new().map_err(EnvoyError::io("start threads"))?;
    let (mut tally, mut recordings) = (plan.tally.clone(), Vec::new());
    let (mut number, mut bytes) = (0, 0);
    for path in &plan.recordings {
        let mut reader = Reader::open(path)?;
        let mut entries = Vec::new();
        while let Some(entry) = reader.entry()? {
            match entry.is_whole() {
                true => entries.push(entry),
                false => tally.skip(path, number, &entry),
            }
        }
        let (mut played, ending) = runtime.block_on(play(envoy, setting, &plan.options, entries))?;
        played.iter_mut().for_each(|played| played.number += number);
        conclude(&mut tally, path, &played, &ending);
        let recording = reader.recording();
        number += recording.entries;
        bytes += reader.bytes();
        progress(bytes);
        recordings.push(recording);
    }
    notice_nothing(&mut tally);
    Ok((recordings, tally))
}

/// Plays all entries in a gateway of their own, and gives them back in their order.
///
/// # Errors
/// See [`EnvoyError`]. An entry that cannot be sent is found before anything starts.
pub async fn play(
    envoy: &Envoy,
    setting: &Setting,
    options: &Options,
    entries: Vec<Entry>,
) -> Result<(Vec<Played>, Ending), EnvoyError> {
    let keys: BTreeSet<String> = entries.iter().flat_map(|entry| entry.claims.keys().cloned()).collect();
    let keys: Vec<String> = keys.into_iter().collect();
    let sendable = |(number, entry): (usize, Entry)| {
        let written = message(&entry, number, &keys, options.chunking);
        match written {
            Ok(message) => Ok(Arc::new(Sendable { entry, message })),
            Err(why) => Err(EnvoyError::Message { id: entry.id, why }),
        }
    };
    let entries = entries.into_iter().enumerate().map(sendable).collect::<Result<Vec<_>, _>>()?;
    let site = Site::start(envoy, setting, options, &keys, &entries).await?;
    Ok(Run::new(site, entries, setting.observes()).play().await)
}

impl Site {
    async fn start(
        envoy: &Envoy,
        setting: &Setting,
        options: &Options,
        keys: &[String],
        entries: &[Arc<Sendable>],
    ) -> Result<Self, EnvoyError> {
        let folder = tempfile::Builder::new().prefix("countersign-replay-").tempdir();
        let folder = folder.map_err(EnvoyError::io("make a folder"))?;
        let approvals = Approvals::new(options.seed)
            .with_audience(setting.audience())
            .otherwise(options.otherwise.clone());
        let asking = setting.asking(&approvals);
        let leaks = leaks(&asking, entries);
        let listening = EnvoyError::io("listen on the loopback address");
        let (service, service_at) = Service::start(approvals, leaks).await.map_err(listening)?;
        let listening = EnvoyError::io("listen on the loopback address");
        let (upstream, upstream_at) = Upstream::start().await.map_err(listening)?;
        let certificates = certificates(entries, folder.path())?;
        let configuration = configuration(&Parts {
            filter: &envoy.filter,
            configuration: &asking.to_string(),
            upstream: upstream_at,
            service: service_at,
            keys,
            certificates: certificates.as_ref().map(|(files, _)| files),
        });
        let (sender, receiver) = mpsc::unbounded_channel();
        let process =
            process::start(&envoy.binary, folder.path(), options.workers, &configuration, sender).await?;
        let connectors = certificates.map(|(_, connectors)| connectors).unwrap_or_default();
        Ok(Self { process, log: Log::read(receiver), service, upstream, connectors, _folder: folder })
    }
}

/// All that must not be given away.
fn leaks(configuration: &serde_json::Value, entries: &[Arc<Sendable>]) -> Leaks {
    let core = Explainer::load(configuration).ok();
    let mut leaks = Leaks::default();
    for Sendable { entry, .. } in entries.iter().map(Arc::as_ref) {
        let redacted = || {
            let core = core.as_ref();
            core.map(|core| core.redacted(&facts(entry), entry.ts)).unwrap_or_default()
        };
        leaks.expect(entry, redacted);
    }
    leaks
}

/// None, when no client speaks TLS.
fn certificates(
    entries: &[Arc<Sendable>],
    folder: &std::path::Path,
) -> Result<Option<(Files, Connectors)>, EnvoyError> {
    let secure = entries.iter().filter(|one| one.message.secure);
    let names: BTreeSet<_> = secure.map(|one| one.message.uri_san.clone()).collect();
    if names.is_empty() {
        return Ok(None);
    }
    let names: Vec<_> = names.into_iter().collect();
    let made = certificates::make(&names, folder);
    made.map(Some).map_err(|error| EnvoyError::Certificates(error.to_string()))
}

/// The real time.
fn now() -> Time {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)
}
