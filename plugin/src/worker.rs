//! One worker of the gateway: every request that waits, what waits to be sent, and the calls in flight.

mod health;
mod keys;
mod lapse;
mod load;
mod outbox;
mod queue;
mod replies;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use countersign_core::engine::Engine;
use countersign_core::facts::RequestFacts;
use countersign_core::journal::{Journal, Members};
use countersign_core::life::{
    Asking, AwaitingBody, Claiming, Enquiry, Held, Keeping, Left, Listing, Moment, Next, NoAnswer, Permit,
    Reply, Step, decide,
};
use countersign_protocol::approval::{Ask, Verdict};
use countersign_protocol::{Token, UnixMillis};

use crate::current::Current;
use crate::host::Pairs;
use crate::metrics::{Levels, Tally};
use load::{Admission, Load};
pub(crate) use outbox::Kind;
use outbox::Outbox;
use replies::InFlight;

/// How often a worker says that it lives, and how far its lanes reach, milliseconds.
const HEARTBEAT: i64 = 60_000;

/// What to do with a request now.
#[derive(Debug)]
pub(crate) enum Directive {
    /// Let it go on.
    Continue(Option<String>),
    /// Answer it.
    Reply(Reply, Option<String>),
    /// Nothing: it waits, or there is nothing to say.
    Stay,
}

/// A request that waits, in its state.
#[derive(Debug)]
enum Parked {
    Body { state: AwaitingBody, seen: usize, withheld_at: Option<UnixMillis> },
    Asking(Asking),
    Held(Held),
    Claiming(Box<Claiming>),
    Keeping(Keeping),
}

/// One worker's requests and calls. It outlives them all.
#[derive(Debug)]
pub(crate) struct Worker {
    current: Rc<Current>,
    engine: Rc<Engine>,
    journal: Journal,
    /// Names this worker to the approval service: 128 random bits, so nobody else can wait in its name.
    waiter: Token,
    parked: BTreeMap<u32, Parked>,
    by_ticket: BTreeMap<Token, BTreeSet<u32>>,
    /// Verdicts that overtook the reply to their question.
    early: BTreeMap<Token, Verdict>,
    permits: BTreeMap<u32, Permit>,
    load: Load,
    tally: Tally,
    /// When the next heartbeat is due.
    beat_at: UnixMillis,
    outbox: Outbox,
    in_flight: InFlight,
    /// How often the keys had become others when they were last recorded.
    keys: u64,
    /// Whether the last record is made.
    stopped: bool,
}

impl Worker {
    /// A worker that has judged nothing yet. `producer` and `waiter` are random. Nothing without a configuration.
    pub(crate) fn new(current: Rc<Current>, producer: Token, waiter: Token, now: UnixMillis) -> Option<Self> {
        let engine = current.get()?;
        let mut journal = Journal::new(producer);
        let mut outbox = Outbox::new(now);
        outbox.keep(journal.plain(now, "start", description(&engine)));
        let keys = keys::record(&engine, &mut journal, &mut outbox, now);
        Some(Self {
            current,
            engine,
            journal,
            waiter,
            parked: BTreeMap::new(),
            by_ticket: BTreeMap::new(),
            early: BTreeMap::new(),
            permits: BTreeMap::new(),
            load: Load::default(),
            tally: Tally::default(),
            beat_at: now.saturating_add(HEARTBEAT),
            outbox,
            in_flight: InFlight::default(),
            keys,
            stopped: false,
        })
    }

    /// Goes by the configuration and the keys of this moment. Both lanes say from where on. The clock is read only
    /// then.
    pub(crate) fn refresh(&mut self, now: impl FnOnce() -> UnixMillis) {
        let Some(engine) = self.current.get().filter(|_| !self.stopped) else { return };
        let reloaded = !Rc::ptr_eq(&engine, &self.engine);
        if !reloaded && keys::changes(&engine) == self.keys {
            return;
        }
        let now = now();
        if reloaded {
            self.outbox.keep([self.journal.held(now, "reloaded", description(&engine))]);
            self.outbox.keep(self.journal.plain(now, "reloaded", description(&engine)));
            self.engine = engine;
        }
        self.keys = keys::record(&self.engine, &mut self.journal, &mut self.outbox, now);
    }

    /// The last record: with it a lane is known to be whole.
    pub(crate) fn stop(&mut self, now: UnixMillis) {
        self.make_room();
        let records = self.journal.stop(now);
        self.outbox.keep(records);
        self.outbox.hurry();
        self.stopped = true;
    }

