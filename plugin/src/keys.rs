//! Fetches the keys of issuers and of the approval service: regularly, soon when something names one that is not
//! here, ever later when nothing comes.

use std::collections::BTreeMap;
use std::rc::Rc;

use countersign_core::engine::Engine;
use countersign_core::keys::{KeySource, Refresh};
use countersign_protocol::UnixMillis;

use crate::calls;
use crate::quiet::Quiet;

/// The longest document with keys that is read, bytes.
const LONGEST: usize = 256 << 10;

/// How soon after a call something with an unknown key may bring about the next one, milliseconds.
const EARLIEST: i64 = 10_000;

/// How long the first call waits that follows one without an answer, and how long at most, milliseconds.
const PAUSE: (i64, i64) = (1_000, 60_000);

/// Fetches the keys of one configuration, for one worker.
#[derive(Debug, Default)]
pub(crate) struct Fetcher {
    engine: Option<Rc<Engine>>,
    plans: Vec<Plan>,
    /// The plan of each call, by the gateway's id for it.
    calls: BTreeMap<u32, usize>,
}

/// When the keys of one source are fetched.
#[derive(Debug)]
struct Plan {
    /// Its place among the engine's sources of keys.
    source: usize,
    /// Nothing: now.
    next: Option<UnixMillis>,
    sent: Option<UnixMillis>,
    pause: Option<i64>,
    quiet: Quiet,
}

impl Fetcher {
    /// For the keys of `engine`.
    pub(crate) fn new(engine: Rc<Engine>) -> Self {
        let fetched = |(_, keys): &(usize, &dyn KeySource)| keys.refresh().is_some();
        let plan = |(source, _)| Plan { source, next: None, sent: None, pause: None, quiet: Quiet::NEW };
        let plans = engine.key_sources().enumerate().filter(fetched).map(plan).collect();
        Self { engine: Some(engine), plans, calls: BTreeMap::new() }
    }

    /// Whether there is nothing to fetch.
    pub(crate) fn is_idle(&self) -> bool {
        self.plans.is_empty()
    }

    /// Sends the calls that are due, as long as `engine` is what requests are judged by. Only the root context may
    /// call this: replies come back to who sent.
    pub(crate) fn pump(&mut self, engine: &Rc<Engine>, now: UnixMillis) {
        if !self.engine.as_ref().is_some_and(|own| Rc::ptr_eq(own, engine)) {
            return;
        }
        for (index, plan) in self.plans.iter_mut().enumerate() {
            let Some(keys) = engine.key_sources().nth(plan.source) else { continue };
            let Some(refresh) = keys.refresh() else { continue };
            plan.hasten(keys.take_wanted());
            if self.calls.values().any(|about| *about == index) || !plan.is_due(refresh, now) {
                continue;
            }
            plan.sent = Some(now);
            match calls::get(&refresh.cluster, &refresh.authority, &refresh.path, refresh.timeout) {
                Ok(call) => drop(self.calls.insert(call, index)),
                Err(fault) => plan.failed(keys, refresh, &fault.to_string(), now),
            }
        }
    }

    /// A reply came: gives whether it was to one of these calls.
    pub(crate) fn replied(&mut self, call: u32, body_size: usize, now: UnixMillis) -> bool {
        let Some(index) = self.calls.remove(&call) else { return false };
        let Some((engine, plan)) = self.engine.as_ref().zip(self.plans.get_mut(index)) else { return true };
        if let Some(keys) = engine.key_sources().nth(plan.source)
            && let Some(refresh) = keys.refresh()
        {
            match calls::body(body_size, LONGEST) {
                Ok(document) => plan.answered(keys, refresh, &document, now),
                Err(fault) => plan.failed(keys, refresh, &fault.to_string(), now),
            }
        }
        true
    }
}

impl Plan {
    /// An unknown key does not shorten a pause: whoever sends tokens that nobody signed could do that.
    fn hasten(&mut self, wanted: bool) {
        if let (true, None, Some(sent)) = (wanted, self.pause, self.sent) {
            let soon = sent.saturating_add(EARLIEST);
            self.next = self.next.map(|next| next.min(soon));
        }
    }

    /// One that is further away than any can be was set before the clock was set back.
    fn is_due(&self, refresh: &Refresh, now: UnixMillis) -> bool {
        let longest = refresh.every.max(PAUSE.1);
        self.next.is_none_or(|next| !(1..=longest).contains(&next.saturating_sub(now)))
    }

    fn answered(&mut self, keys: &dyn KeySource, refresh: &Refresh, document: &[u8], now: UnixMillis) {
        let source = keys.source();
        match keys.renew(document, now) {
            Err(why) => return self.failed(keys, refresh, &format!("the answer {why}"), now),
            Ok((true, 0)) => log::info!("the keys of {source} are others now"),
            Ok((true, faults)) => log::warn!("the keys of {source} are others now, {faults} cannot be used"),
            Ok((false, _)) => {}
        }
        self.pause = None;
        self.next = Some(now.saturating_add(refresh.every));
    }

    /// The keys stay as they are.
    fn failed(&mut self, keys: &dyn KeySource, refresh: &Refresh, why: &str, now: UnixMillis) {
        let pause =
            self.pause.map_or(PAUSE.0, |pause| pause.saturating_mul(2)).min(PAUSE.1).min(refresh.every);
        self.pause = Some(pause);
        self.next = Some(now.saturating_add(pause));
        if self.quiet.again(now).is_some() {
            log::warn!("the keys of {} cannot be fetched from `{}`: {why}", keys.source(), refresh.cluster);
        }
    }
}
