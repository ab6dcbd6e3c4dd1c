//! Plays entries one after another in a gateway, and gives each back with all that came of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use countersign_core::explain::{Explainer, First};
use countersign_host_test::approvals::{Approvals, CLUSTER, Key, Otherwise, Script};
use countersign_host_test::{FailurePolicy, Gateway, Outcome, StreamId, Trial};
use countersign_protocol::recording::{Entry, Trouble};
use countersign_protocol::{Hash, UnixMillis};

use super::ending::Ending;
use super::evidence::{Evidence, Said};
use super::leaks::{Leaks, Watched};
use super::played::{Played, Seen};
use super::request::{self, Chunking, facts};
use super::setting::{PLUGIN, Setting};

/// How long after its end the evidence of a request may still come: ten times as long as a batch waits.
const LATE: Duration = Duration::from_secs(60);

/// How long what is known of a request that people were asked about is kept for others like it: longer than any
/// approval can be used.
const KEPT: Duration = Duration::from_secs(2 * 60 * 60);

/// How often what is old is forgotten, in entries.
const SWEEP: u64 = 4_096;

/// How much time goes by at most before the filter's log is taken: the host keeps only so much of it.
const SLICE: Duration = Duration::from_secs(60 * 60);

/// Where filter state ends.
pub(super) const STATE: &str = "what the access log has of it";

/// Faults that are kept in full.
const FAULTS: usize = 100;

/// How a replay is set up, besides what it runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// The plugin's `name` in the gateway's configuration.
    pub name: String,
    /// Workers of the gateway, at least one.
    pub workers: usize,
    /// What randomness follows from.
    pub seed: u64,
    /// What people do about requests for which the recording does not say.
    pub otherwise: Otherwise,
    /// The parts in which bodies come.
    pub chunking: Chunking,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: PLUGIN.into(),
            workers: 1,
            seed: 0,
            otherwise: Otherwise::default(),
            chunking: Chunking::default(),
        }
    }
}

/// An entry that is on its way.
struct Open {
    number: u64,
    entry: Entry,
    key: Key,
    /// What core decides on it.
    core: Option<First>,
}

/// A gateway in which entries are played.
pub struct Stage {
    gateway: Gateway,
    approvals: Rc<RefCell<Approvals>>,
    leaks: Rc<RefCell<Leaks>>,
    /// Nothing for a configuration of another filter.
    core: Option<Explainer>,
    open: BTreeMap<StreamId, Open>,
    /// Ended, and without all of their evidence.
    ended: Vec<(Open, Seen, Duration)>,
    evidence: Evidence,
    chunking: Chunking,
    observed: bool,
    workers: usize,
    played: u64,
    faults: Vec<String>,
    /// Faults that are not kept.
    more: usize,
}

impl Stage {
    /// Starts the gateway at the time of the first entry.
    ///
    /// # Errors
    /// How the filter took its configuration.
    pub fn start(setting: &Setting, options: &Options, at: Duration) -> Result<Self, Trial> {
        let approvals = Approvals::new(options.seed)
            .with_audience(setting.audience())
            .otherwise(options.otherwise.clone());
        let configuration = setting.asking(&approvals);
        let core = Explainer::load(&configuration).ok();
        let approvals = Rc::new(RefCell::new(approvals));
        let leaks = Rc::new(RefCell::new(Leaks::default()));
        let gateway = Gateway::builder(&setting.filter)
            .configuration(configuration.to_string())
            .plugin(&options.name, PLUGIN)
            .failure_policy(FailurePolicy::FailReload)
            .cluster(CLUSTER, Watched::new(Rc::clone(&approvals), Rc::clone(&leaks)))
            .workers(options.workers)
            .seed(options.seed)
            .at(at)
            .start()?;
        Ok(Self {
            gateway,
            approvals,
            leaks,
            core,
            open: BTreeMap::new(),
            ended: Vec::new(),
            evidence: Evidence::default(),
            chunking: options.chunking,
            observed: setting.observes(),
            workers: options.workers.max(1),
            played: 0,
            faults: Vec::new(),
            more: 0,
        })
    }

