//! Plays entries one after another in a gateway, and gives each back with all that came of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use countersign_host_test::approvals::{Approvals, Break, Key, Otherwise, Script, Ticket};
use countersign_host_test::{Ended, Forwarded, Gateway, Response, StreamId, Trial};
use countersign_protocol::recording::{Decision, Entry};
use countersign_protocol::{Hash, Token};
use serde::Deserialize;

use super::evidence::{About, Evidence, Place, Said};
use super::request::{self, Chunking};
use super::setting::{CLUSTER, Setting};

/// How long after its end the evidence of a request may still come: ten times as long as a batch waits.
const LATE: Duration = Duration::from_secs(60);

/// How long what is known of a request is kept for others like it: longer than any approval can be used.
const KEPT: Duration = Duration::from_secs(2 * 60 * 60);

/// How often what is old is forgotten, in entries.
const SWEEP: u64 = 4_096;

/// How a replay is set up, besides what it runs.
#[derive(Debug, Clone, Default)]
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

/// What of a request could be seen from outside, at any gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// How it ended.
    pub ended: Ended,
    /// What the client got.
    pub response: Response,
    /// What the upstream got.
    pub forwarded: Option<Forwarded>,
    /// The line for the gateway's access log.
    pub summary: Option<Summary>,
    /// How long it took.
    pub took: Duration,
}

/// What the filter says in the gateway's access log.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Summary {
    /// What became of the request.
    pub decision: String,
    /// The code of the reason.
    pub reason: Option<String>,
    /// The ticket at the approval service.
    pub ticket: Option<Token>,
    /// Whether it was carried out.
    pub enforced: bool,
    record: Option<Place>,
}

/// An entry and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    /// Its place among all entries, from 0.
    pub number: u64,
    /// What was recorded.
    pub entry: Entry,
    /// What could be seen.
    pub seen: Seen,
    /// Its evidence, in the order in which it came.
    pub records: Vec<Said>,
}

/// An entry that is on its way.
struct Open {
    number: u64,
    entry: Entry,
    key: Key,
}

/// A gateway in which entries are played.
pub struct Stage {
    gateway: Gateway,
    approvals: Rc<RefCell<Approvals>>,
    open: BTreeMap<StreamId, Open>,
    /// Ended, and without all of their evidence.
    ended: Vec<(Open, Seen, Duration)>,
    evidence: Evidence,
    chunking: Chunking,
    played: u64,
    /// How many requests went on by each ticket.
    used: BTreeMap<Token, u32>,
    faults: Vec<String>,
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
        let approvals = Rc::new(RefCell::new(approvals));
        let gateway = Gateway::builder(&setting.filter)
            .configuration(configuration)
            .plugin(&options.name, "")
            .cluster(CLUSTER, Rc::clone(&approvals))
            .workers(options.workers)
            .seed(options.seed)
            .at(at)
            .start()?;
        Ok(Self {
            gateway,
            approvals,
            open: BTreeMap::new(),
            ended: Vec::new(),
            evidence: Evidence::default(),
            chunking: options.chunking,
            played: 0,
            used: BTreeMap::new(),
            faults: Vec::new(),
        })
    }

    /// Lets time go by until an entry's, and plays it; gives back those that are over meanwhile. `number` is its
    /// place among all entries.
    pub fn play(&mut self, number: u64, entry: Entry) -> Vec<Played> {
        let at = Duration::from_millis(entry.ts.unsigned_abs());
        self.gateway.run_until(at);
        let key = request::key(&entry);
        let scripted = !entry.people.is_empty() || !entry.service.is_empty();
        if scripted {
            let script = Script { people: entry.people.clone(), service: entry.service.clone() };
            self.approvals.borrow_mut().expect(key.clone(), script, at);
        }
        let id = self.gateway.begin(request::request(&entry, number, self.chunking));
        self.open.insert(id, Open { number, entry, key });
        self.played += 1;
        if self.played.is_multiple_of(SWEEP) {
            self.sweep();
        }
        self.collect(false)
    }

    /// Lets everything come to its end, and gives back what was still open. The gateway stops: evidence that does
    /// not come now is lost.
    pub fn finish(mut self) -> (Vec<Played>, Ending) {
        self.gateway.settle(KEPT);
        let mut played = self.collect(false);
        self.count_uses();
        let delivered = self.gateway.stop(Duration::from_secs(30));
        played.extend(self.collect(true));
        if !delivered {
            self.faults.push("the filter did not deliver its last evidence when the gateway stopped".into());
        }
        let breaks = self.approvals.borrow().breaks();
        let (traps, memory) = (self.gateway.failures(), self.gateway.memory());
        let ending = Ending { breaks, traps, faults: self.faults, memory };
        (played, ending)
    }

    fn collect(&mut self, all: bool) -> Vec<Played> {
        let now = self.gateway.now();
        for (id, outcome) in self.gateway.take_all() {
            let Some(open) = self.open.remove(&id) else { continue };
            let summary = outcome.state("countersign").and_then(|line| serde_json::from_str(line).ok());
            let seen = Seen {
                summary,
                took: outcome.at.saturating_sub(outcome.began),
                ended: outcome.ended,
                response: outcome.response,
                forwarded: outcome.forwarded,
            };
            if let Some(ticket) = seen.used() {
                *self.used.entry(ticket).or_default() += 1;
            }
            self.ended.push((open, seen, now));
        }
        let came = self.approvals.borrow_mut().take_records();
        // Evidence comes in batches: between them there is nothing new to look at.
        let overdue = self.ended.first().is_some_and(|(_, _, at)| now > *at + LATE);
        if came.is_empty() && !overdue && !all {
            return Vec::new();
        }
        if let Err(line) = self.evidence.add(came) {
            self.faults.push(format!("not an evidence record: `{line}`"));
        }
        let mut played = Vec::new();
        for (open, seen, at) in std::mem::take(&mut self.ended) {
            let records = records(&self.evidence, &self.approvals.borrow(), &open.key, &seen);
            match all || is_whole(&seen, &records) || now > at + LATE {
                true => played.push(Played { number: open.number, entry: open.entry, seen, records }),
                false => self.ended.push((open, seen, at)),
            }
        }
        played
    }

    /// No ticket lets more requests go on than were approved.
    fn count_uses(&mut self) {
        let approvals = self.approvals.borrow();
        let tickets = approvals.tickets();
        let uses = |ticket: &&&Ticket| self.used.get(&ticket.id).is_some_and(|used| *used > ticket.uses);
        let more = tickets.iter().filter(uses).map(|ticket| {
            let path = &ticket.question.request.path;
            format!("more requests went on by the ticket of `{path}` than the {} approved", ticket.uses)
        });
        self.faults.extend(more);
        let known: BTreeSet<Token> = tickets.iter().map(|ticket| ticket.id).collect();
        self.used.retain(|ticket, _| known.contains(ticket));
    }

    fn sweep(&mut self) {
        self.count_uses();
        let before = self.gateway.now().saturating_sub(KEPT);
        self.evidence.forget(i64::try_from(before.as_millis()).unwrap_or_default());
        let mut approvals = self.approvals.borrow_mut();
        approvals.take_closed(before);
        approvals.take_happened();
        drop(self.gateway.take_log());
    }
}

