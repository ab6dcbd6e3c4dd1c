//! One run: entries on their way, and what came of each put together from client, upstream, log and evidence.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use countersign_host_test::approvals::Script;
use countersign_host_test::{Ended, Forwarded};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::client::{Came, Client};
use super::order::{Follower, order};
use super::process::{Logged, traps};
use super::service::State;
use super::{ADDED, Sendable, Site, now};
use crate::replay::evidence::Evidence;
use crate::replay::stage::{STATE, asked, is_whole, records};
use crate::replay::{Ending, Played, Seen, request};

/// Entries that are on their way at the same time.
const AT_ONCE: usize = 128;

/// How long after its end the evidence of a request may still come.
const LATE: Duration = Duration::from_secs(15);

/// How often it is looked at what came of evidence.
const OFTEN: Duration = Duration::from_millis(25);

/// A run and what it has so far.
pub(super) struct Run {
    site: Arc<Site>,
    entries: Vec<Arc<Sendable>>,
    evidence: Evidence,
    /// Ended, and without all of their evidence.
    ended: Vec<(usize, Seen, Instant)>,
    played: Vec<Played>,
    faults: Vec<String>,
    /// Whether the filter only observes.
    observed: bool,
}

/// What became of an entry: what could be seen of it, or why nothing could.
type Result = (usize, std::result::Result<(Seen, Vec<String>), String>);

/// How far an entry is.
#[derive(Debug, Clone, Copy)]
enum Way {
    Waits,
    Began(Instant),
    Ended,
}

impl Run {
    pub(super) fn new(site: Site, entries: Vec<Arc<Sendable>>, observed: bool) -> Self {
        let site = Arc::new(site);
        Self {
            site,
            entries,
            evidence: Evidence::default(),
            ended: Vec::new(),
            played: Vec::new(),
            faults: Vec::new(),
            observed,
        }
    }

    /// Plays everything, in the order of [`order`].
    pub(super) async fn play(mut self) -> (Vec<Played>, Ending) {
        let entries: Vec<_> = self.entries.iter().map(|one| one.entry.clone()).collect();
        let order = order(&entries);
        self.together(order.together).await;
        self.settle(LATE).await;
        for number in order.alone {
            self.alone(number).await;
        }
        self.settle(LATE).await;
        self.collect(true);
        self.faults.extend(self.evidence.rest());
        self.played.sort_by_key(|played| played.number);
        let breaks = self.site.service.lock().approvals.breaks();
        let traps = self.look_at_logs().await;
        if let Some(site) = Arc::into_inner(self.site) {
            site.process.stop().await;
        }
        (
            self.played,
            Ending { breaks, traps, faults: self.faults, evidence: self.evidence.sum, memory: Vec::new() },
        )
    }

    /// Looks at what was logged, counted and sent; gives why the filter trapped.
    async fn look_at_logs(&mut self) -> Vec<String> {
        let log = self.site.process.log().unwrap_or_else(|error| {
            self.faults.push(format!("cannot read Envoy's log, so whether the filter trapped: {error}"));
            String::new()
        });
        let metrics = self.site.process.metrics().await.unwrap_or_else(|error| {
            self.faults.push(format!("cannot read Envoy's metrics: {error}"));
            Vec::new()
        });
        let leaks = &mut self.site.service.lock().leaks;
        log.lines().for_each(|line| leaks.look_at_log("a log line", line.as_bytes()));
        leaks.look_at_log("the name of a metric", &metrics);
        self.faults.extend(leaks.take());
        traps(&log)
    }

    async fn together(&mut self, followers: Vec<Follower>) {
        let (sender, mut results) = mpsc::unbounded_channel();
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        let mut ways: BTreeMap<usize, watch::Receiver<Way>> = BTreeMap::new();
        let mut tasks = JoinSet::new();
        for Follower { number, after } in followers {
            let Some(one) = self.entries.get(number).map(Arc::clone) else { continue };
            let (way, watched) = watch::channel(Way::Waits);
            ways.insert(number, watched);
            let before = after.and_then(|(before, gap)| Some((ways.get(&before)?.clone(), gap)));
            let (site, permits, sender) = (Arc::clone(&self.site), Arc::clone(&permits), sender.clone());
            tasks.spawn(async move {
                if let Some((before, gap)) = before {
                    turn(before, gap).await;
                }
                let _permit = permits.acquire().await;
                way.send_replace(Way::Began(Instant::now()));
                let result = site.play(number, &one).await;
                way.send_replace(Way::Ended);
                _ = sender.send((number, result));
            });
        }
        drop(sender);
        loop {
            match timeout(OFTEN, results.recv()).await {
                Ok(Some(result)) => self.keep(result),
                Ok(None) => break,
                Err(_) => self.collect(false),
            }
        }
    }

