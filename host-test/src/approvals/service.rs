//! All that the service keeps, and its clock: what was due before a moment has happened when anything is done at it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use countersign_protocol::approval::State;
use countersign_protocol::recording::Act;
use countersign_protocol::{Hash, Token, UnixMillis};

use super::claims::Claims;
use super::evidence::Evidence;
use super::log::Happened;
use super::people::Signed;
use super::polls::Events;
use super::script::Book;
use super::signer::Signer;
use super::tickets::Ticket;

/// The service, without its faults.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) signer: Signer,
    pub(super) audience: String,
    pub(super) token: String,
    rng: fastrand::Rng,
    /// The moment at which everything is done until it is told another.
    pub(super) now: UnixMillis,
    pub(super) book: Book,
    pub(super) tickets: BTreeMap<Token, Ticket>,
    /// How many tickets were ever opened.
    pub(super) opened: u64,
    /// The tickets that the same question of the same principal joins.
    pub(super) open: BTreeMap<(String, Hash), Token>,
    /// The questions of each nonce.
    pub(super) asks: BTreeMap<Token, Attempt>,
    pub(super) claims: Claims,
    pub(super) events: Events,
    pub(super) evidence: Evidence,
    /// Grants that people gave, the latest last: what can be replayed.
    pub(super) grants: VecDeque<Signed>,
    agenda: BTreeSet<(UnixMillis, Due)>,
    planned: BTreeMap<u64, (Token, Act)>,
    plans: u64,
    pub(super) log: Vec<Happened>,
}

/// One question of one waiter.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) ticket: Token,
    pub(super) waiter: Token,
    pub(super) held_until: UnixMillis,
    pub(super) left: bool,
}

/// Something that happens by itself. At one moment deadlines come first: who answers at the last moment is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// A ticket, by number, lapses.
    Lapse(u64, Token),
    /// Nobody said in time what became of a use, by nonce.
    Unreported(Token),
    /// Somebody does something.
    Act(u64),
}

impl Service {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let signer = Signer::new("https://approvals.test", &mut rng);
        let mut secret = [0; 32];
        rng.fill(&mut secret);
        Self {
            signer,
            audience: "gateway.test".into(),
            token: Hash(secret).to_string(),
            rng,
            now: 0,
            book: Book::default(),
            tickets: BTreeMap::new(),
            opened: 0,
            open: BTreeMap::new(),
            asks: BTreeMap::new(),
            claims: Claims::default(),
            events: Events::default(),
            evidence: Evidence::default(),
            grants: VecDeque::new(),
            agenda: BTreeSet::new(),
            planned: BTreeMap::new(),
            plans: 0,
            log: Vec::new(),
        }
    }

    /// A new name: 128 bits.
    pub(super) fn fresh(&mut self) -> Token {
        let mut bytes = [0; 16];
        self.rng.fill(&mut bytes);
        Token(bytes)
    }

    /// Signs with a new key from now on.
    pub(super) fn rotate(&mut self) {
        self.signer.rotate(&mut self.rng, self.now);
    }

    /// When something happens by itself next.
    pub(super) fn due(&self) -> Option<UnixMillis> {
        self.agenda.first().map(|(at, _)| *at)
    }

    /// Lets happen what is due, each thing at its own moment, and goes on to `now`.
    pub(super) fn advance(&mut self, now: UnixMillis) {
        while let Some((at, due)) = self.agenda.pop_first() {
            if at > now {
                self.agenda.insert((at, due));
                break;
            }
            self.now = at;
            match due {
                Due::Lapse(_, ticket) => self.lapse(ticket, at),
                Due::Unreported(nonce) => self.unreported(nonce),
                Due::Act(plan) => {
                    if let Some((ticket, act)) = self.planned.remove(&plan) {
                        self.act(ticket, &act);
                    }
                }
            }
        }
        self.now = now;
    }

    fn lapse(&mut self, id: Token, at: UnixMillis) {
        let lapse = |ticket: &mut Ticket| {
            let state = ticket.lapsed();
            ticket.settle(state, at);
            state
        };
        let Some(state) = self.change(id, lapse) else { return };
        let event = if state == State::Cancelled { "cancelled" } else { "expired" };
        self.note(Happened::new(self.now, event).to(id));
        self.tell(id);
    }

    /// Puts what people will do about a ticket onto the agenda.
    pub(super) fn plan(&mut self, ticket: Token, acts: Vec<Act>) {
        for act in acts {
            let at = super::troubles::after(self.now, act.after.0);
            self.agenda.insert((at, Due::Act(self.plans)));
            self.planned.insert(self.plans, (ticket, act));
            self.plans += 1;
        }
    }

    /// Awaits, or does not await any more, that somebody says by `by` what became of a use.
    pub(super) fn await_report(&mut self, nonce: Token, by: UnixMillis, awaited: bool) {
        let due = (by, Due::Unreported(nonce));
        match awaited {
            true => self.agenda.insert(due),
            false => self.agenda.remove(&due),
        };
    }

    /// Keeps a new ticket, with its deadline.
    pub(super) fn insert(&mut self, ticket: Ticket) {
        self.opened += 1;
        self.open.insert((ticket.principal.clone(), ticket.digest), ticket.id);
        self.agenda.extend(ticket.lapses_at().map(|at| (at, Due::Lapse(ticket.number, ticket.id))));
        self.tickets.insert(ticket.id, ticket);
    }

    /// The one way to change a ticket: its deadline, and whether it can be joined, follow.
    pub(super) fn change<T>(&mut self, id: Token, change: impl FnOnce(&mut Ticket) -> T) -> Option<T> {
        let ticket = self.tickets.get_mut(&id)?;
        let due = |ticket: &Ticket| ticket.lapses_at().map(|at| (at, Due::Lapse(ticket.number, id)));
        let was = due(ticket);
        let done = change(ticket);
        let is = due(ticket);
        if let Some(was) = was {
            self.agenda.remove(&was);
        }
        self.agenda.extend(is);
        if is.is_none() {
            let key = (ticket.principal.clone(), ticket.digest);
            if self.open.get(&key) == Some(&id) {
                self.open.remove(&key);
            }
        }
        Some(done)
    }

    pub(super) fn note(&mut self, happened: Happened) {
        self.log.push(happened);
    }

    /// Forgets the tickets that were closed before `before`, and all that names them; gives them back.
    pub(super) fn take_closed(&mut self, before: UnixMillis) -> Vec<Ticket> {
        let closed =
            |ticket: &Ticket| ticket.lapses_at().is_none() && ticket.settled_at.is_some_and(|at| at < before);
        let mut taken: Vec<_> =
            self.tickets.extract_if(.., |_, ticket| closed(ticket)).map(|(_, ticket)| ticket).collect();
        taken.sort_by_key(|ticket| ticket.number);
        for nonce in taken.iter().flat_map(|ticket| &ticket.asks) {
            self.asks.remove(nonce);
        }
        let tickets = &self.tickets;
        self.events.retain(|ticket| tickets.contains_key(&ticket));
        let reports = self.claims.retain(|ticket| tickets.contains_key(&ticket));
        for (nonce, by) in reports {
            self.await_report(nonce, by, false);
        }
        taken
    }
}
