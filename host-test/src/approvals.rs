//! The approval service by script: it answers the gateway's calls as the real one does, and people do what a
//! recording says that they do.
//!
//! It has no clock, no socket and no randomness but its seed: the same calls at the same times get the same bytes.
//! It is a [`Cluster`] for the harness; a server with sockets and a clock can drive it through the same trait.
//! What the real service knows of people from its directory comes from the script, so no question is refused here
//! because nobody could approve it. There is one gateway, whose token and audience it makes up, and nothing is
//! there for people, requesters or auditors.

mod asks;
mod claims;
mod evidence;
mod http;
mod log;
mod outcomes;
mod people;
mod polls;
mod script;
mod service;
mod signer;
mod tickets;
mod troubles;

use countersign_protocol::evidence::Record;
use countersign_protocol::jws::Jwk;
use countersign_protocol::recording::{Fault, Operation};
use countersign_protocol::{Hash, Token, UnixMillis};
use serde_json::{Value, json};

use crate::cluster::{Answer, Call, CallId, Cluster, Response, Sent, Time};
pub use countersign_protocol::recording::{Act, Delay, Doing, Trouble};
pub use evidence::{Break, Why};
pub use log::Happened;
use polls::Poll;
pub use script::{Key, Otherwise, Script};
use service::Service;
pub use tickets::Ticket;
use troubles::Troubles;

/// The cluster under which a filter finds the service ([`Approvals::approval`]).
pub const CLUSTER: &str = "approvals";

/// The approval service by script.
#[derive(Debug)]
pub struct Approvals {
    service: Service,
    troubles: Troubles,
    polls: Vec<Poll>,
    ready: Vec<(CallId, Answer)>,
    now: Time,
}

fn millis(time: Time) -> UnixMillis {
    troubles::after(0, time)
}