    /// Lets time go by until an entry's, and plays it; gives back those that are over meanwhile. `number` is its
    /// place among all entries.
    pub fn play(&mut self, number: u64, entry: Entry) -> Vec<Played> {
        let at = Duration::from_millis(entry.ts.unsigned_abs());
        self.go(at);
        let key = request::key(&entry);
        if !entry.people.is_empty() || !entry.service.is_empty() {
            let script = Script { people: entry.people.clone(), service: entry.service.clone() };
            self.approvals.borrow_mut().expect(key.clone(), script, at);
        }
        let now = millis(self.gateway.now());
        let core = self.core.as_ref().map(|core| core.first(&facts(&entry), now));
        let redacted = || {
            let core = self.core.as_ref();
            core.map(|core| core.redacted(&facts(&entry), now)).unwrap_or_default()
        };
        self.leaks.borrow_mut().expect(&entry, redacted);
        let id = self.gateway.begin(request::request(&entry, number, self.chunking));
        self.open.insert(id, Open { number, entry, key, core });
        self.played += 1;
        if self.played.is_multiple_of(SWEEP) {
            self.sweep();
        }
        self.collect(false)
    }

    /// The service fails around `at`, says an entry that comes to another gateway.
    pub fn trouble(&mut self, service: Vec<Trouble>, at: Duration) {
        self.go(at);
        self.approvals.borrow_mut().fail(service, at);
    }

    /// Lets everything come to its end, and gives back what was still open. The gateway stops: evidence that does
    /// not come now is lost.
    pub fn finish(mut self) -> (Vec<Played>, Ending) {
        self.gateway.settle(KEPT);
        // A service that comes back gets the evidence that it could not take.
        let until = self.approvals.borrow().troubled_until().map(|until| until.saturating_add(LATE));
        if let Some(until) = until.filter(|until| *until < self.gateway.now().saturating_add(KEPT)) {
            self.go(until);
        }
        let mut played = self.collect(false);
        let delivered = self.gateway.stop(Duration::from_secs(30));
        played.extend(self.collect(true));
        if !delivered {
            self.fault("the filter did not deliver its last evidence when the gateway stopped".into());
        }
        let (ended, endless) = self.approvals.borrow().ends();
        for producer in &endless {
            self.fault(format!("the evidence of producer `{producer}` has no end: its `stop` did not come"));
        }
        if ended + endless.len() < self.workers {
            self.fault(format!(
                "{} workers, and evidence of {} of them",
                self.workers,
                ended + endless.len()
            ));
        }
        let rest = self.evidence.rest();
        rest.into_iter().for_each(|what| self.fault(what));
        self.look_at_metrics();
        self.notice();
        if self.more > 0 {
            self.faults.push(format!("… and {} more faults", self.more));
        }
        let breaks = self.approvals.borrow().breaks();
        let (traps, memory) = (self.gateway.failures(), self.gateway.memory());
        let ending = Ending { breaks, traps, faults: self.faults, evidence: self.evidence.sum, memory };
        (played, ending)
    }

    /// Lets time go by.
    fn go(&mut self, until: Duration) {
        loop {
            let next = self.gateway.now().saturating_add(SLICE).min(until);
            self.gateway.run_until(next);
            self.notice();
            if next >= until {
                return;
            }
        }
    }

    /// Looks at what the filter logged and sent since this was last done.
    fn notice(&mut self) {
        let mut leaks = self.leaks.borrow_mut();
        let log = self.gateway.take_log();
        log.iter().for_each(|line| leaks.look_at_log("a log line", line.text.as_bytes()));
        let found = leaks.take();
        drop(leaks);
        found.into_iter().for_each(|what| self.fault(what));
    }

    fn fault(&mut self, what: String) {
        match self.faults.len() < FAULTS {
            true => self.faults.push(what),
            false => self.more += 1,
        }
    }

    fn collect(&mut self, all: bool) -> Vec<Played> {
        let now = self.gateway.now();
        for (id, outcome) in self.gateway.take_all() {
            if let Some(open) = self.open.remove(&id) {
                let mut leaks = self.leaks.borrow_mut();
                outcome.state.iter().for_each(|(_, value)| leaks.look_at_log(STATE, value));
                self.ended.push((open, seen(outcome), now));
            }
        }
        let came = self.approvals.borrow_mut().take_records();
        // Evidence comes in batches: between them there is nothing new to look at.
        let overdue = self.ended.first().is_some_and(|(_, _, at)| now > *at + LATE);
        if came.is_empty() && !overdue && !all {
            return Vec::new();
        }
        if let Err(line) = self.evidence.add(came) {
            self.fault(format!("not an evidence record: `{line}`"));
        }
        let mut played = Vec::new();
        for (open, seen, at) in std::mem::take(&mut self.ended) {
            let records = self.records(&open, &seen);
            match all || is_whole(&seen, &records) || now > at + LATE {
                true => played.push(self.over(open, seen, records)),
                false => self.ended.push((open, seen, at)),
            }
        }
        played
    }