    /// Whether everything that there was to say has been taken.
    pub(crate) fn is_settled(&self) -> bool {
        self.outbox.is_empty() && self.in_flight.is_empty()
    }

    /// What decisions rest on.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What of the answer to this request is to be shown, where not all of it is.
    pub(crate) fn listing(&self, id: u32) -> Option<&Listing> {
        self.permits.get(&id).and_then(Permit::listing)
    }

    /// Whether what becomes of this request is evidence.
    pub(crate) fn reports(&self, id: u32) -> bool {
        self.permits.get(&id).is_some_and(Permit::is_countersigned)
    }

    /// The headers of a request came.
    pub(crate) fn judge(&mut self, id: u32, facts: RequestFacts, at: Moment) -> Directive {
        let step = decide(&self.engine, &mut self.journal, facts, at);
        self.apply(id, step, at.now)
    }

    /// Whether this request waits for its body.
    pub(crate) fn awaits_body(&self, id: u32) -> bool {
        matches!(self.parked.get(&id), Some(Parked::Body { .. }))
    }

    /// What to do with more bytes of a request that does not wait for its body: only a permit lets them pass.
    pub(crate) fn more(&self, id: u32) -> Directive {
        match self.permits.contains_key(&id) {
            true => Directive::Continue(None),
            false => Directive::Stay,
        }
    }

    /// How much of its body came.
    pub(crate) fn body_seen(&self, id: u32) -> usize {
        match self.parked.get(&id) {
            Some(Parked::Body { seen, .. }) => *seen,
            _ => 0,
        }
    }

    /// `size` bytes of the body are here, from its beginning.
    pub(crate) fn body_progress(&mut self, id: u32, size: usize, now: UnixMillis) -> Directive {
        match self.parked.get_mut(&id) {
            Some(Parked::Body { state, seen, withheld_at }) => {
                *seen = size;
                if !state.is_due_whole() {
                    *withheld_at = None;
                }
            }
            _ => return self.more(id),
        }
        if size <= self.engine.limits().body {
            return Directive::Stay;
        }
        self.with_body(id, now, |state, engine, journal| state.on_too_large(engine, journal, now))
    }

    /// The whole body came.
    pub(crate) fn body(&mut self, id: u32, body: Vec<u8>, trailers: Pairs, at: Moment) -> Directive {
        self.with_body(id, at.now, |state, engine, journal| {
            state.on_body(engine, journal, body, trailers, at)
        })
    }

    fn with_body(
        &mut self,
        id: u32,
        now: UnixMillis,
        then: impl FnOnce(AwaitingBody, &Engine, &mut Journal) -> Step,
    ) -> Directive {
        match self.parked.remove(&id) {
            Some(Parked::Body { state, .. }) => {
                let step = then(state, &self.engine, &mut self.journal);
                self.apply(id, step, now)
            }
            Some(other) => {
                self.parked.insert(id, other);
                Directive::Stay
            }
            None => Directive::Stay,
        }
    }

    /// The request is over: it was answered, or its client left. `status` is the upstream's.
    pub(crate) fn over(&mut self, id: u32, status: Option<u16>, now: UnixMillis) {
        self.load.remove(id);
        self.tally.over(id, now);
        self.outbox.forget(id);
        if let Some(permit) = self.permits.remove(&id)
            && let Some((record, outcome)) = permit.outcome(&mut self.journal, status, now)
        {
            self.outbox.keep([record]);
            self.outbox.tell([outcome]);
        }
        if let Some(Left { record, tell }) = self.left(id, now) {
            self.outbox.keep([record]);
            self.outbox.tell(tell);
        }
    }

    fn left(&mut self, id: u32, now: UnixMillis) -> Option<Left> {
        let journal = &mut self.journal;
        match self.parked.remove(&id)? {
            Parked::Body { .. } | Parked::Keeping(_) => None,
            Parked::Asking(state) => Some(state.on_client_left(journal, now)),
            Parked::Claiming(state) => Some(state.on_client_left(journal, now)),
            Parked::Held(state) => {
                unlist(&mut self.by_ticket, state.ticket(), id);
                Some(state.on_client_left(journal, now))
            }
        }
    }

    /// Whether something should be sent before the next tick. The clock is a call to the gateway, and most
    /// requests need none.
    pub(crate) fn urgent(&self, now: impl FnOnce() -> UnixMillis) -> bool {
        !self.outbox.is_calm() && self.outbox.urgent(now())
    }