impl Approvals {
    /// A service that nobody has asked yet. Its key, its token and every name that it gives follow `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            service: Service::new(seed),
            troubles: Troubles::default(),
            polls: Vec::new(),
            ready: Vec::new(),
            now: Time::ZERO,
        }
    }

    /// The same, calling itself `issuer` in what it signs.
    #[must_use]
    pub fn with_issuer(mut self, issuer: impl Into<String>) -> Self {
        self.service.signer.issuer = issuer.into();
        self
    }

    /// The same, for a gateway of that audience.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.service.audience = audience.into();
        self
    }

    /// The same, with what people do about requests that no script expects; by default nothing.
    #[must_use]
    pub fn otherwise(mut self, otherwise: Otherwise) -> Self {
        self.service.book.otherwise = otherwise;
        self
    }

    /// What a filter must know of it: `approval` of its configuration, with [`CLUSTER`].
    #[must_use]
    pub fn approval(&self) -> Value {
        json!({
            "cluster": CLUSTER,
            "authority": CLUSTER,
            "token": self.token(),
            "issuer": self.issuer(),
            "keys": [self.jwk()],
        })
    }

    /// What it calls itself.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.service.signer.issuer
    }

    /// Which gateways its grants are for.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.service.audience
    }

    /// The key that verifies what it signs at this moment.
    #[must_use]
    pub fn jwk(&self) -> &Jwk {
        &self.service.signer.jwk
    }

    /// Signs with a new key from now on, which all keys before it endorse at
    /// [`KEYS_PATH`](countersign_protocol::keys::KEYS_PATH).
    pub fn rotate(&mut self) {
        self.service.rotate();
    }

    /// The bearer token that the gateway must show.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.service.token
    }

    /// Says what people do when they are asked about `key`, if the script says anything of it, and how the service fails
    /// around `at`, when the request arrives. Several scripts for one key are used in the order of tickets, the last one
    /// for all that follow.
    /// Failures concern every call of their time, since a batch may be about many requests: the calls that come in
    /// it, the answers to polls that fall due in it and, when the service is down or resets, the polls that are open.
    /// Of several at one time the one that was expected first counts. People go on meanwhile.
    pub fn expect(&mut self, key: Key, script: Script, at: Time) {
        if !script.people.is_empty() {
            self.service.book.expect(key, script.people);
        }
        self.fail(script.service, at);
    }

    /// Says how the service fails around `at`, as [`Self::expect`] does, of a request that comes to another gateway.
    pub fn fail(&mut self, troubles: Vec<Trouble>, at: Time) {
        self.troubles.expect(troubles, millis(at), millis(self.now));
    }

    /// The ticket and the evidence record of the claim that won by this nonce, as long as its ticket is not
    /// forgotten.
    #[must_use]
    pub fn won(&self, nonce: Token) -> Option<(Token, Hash)> {
        self.service.claims.won(nonce)
    }

    /// How many producers said that they stop, and those whose evidence came and who did not.
    #[must_use]
    pub fn ends(&self) -> (usize, Vec<Token>) {
        self.service.evidence.ends()
    }

    /// Until when it fails, as far as that has an end.
    #[must_use]
    pub fn troubled_until(&self) -> Option<Time> {
        u64::try_from(self.troubles.over()?).ok().map(Time::from_millis)
    }

    /// Lets happen what is due by `now`: for those who look at it when nobody calls any more.
    pub fn advance(&mut self, now: Time) {
        self.now = now;
        self.service.advance(millis(now));
        self.answer_polls();
    }

    /// All tickets in the order in which they were opened, as they were when anything last happened.
    #[must_use]
    pub fn tickets(&self) -> Vec<&Ticket> {
        let mut tickets: Vec<_> = self.service.tickets.values().collect();
        tickets.sort_by_key(|ticket| ticket.number);
        tickets
    }

    /// All that happened, in order.
    #[must_use]
    pub fn happened(&self) -> &[Happened] {
        &self.service.log
    }

    /// What happened to one ticket, in order.
    pub fn history(&self, ticket: Token) -> impl Iterator<Item = &Happened> {
        self.service.log.iter().filter(move |happened| happened.ticket == Some(ticket))
    }

    /// The evidence that is kept, in the order in which it came.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.service.evidence.records
    }

    /// Where the evidence does not hold together, by producer, lane and number.
    #[must_use]
    pub fn breaks(&self) -> Vec<Break> {
        self.service.evidence.breaks()
    }

    /// [`Self::records`], which are forgotten: a long run would not fit into memory. A claim whose record came long
    /// before is lost then, and other bytes under a number from long before are not noticed.
    pub fn take_records(&mut self) -> Vec<Record> {
        self.service.evidence.take()
    }

    /// [`Self::happened`], which is forgotten.
    pub fn take_happened(&mut self) -> Vec<Happened> {
        std::mem::take(&mut self.service.log)
    }

    /// The tickets that were closed before `before`, which are forgotten: asks, claims and outcomes that name one
    /// find nothing any more.
    pub fn take_closed(&mut self, before: Time) -> Vec<Ticket> {
        self.service.take_closed(millis(before))
    }

    fn fault(&self, operation: Option<Operation>) -> Option<Fault> {
        self.troubles.fault(operation, self.service.now)
    }

    fn note_fault(&mut self, fault: Fault, operation: Option<Operation>) {
        let happened = Happened::new(self.service.now, "fault").code(troubles::name(fault));
        self.service.note(happened.detail(http::name(operation)));
    }

    /// Serves a call, whose answer may be spoilt on its way.
    fn serve(&mut self, id: CallId, call: &Call, fault: Option<Fault>) {
        self.service.claims.misnamed = fault == Some(Fault::OtherReceipt);
        match http::serve(&mut self.service, call) {
            http::Reply::Now(response) => self.deliver(id, response, fault),
            http::Reply::Later(wait) => {
                let poll = self.service.begin(id, &wait, fault);
                self.polls.push(poll);
            }
        }
    }

    fn deliver(&mut self, id: CallId, response: Response, fault: Option<Fault>) {
        self.ready.extend(troubles::spoilt(response, fault).map(|answer| (id, answer)));
    }

    /// Answers the polls that have something to hear or no more time, as long as the service stands.
    fn answer_polls(&mut self) {
        for poll in std::mem::take(&mut self.polls) {
            // One that fails whenever its answer comes was written down when it came.
            let sudden = self.fault(Some(Operation::Wait)).filter(|fault| *fault != Fault::NotSent);
            let sudden = sudden.filter(|fault| poll.fault.is_none() || troubles::is_break(*fault));
            match (self.service.reply(&poll), sudden) {
                (_, Some(fault)) if troubles::is_break(fault) => {
                    self.note_fault(fault, Some(Operation::Wait));
                    self.ready.push((poll.call, troubles::broken(fault)));
                }
                (Some(reply), sudden) => {
                    if let Some(fault) = sudden {
                        self.note_fault(fault, Some(Operation::Wait));
                    }
                    self.deliver(poll.call, http::ok(&reply), poll.fault.or(sudden));
                }
                (None, _) => self.polls.push(poll),
            }
        }
    }
}

impl Cluster for Approvals {
    fn call(&mut self, id: CallId, call: &Call, now: Time) -> Sent {
        self.advance(now);
        let operation = http::operation(call);
        let fault = self.fault(operation);
        if let Some(fault) = fault {
            self.note_fault(fault, operation);
        }
        match fault {
            Some(Fault::NotSent) => return Sent::Refused,
            None | Some(Fault::Half | Fault::AnswerLost | Fault::OtherReceipt) => {
                self.serve(id, call, fault);
            }
            Some(fault) => self.ready.extend(troubles::instead(fault).map(|answer| (id, answer))),
        }
        self.answer_polls();
        Sent::Taken
    }

    fn due(&self) -> Option<Time> {
        if !self.ready.is_empty() {
            return Some(self.now);
        }
        // What happens by itself matters to others only while somebody listens.
        let until = self.polls.iter().map(|poll| poll.until).min()?;
        let next_break = self.troubles.next_break(Operation::Wait, self.service.now);
        let due = [Some(until), self.service.due(), next_break].into_iter().flatten().min();
        due.and_then(|due| u64::try_from(due).ok()).map(Time::from_millis)
    }

    fn answers(&mut self, now: Time) -> Vec<(CallId, Answer)> {
        self.advance(now);
        std::mem::take(&mut self.ready)
    }

    fn forget(&mut self, id: CallId) {
        self.polls.retain(|poll| poll.call != id);
        self.ready.retain(|(call, _)| *call != id);
    }
}
