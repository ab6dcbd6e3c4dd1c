//! What all workers of a gateway share: clock, randomness, shared data and queues, metrics, clusters, and the log.

use std::collections::BTreeMap;
use std::time::Duration;

use wasmtime::{Result, bail};

use crate::cluster::{Answer, Call, CallId, Cluster, Response, Sent, Time};
use crate::metrics::Metrics;
use crate::outcome::{Level, LogLine};
use crate::shared::Shared;

/// Of all that a filter has the host keep: log, shared data, queues, names of metrics, filter state, calls that are not
/// answered, and what a callback asked for while it runs.
const KEPT: usize = 16 << 20;
/// What one such thing takes besides its bytes.
const ENTRY: usize = 64;
/// How much may happen at one moment of the virtual clock.
const AT_ONCE: u32 = 100_000;

/// One process of the gateway.
pub(crate) struct Process {
    pub(crate) now: Time,
    pub(crate) random: fastrand::Rng,
    pub(crate) shared: Shared,
    pub(crate) metrics: Metrics,
    pub(crate) log: Vec<LogLine>,
    clusters: BTreeMap<Vec<u8>, Box<dyn Cluster>>,
    /// Calls that are not answered: whose they are, and when their time is over.
    calls: BTreeMap<CallId, InFlight>,
    next_call: u64,
    kept: usize,
    /// How much has happened at this moment.
    at_once: u32,
}

/// Who waits for the answer to a call.
#[derive(Debug, Clone)]
pub(crate) struct InFlight {
    cluster: Vec<u8>,
    /// The VM, among all that the process ever had.
    pub(crate) vm: u64,
    /// The root context that gets the answer.
    pub(crate) root: u32,
    /// What the filter knows the call by.
    pub(crate) token: u32,
    until: Option<Time>,
    weight: usize,
}

impl Process {
    pub(crate) fn new(now: Time, seed: u64) -> Self {
        Self {
            now,
            random: fastrand::Rng::with_seed(seed),
            shared: Shared::default(),
            metrics: Metrics::default(),
            log: Vec::new(),
            clusters: BTreeMap::new(),
            calls: BTreeMap::new(),
            next_call: 0,
            kept: 0,
            at_once: 0,
        }
    }

    /// Goes on to `now`.
    pub(crate) fn go_on(&mut self, now: Time) {
        if now > self.now {
            self.now = now;
            self.at_once = 0;
        }
    }

    /// Something happens again at this moment. False when a filter brings that about without end.
    pub(crate) fn again(&mut self) -> bool {
        self.at_once = self.at_once.saturating_add(1);
        self.at_once < AT_ONCE
    }

    /// Nanoseconds since the Unix epoch.
    pub(crate) fn nanoseconds(&self) -> u64 {
        u64::try_from(self.now.as_nanos()).unwrap_or(u64::MAX)
    }

    pub(crate) fn log(&mut self, level: Level, text: &[u8]) -> Result<()> {
        self.keep(text.len())?;
        self.log.push(LogLine { level, text: String::from_utf8_lossy(text).into_owned() });
        Ok(())
    }

    /// The log so far; what was taken no longer counts as kept.
    pub(crate) fn take_log(&mut self) -> Vec<LogLine> {
        let log = std::mem::take(&mut self.log);
        log.iter().for_each(|line| self.release(line.text.len()));
        log
    }

    /// Counts what the host is about to keep.
    pub(crate) fn keep(&mut self, bytes: usize) -> Result<()> {
        self.kept = self.kept.saturating_add(bytes).saturating_add(ENTRY);
        if self.kept > KEPT {
            bail!("the host keeps at most {KEPT} bytes for it, its log included");
        }
        Ok(())
    }

    /// What was counted by [`Process::keep`] is kept no more.
    pub(crate) fn release(&mut self, bytes: usize) {
        self.kept = self.kept.saturating_sub(bytes.saturating_add(ENTRY));
    }

    pub(crate) fn add_cluster(&mut self, name: &str, cluster: Box<dyn Cluster>) {
        self.clusters.insert(name.into(), cluster);
    }

    pub(crate) fn has_cluster(&self, name: &[u8]) -> bool {
        self.clusters.contains_key(name)
    }

    /// Sends a call, unless the cluster cannot be reached at all.
    ///
    /// # Errors
    /// When the host keeps too much for the filter.
    pub(crate) fn send(
        &mut self,
        name: &[u8],
        call: &Call,
        (vm, root, token): (u64, u32, u32),
    ) -> Result<Sent> {
        let id = CallId(self.next_call);
        let Some(cluster) = self.clusters.get_mut(name) else { return Ok(Sent::Refused) };
        if cluster.call(id, call, self.now) == Sent::Refused {
            return Ok(Sent::Refused);
        }
        let weight = weight(call);
        self.keep(weight)?;
        self.next_call += 1;
        let until = (call.timeout > Duration::ZERO).then(|| self.now + call.timeout);
        self.calls.insert(id, InFlight { cluster: name.into(), vm, root, token, until, weight });
        Ok(Sent::Taken)
    }

    /// When the next answer may come, or take too long.
    pub(crate) fn due(&self) -> Option<Time> {
        let answers = self.clusters.values().filter_map(|cluster| cluster.due());
        answers.chain(self.calls.values().filter_map(|call| call.until)).min()
    }

    /// Everything that came back by now, in the order of clusters' names, then what took too long.
    pub(crate) fn answered(&mut self) -> Vec<(InFlight, Answer)> {
        let now = self.now;
        let mut answered = Vec::new();
        for cluster in self.clusters.values_mut() {
            for (id, answer) in cluster.answers(now) {
                answered.extend(self.calls.remove(&id).map(|call| (call, answer)));
            }
        }
        let late = |_: &CallId, call: &mut InFlight| call.until.is_some_and(|until| until <= now);
        let late: Vec<_> = self.calls.extract_if(.., late).collect();
        for (id, call) in late {
            if let Some(cluster) = self.clusters.get_mut(&call.cluster) {
                cluster.forget(id);
            }
            answered.push((call, Answer::Response(timed_out())));
        }
        answered.iter().for_each(|(call, _)| self.release(call.weight));
        answered
    }

    /// Forgets the calls of a VM that is gone.
    pub(crate) fn forget(&mut self, vm: u64) {
        let gone: Vec<_> = self.calls.extract_if(.., |_, call| call.vm == vm).collect();
        for (id, call) in gone {
            self.release(call.weight);
            if let Some(cluster) = self.clusters.get_mut(&call.cluster) {
                cluster.forget(id);
            }
        }
    }
}

/// Bytes of a call.
fn weight(call: &Call) -> usize {
    let fields = call.headers.iter().chain(&call.trailers);
    call.body.len() + fields.map(|(name, value)| name.len() + value.len()).sum::<usize>()
}

/// What Envoy gives a filter in place of an answer that does not come in time.
fn timed_out() -> Response {
    Response::new(504, "upstream request timeout")
        .header("content-length", "24")
        .header("content-type", "text/plain")
}