    fn beat(&mut self, now: UnixMillis) {
        // Further away than one is due when the clock was set back.
        let waits = (1..=HEARTBEAT).contains(&self.beat_at.saturating_sub(now));
        if !waits && !self.stopped {
            self.beat_at = now.saturating_add(HEARTBEAT);
            let records = self.journal.heartbeat(now);
            self.outbox.keep(records);
        }
    }

    /// What it has in hand.
    pub(crate) fn levels(&mut self) -> Levels {
        self.tally.drops(&self.journal);
        let limits = self.engine.limits();
        let (held, held_bytes, held_percent) = self.load.levels(limits);
        let (buffered, buffered_percent) = self.outbox.levels();
        Levels { held, held_bytes, held_percent, buffered, buffered_percent }
    }

    /// The one place that carries out a step.
    fn apply(&mut self, id: u32, step: Step, now: UnixMillis) -> Directive {
        let summary = self.tally.step(id, &step, &self.journal, now);
        self.outbox.keep(step.audit);
        self.outbox.tell(step.tell);
        if matches!(step.next, Next::Continue(_) | Next::Reply(_)) {
            self.load.remove(id);
        }
        self.make_room();
        match step.next {
            Next::Continue(permit) => {
                self.permits.insert(id, permit);
                return Directive::Continue(summary);
            }
            Next::Reply(reply) => return Directive::Reply(reply, summary),
            Next::NeedBody(state) => {
                let withheld_at = Some(now.saturating_add(self.engine.limits().body_wait));
                self.parked.insert(id, Parked::Body { state, seen: 0, withheld_at });
            }
            Next::Ask(enquiry, state) => return self.ask(id, *enquiry, state, now),
            Next::Claim(claim, not_before, state) => {
                self.outbox.claim(id, claim, not_before);
                self.parked.insert(id, Parked::Claiming(state));
            }
            Next::Keep(keeping) => {
                self.outbox.hurry();
                self.parked.insert(id, Parked::Keeping(keeping));
            }
            Next::Wait(held) => return self.hold(id, held, now),
        }
        Directive::Stay
    }

    /// Puts the question into the outbox. Above the caps nobody waits for its answer.
    fn ask(&mut self, id: u32, mut enquiry: Enquiry, mut state: Asking, now: UnixMillis) -> Directive {
        let weight = serde_json::to_string(&enquiry.question).map_or(usize::MAX, |text| text.len());
        let principal = &enquiry.question.cedar.principal;
        match self.load.add(id, principal, weight, self.engine.limits()) {
            Admission::Hold => {}
            Admission::Pass => state = state.without_hold(&mut enquiry, now),
            Admission::Refuse => {
                let at = Moment { now, fresh: enquiry.nonce };
                let step = state.on_reply(&self.engine, &mut self.journal, Err(NoAnswer), at);
                return self.apply(id, step, now);
            }
        }
        let Enquiry { nonce, digest, question } = enquiry;
        self.outbox.ask(id, Ask { nonce, waiter: self.waiter, digest, question }, weight);
        self.parked.insert(id, Parked::Asking(state));
        Directive::Stay
    }

    /// Says whether people may be asked about anything new: its evidence and its bytes must have room.
    fn make_room(&mut self) {
        let mut room = self.outbox.room();
        room.held &= self.load.has_room();
        self.journal.set_room(room);
    }

    /// Holds the request, unless its verdict is here already.
    fn hold(&mut self, id: u32, held: Held, now: UnixMillis) -> Directive {
        let ticket = held.ticket();
        if let Some(verdict) = self.early.remove(&ticket)
            && let Some(at) = crate::host::moment()
        {
            let step = held.on_verdict(&self.engine, &mut self.journal, verdict, at);
            return self.apply(id, step, now);
        }
        self.by_ticket.entry(ticket).or_default().insert(id);
        self.parked.insert(id, Parked::Held(held));
        Directive::Stay
    }
}

/// What goes into the evidence of a configuration.
fn description(engine: &Engine) -> Members {
    Members::default()
        .with("version", env!("CARGO_PKG_VERSION"))
        .with("configuration", engine.config_hash())
        .with("bundle", engine.bundle_hash())
        .with("mode", engine.mode())
        .with("relax", engine.relaxed())
}

fn unlist(by_ticket: &mut BTreeMap<Token, BTreeSet<u32>>, ticket: Token, id: u32) {
    if let Some(ids) = by_ticket.get_mut(&ticket) {
        ids.remove(&id);
        if ids.is_empty() {
            by_ticket.remove(&ticket);
        }
    }
}