    fn records(&self, open: &Open, seen: &Seen) -> Vec<Said> {
        let digest = match open.digest() {
            None if open.core.is_none() => asked(&self.approvals.borrow(), &open.key),
            digest => digest,
        };
        records(&self.evidence, digest, seen)
    }

    /// Takes what is this entry's own.
    fn over(&mut self, open: Open, seen: Seen, records: Vec<Said>) -> Played {
        let mut own = self.evidence.own(&seen, open.digest(), &self.approvals.borrow());
        own.broken.extend(self.leaks.borrow().in_answer(&seen.response));
        let Open { number, entry, core, .. } = open;
        let (own, broken, observed) = (own.record, own.broken, self.observed);
        Played { number, entry, seen, records, own, broken, observed, added: &[], core }
    }

    /// Looks at what metrics are called.
    fn look_at_metrics(&mut self) {
        let mut leaks = self.leaks.borrow_mut();
        let metrics = self.gateway.metrics();
        metrics.iter().for_each(|(name, _)| leaks.look_at_log("the name of a metric", name.as_bytes()));
    }

    fn sweep(&mut self) {
        self.look_at_metrics();
        let now = self.gateway.now();
        let waiting = self.open.values().chain(self.ended.iter().map(|(open, ..)| open));
        let first = waiting.map(|open| open.entry.ts).min().unwrap_or(millis(now));
        let before = now.saturating_sub(KEPT);
        let spare = self.evidence.forget(millis(before), first.saturating_sub(millis(LATE)));
        spare.into_iter().for_each(|what| self.fault(what));
        self.leaks.borrow_mut().forget(millis(now.saturating_sub(10 * LATE)));
        let mut approvals = self.approvals.borrow_mut();
        approvals.take_closed(before);
        approvals.take_happened();
    }
}

impl Open {
    /// The digest of a request that people are asked about.
    fn digest(&self) -> Option<Hash> {
        Some(self.core.as_ref()?.question.as_ref()?.digest)
    }
}

fn seen(outcome: Outcome) -> Seen {
    Seen {
        summary: outcome.state("countersign").and_then(|line| serde_json::from_str(line).ok()),
        took: outcome.at.saturating_sub(outcome.began),
        ended: outcome.ended,
        response: outcome.response,
        forwarded: outcome.forwarded,
    }
}

fn millis(time: Duration) -> UnixMillis {
    UnixMillis::try_from(time.as_millis()).unwrap_or(UnixMillis::MAX)
}

/// The evidence of a request so far; `digest` finds that of one whose client left while people were asked.
pub(super) fn records(evidence: &Evidence, digest: Option<Hash>, seen: &Seen) -> Vec<Said> {
    let decided = seen.summary.as_ref().and_then(|summary| evidence.get(summary.record?));
    let digest = match decided {
        Some(said) => said.digest.or_else(|| evidence.digest(said.ticket?)),
        None if seen.summary.is_some() => None,
        None => digest,
    };
    match (digest, decided) {
        (Some(digest), _) => evidence.of(digest),
        (None, Some(said)) => vec![said.clone()],
        (None, None) => Vec::new(),
    }
}

/// The digest of a request that people were asked about.
pub(super) fn asked(approvals: &Approvals, key: &Key) -> Option<Hash> {
    let tickets = approvals.tickets();
    let found = tickets.iter().rev().find(|ticket| Key::of(&ticket.question.request) == *key);
    found.map(|ticket| ticket.digest)
}

/// Whether all evidence of a request is here.
pub(super) fn is_whole(seen: &Seen, records: &[Said]) -> bool {
    let has = |kind: &str| records.iter().any(|said| said.kind == kind);
    match &seen.summary {
        Some(summary) if summary.decision == "countersigned" => {
            let own = records.iter().find(|said| Some(said.place()) == summary.record);
            let ends = |said: &Said| said.kind == "outcome" && said.nonce == own.and_then(|own| own.nonce);
            own.is_some() && records.iter().any(ends)
        }
        Some(_) => !records.is_empty(),
        None => has("client_left"),
    }
}
