//! The last step before a held request goes on: one atomic use of the grant, acknowledged by the service.

use countersign_protocol::UnixMillis;
use countersign_protocol::approval::{Claim, ClaimAnswer, ClaimResult, State};
use countersign_protocol::grant::Grant;

use super::case::Left;
use super::held::still_open;
use super::permit::Used;
use super::{
    Decision, Denial, Engine, Fate, Held, Journal, Moment, Next, NoAnswer, Note, Permit, Reason, Step,
};
use crate::grant::broken;
use crate::journal::Members;
use crate::refusal::Breach;

/// How long a claim is tried at least, even when the hold ends meanwhile, milliseconds.
const PATIENCE: i64 = 10_000;
/// How long to wait before an unanswered claim is sent again, milliseconds.
const PAUSE: i64 = 250;

/// Waits for the answer to a claim.
#[derive(Debug)]
pub struct Claiming {
    held: Held,
    grant: Grant,
    claim: Claim,
    until: UnixMillis,
}

impl Claiming {
    pub(super) fn new(held: Held, grant: Grant, claim: Claim, now: UnixMillis) -> Self {
        let until = held.until().max(now.saturating_add(PATIENCE));
        Self { held, grant, claim, until }
    }

    /// The service answered, or did not. The same claim is sent again until its time is over: its nonce
    /// makes sure that it is counted once.
    pub fn on_reply(
        self,
        engine: &Engine,
        journal: &mut Journal,
        reply: Result<ClaimAnswer, NoAnswer>,
        at: Moment,
    ) -> Step {
        match reply.map(|answer| answer.result) {
            Ok(ClaimResult::Won { receipt }) => {
                let Claim { nonce, record, .. } = self.claim;
                match engine.trust.receipt(&receipt, &self.grant, (nonce, record), at.now) {
                    Ok(_) => self.on_won(engine, journal, at.now),
                    Err(breach) => self.on_forged(journal, breach, at.now),
                }
            }
            Ok(ClaimResult::Lost { state }) => self.on_lost(engine, journal, state, at),
            Err(NoAnswer) => self.again(journal, at.now),
        }
    }

    /// The client left; whether the claim still wins is the service's to say, nothing is forwarded.
    pub fn on_client_left(self, journal: &mut Journal, now: UnixMillis) -> Left {
        self.held.on_client_left(journal, now)
    }

    fn again(self, journal: &mut Journal, now: UnixMillis) -> Step {
        if now >= self.until {
            let denial = Denial::new(Reason::ClaimUnanswered, "it was not sent on; ask anew");
            return self.held.case.end(journal, Some(self.grant.ticket), &denial, now);
        }
        Step::new(Next::Claim(self.claim.clone(), now.saturating_add(PAUSE), Box::new(self)))
    }

    /// A receipt that does not hold is no answer.
    fn on_forged(self, journal: &mut Journal, breach: Breach, now: UnixMillis) -> Step {
        let members = Members::default().with("ticket", self.grant.ticket).with("code", breach.code());
        let record = journal.held(now, "receipt_refused", members);
        let mut step = self.again(journal, now);
        step.audit.insert(0, record);
        step.notes.push(Note::ReceiptRefused(breach));
        step
    }

    fn on_lost(self, engine: &Engine, journal: &mut Journal, state: State, at: Moment) -> Step {
        match state {
            // A twin was quicker: this one asks anew, within the same hold.
            State::Consumed => {
                let case = self.held.case;
                super::start(engine, journal, case.facts, Some(case.until), at)
            }
            State::Pending | State::Approved => Step::new(Next::Wait(self.held)),
            State::Rejected => self.held.end(journal, Reason::Rejected, "", at.now),
            State::Expired => {
                self.held.end(journal, Reason::Expired, "the approval was not used in time", at.now)
            }
            State::Revoked | State::Cancelled => {
                self.held.end(journal, Reason::Cancelled, "the approval was taken back", at.now)
            }
            State::Unknown => {
                self.held.end(journal, Reason::GrantRefused, "the approval service gave no yes", at.now)
            }
        }
    }

    /// The use is counted and its record is kept: rule once more, then let go.
    fn on_won(self, engine: &Engine, journal: &mut Journal, now: UnixMillis) -> Step {
        let ticket = self.grant.ticket;
        let listing = match still_open(engine, &self.held.case, now) {
            Ok(judged) => judged.listing(engine),
            Err(denial) => return self.held.case.end(journal, Some(ticket), &denial, now),
        };
        let broken = broken(&self.grant, &self.held.case.gates);
        let nonce = self.claim.nonce;
        let members = Members::default()
            .with("ticket", ticket)
            .with("digest", self.grant.digest)
            .with("nonce", nonce)
            .with("claim", self.claim.record)
            .with("break_glass", &broken);
        let record = journal.held(now, "forwarded", members);
        let permit = Permit::countersigned(Used { ticket, nonce }, listing);
        let decision = Decision::new(Fate::Countersigned, Some(ticket));
        let mut step = Step::new(Next::Continue(permit)).decided(decision).audit(record);
        step.notes.extend(broken.map(|_| Note::GlassBroken));
        step
    }
}