/// How a replay ended, besides its entries.
#[derive(Debug)]
pub struct Ending {
    /// Where the evidence does not hold together.
    pub breaks: Vec<Break>,
    /// Why the filter trapped, each time.
    pub traps: Vec<String>,
    /// What else went wrong with filter or harness.
    pub faults: Vec<String>,
    /// Linear memory of each worker, bytes.
    pub memory: Vec<usize>,
}

/// The evidence of a request so far.
pub(super) fn records(evidence: &Evidence, approvals: &Approvals, key: &Key, seen: &Seen) -> Vec<Said> {
    let decided = seen.summary.as_ref().and_then(|summary| evidence.get(summary.record?));
    let digest = match decided {
        Some(said) => said.digest.or_else(|| evidence.digest(said.ticket?)),
        None if seen.summary.is_some() => None,
        None => asked(approvals, key),
    };
    match (digest, decided) {
        (Some(digest), _) => evidence.of(digest),
        (None, Some(said)) => vec![said.clone()],
        (None, None) => Vec::new(),
    }
}

/// The digest of a request whose client left while people were asked.
fn asked(approvals: &Approvals, key: &Key) -> Option<Hash> {
    let tickets = approvals.tickets();
    let found = tickets.iter().rev().find(|ticket| Key::of(&ticket.question.request) == *key);
    found.map(|ticket| ticket.digest)
}

/// Whether all evidence of a request is here.
pub(super) fn is_whole(seen: &Seen, records: &[Said]) -> bool {
    let has = |kind: &str| records.iter().any(|said| said.kind == kind);
    match &seen.summary {
        Some(summary) if summary.decision == "countersigned" => has("outcome"),
        Some(_) => !records.is_empty(),
        None => has("client_left"),
    }
}

impl Seen {
    /// The ticket by which it went on, if it is one that people approved.
    fn used(&self) -> Option<Token> {
        let summary = self.summary.as_ref().filter(|summary| summary.decision == "countersigned")?;
        self.forwarded.as_ref().and(summary.ticket)
    }
}

impl Played {
    /// What policy said first; nothing when there is no evidence of it.
    #[must_use]
    pub fn decision(&self) -> Option<Decision> {
        let asked = self.records.iter().any(|said| said.kind == "needs_approval");
        match self.seen.summary.as_ref().map(|summary| summary.decision.as_str()) {
            _ if asked => Some(Decision::Ask),
            Some("allowed") => Some(Decision::Allow),
            Some("denied") => Some(Decision::Deny),
            Some("countersigned" | "pending" | "needs_approval") => Some(Decision::Ask),
            _ => None,
        }
    }

    /// The code of the refusal, if it was one.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.seen.summary.as_ref()?.reason.as_deref()
    }

    /// The record of what policy said first.
    #[must_use]
    pub fn ruling(&self) -> Option<&Said> {
        self.records.first()
    }

    /// The policies that determined what policy said first.
    #[must_use]
    pub fn policies(&self) -> &[String] {
        self.ruling().map(|said| said.policies.as_slice()).unwrap_or_default()
    }

    /// Who wanted to do what to what.
    #[must_use]
    pub fn about(&self) -> About {
        self.ruling().map(Said::about).unwrap_or_default()
    }
}
