//! A gateway: workers that run a filter, clients and servers around them, and a clock that waits for nobody.

mod builder;
mod clients;
mod run;
mod service;
mod workers;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

pub use builder::Builder;

use crate::cluster::{Answer, Response, Time};
use crate::filter::Filter;
use crate::message::{Forwarded, Outcome};
use crate::outcome::{LogLine, Verdict};
use crate::plugin::Plugin;
use crate::process::Process;
use crate::vm::Teardown;
use clients::Client;
use run::Agenda;
use workers::Worker;

/// A request, among all that a gateway ever had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub(crate) u64);

/// What stands behind the gateway.
pub trait Upstream {
    /// Answers a whole request: after how long, and what. [`Answer::Reset`] breaks the connection.
    fn respond(&mut self, request: &Forwarded) -> (Duration, Answer);
}

impl<F: FnMut(&Forwarded) -> (Duration, Answer)> Upstream for F {
    fn respond(&mut self, request: &Forwarded) -> (Duration, Answer) {
        self(request)
    }
}

/// A gateway with one filter. Nothing in it takes real time, and the same calls give the same outcomes.
pub struct Gateway {
    filter: Filter,
    process: Rc<RefCell<Process>>,
    plugin: Rc<Plugin>,
    settings: Settings,
    /// Configurations that were tried in a canary, and what came of it.
    tried: Vec<(Rc<Plugin>, Result<(), Verdict>)>,
    workers: Vec<Worker>,
    next_vm: u64,
    next_stream: u64,
    agenda: Agenda,
    clients: BTreeMap<StreamId, Client>,
    /// Requests whose parts wait until the filter lets the chain go on.
    slowed: BTreeSet<StreamId>,
    outcomes: BTreeMap<StreamId, Outcome>,
    upstream: Box<dyn Upstream>,
    approvals: Option<service::Shared>,
}

/// What one worker has in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// VMs: the one that new requests go to, and failed ones that still have requests.
    pub vms: usize,
    /// Linear memory of all of them, bytes. It never shrinks, so this is also the most that they ever had.
    pub linear: usize,
    /// Root contexts: more than one after a reload while requests of the old configuration are open.
    pub roots: usize,
    /// Requests that have not ended.
    pub requests: usize,
    /// Bytes of bodies that are held back for them, outside the VMs.
    pub held: usize,
    /// Instructions that callbacks took so far; copying a byte between host and filter counts as one.
    pub instructions: u64,
}

/// How the gateway is set up, besides its filter.
#[derive(Debug, Clone)]
struct Settings {
    buffer_limit: usize,
    idle_timeout: Option<Duration>,
    route_timeout: Option<Duration>,
    teardown: Teardown,
}

impl Gateway {
    /// A gateway for this filter, to be set up.
    #[must_use]
    pub fn builder(filter: &Filter) -> Builder {
        Builder::new(filter)
    }

    /// The gateway's time, since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> Time {
        self.process.borrow().now
    }

    /// What filters logged since it was last taken.
    pub fn take_log(&mut self) -> Vec<LogLine> {
        self.process.borrow_mut().take_log()
    }

    /// Metrics that filters defined, by kind (counters, gauges, histograms) and name. A histogram has its last value.
    #[must_use]
    pub fn metrics(&self) -> Vec<(String, u64)> {
        self.process.borrow().metrics.all().collect()
    }

    /// A metric's value; nothing when no filter defined it.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<u64> {
        self.process.borrow().metrics.all().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Linear memory of each worker's current VM, bytes.
    #[must_use]
    pub fn memory(&self) -> Vec<usize> {
        self.workers.iter().map(Worker::memory).collect()
    }

    /// What each worker has in memory.
    #[must_use]
    pub fn usage(&self) -> Vec<Usage> {
        self.workers.iter().map(Worker::usage).collect()
    }

    /// Why the VMs of workers failed, in the order of workers and of time; of those that were replaced and are gone, the
    /// first 100 of each worker.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        self.workers.iter().flat_map(Worker::failures).collect()
    }

    /// Requests that have not ended.
    #[must_use]
    pub fn open(&self) -> usize {
        self.clients.len()
    }

    /// What came of a request; nothing while it has not ended, or when it was taken before.
    pub fn take(&mut self, id: StreamId) -> Option<Outcome> {
        self.outcomes.remove(&id)
    }

    /// All outcomes that were not taken yet, in the order in which the requests came.
    pub fn take_all(&mut self) -> Vec<(StreamId, Outcome)> {
        std::mem::take(&mut self.outcomes).into_iter().collect()
    }
}

/// The upstream that a gateway has unless it is given one: 200 without a body, at once.
fn empty(_: &Forwarded) -> (Duration, Answer) {
    (Duration::ZERO, Answer::Response(Response::new(200, "")))
}