    /// Plays an entry when nothing else is on its way, and waits until its failures are over.
    async fn alone(&mut self, number: usize) {
        let Some(one) = self.entries.get(number).map(Arc::clone) else { return };
        let begun = Instant::now();
        let result = self.site.play(number, &one).await;
        self.keep((number, result));
        let over = one.entry.service.iter().filter_map(|trouble| trouble.to).max().unwrap_or_default();
        tokio::time::sleep_until(begun + over.0).await;
        self.settle(LATE).await;
    }

    /// Waits until the evidence of all that ended is there.
    async fn settle(&mut self, patience: Duration) {
        let until = Instant::now() + patience;
        self.collect(false);
        while !self.ended.is_empty() && Instant::now() < until {
            sleep(OFTEN).await;
            self.collect(false);
        }
    }

    fn keep(&mut self, (number, result): Result) {
        match result {
            Ok((seen, faults)) => {
                self.faults.extend(faults);
                self.ended.push((number, seen, Instant::now()));
            }
            Err(why) => {
                let id = self.entries.get(number).map_or("", |one| one.entry.id.as_str());
                self.faults.push(format!("`{id}`: {why}"));
            }
        }
    }

    fn collect(&mut self, all: bool) {
        let mut state = self.site.service.lock();
        let State { approvals: service, leaks, .. } = &mut *state;
        if let Err(line) = self.evidence.add(service.take_records()) {
            self.faults.push(format!("not an evidence record: `{line}`"));
        }
        for (number, seen, since) in std::mem::take(&mut self.ended) {
            let Some(one) = self.entries.get(number) else { continue };
            let digest = match seen.summary {
                Some(_) => None,
                None => asked(service, &request::key(&one.entry)),
            };
            let records = records(&self.evidence, digest, &seen);
            if all || is_whole(&seen, &records) || since.elapsed() > LATE {
                let own = self.evidence.own(&seen, digest, service);
                let (number, entry) = (number as u64, one.entry.clone());
                let (own, mut broken) = (own.record, own.broken);
                broken.extend(leaks.in_answer(&seen.response));
                let observed = self.observed;
                self.played.push(Played {
                    number,
                    entry,
                    seen,
                    records,
                    own,
                    broken,
                    observed,
                    added: &ADDED,
                    core: None,
                });
            } else {
                self.ended.push((number, seen, since));
            }
        }
    }
}

/// Waits until the entry before has ended, or this much time has gone by since it began.
async fn turn(mut before: watch::Receiver<Way>, gap: Duration) {
    loop {
        let way = *before.borrow_and_update();
        let left = match way {
            Way::Ended => return,
            Way::Waits => Duration::MAX,
            Way::Began(at) => (at + gap).saturating_duration_since(Instant::now()),
        };
        if !matches!(timeout(left, before.changed()).await, Ok(Ok(()))) {
            return;
        }
    }
}

impl Site {
    /// Plays one entry to the end of its connection.
    async fn play(&self, number: usize, one: &Sendable) -> std::result::Result<(Seen, Vec<String>), String> {
        let addresses = &self.process.addresses;
        let gateway = if one.message.secure { addresses.get(1) } else { addresses.first() };
        let gateway = *gateway.ok_or("the gateway does not listen for it")?;
        let client = Client::connect(gateway, one.message.said).await.map_err(|error| error.to_string())?;
        let name = client.name.clone();
        self.log.forget(&name);
        self.expect(one);
        let came = client.send(&one.message, &self.connectors).await.map_err(|error| error.to_string())?;
        let logged = self.log.take(&name).await;
        let mut forwarded = self.upstream.take(&name);
        if let Some(summary) = logged.as_ref().and_then(|line| line.summary.as_ref()) {
            self.service.lock().leaks.look_at_log(STATE, summary.as_bytes());
        }
        let mut faults = Vec::new();
        if forwarded.len() > 1 {
            faults.push(format!("entry {number} came to the upstream {} times", forwarded.len()));
        }
        let forwarded = (!forwarded.is_empty()).then(|| forwarded.swap_remove(0));
        Ok((seen(came, logged, forwarded), faults))
    }

    fn expect(&self, one: &Sendable) {
        let entry = &one.entry;
        if !entry.people.is_empty() || !entry.service.is_empty() {
            let script = Script { people: entry.people.clone(), service: entry.service.clone() };
            self.service.lock().approvals.expect(request::key(entry), script, now());
            self.service.wake();
        }
    }
}

fn seen(came: Came, logged: Option<Logged>, forwarded: Option<Forwarded>) -> Seen {
    let summary = logged.as_ref().and_then(|line| serde_json::from_str(line.summary.as_deref()?).ok());
    let details = logged.as_ref().and_then(|line| line.details.clone()).unwrap_or_default();
    let ended = match details.as_str() {
        _ if came.left => Ended::Left,
        "via_upstream" => Ended::Upstream,
        _ if came.response.status() == 0 => Ended::Reset,
        _ => Ended::Local(details),
    };
    Seen { ended, response: came.response, forwarded, summary, took: came.took }
}
