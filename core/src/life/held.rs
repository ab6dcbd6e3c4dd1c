//! The request is held: a verdict, or the end of the hold, ends the wait.

use countersign_protocol::approval::{Claim, Outcome, Remedy, State, Verdict};
use countersign_protocol::evidence::Record;
use countersign_protocol::grant::Grant;
use countersign_protocol::jws::key_id;
use countersign_protocol::{Token, UnixMillis};

use super::asking::resolve;
use super::case::{Case, Left, Ticket, refused};
use super::{Claiming, Denial, Engine, Journal, Judged, Moment, Next, Note, Reason, Step};
use crate::grant::{Refusal, broken};
use crate::journal::Members;
use crate::judge::{Unjudged, denial, judge};
use crate::keys::KeySource as _;
use crate::narrowing;
use crate::policy::{ShutGate, Verdict as PolicyVerdict};
use crate::refusal::Breach;

/// The longest grant that is kept until its key comes, bytes: one by as many people as can answer is shorter.
const LONGEST_UNREAD: usize = 64 << 10;

/// Waits for a verdict of the service, or for the end of the hold.
#[derive(Debug)]
pub struct Held {
    pub(super) case: Case,
    pub(super) ticket: Ticket,
    unread: Option<Unread>,
}

/// A grant by a key that is not here and may be fetched yet.
#[derive(Debug)]
struct Unread {
    kid: String,
    token: String,
}

impl Held {
    pub(super) fn new(case: Case, ticket: Ticket) -> Self {
        Self { case, ticket, unread: None }
    }

    /// When the hold is over.
    #[must_use]
    pub fn until(&self) -> UnixMillis {
        self.case.until
    }

    /// The ticket that is waited for.
    #[must_use]
    pub fn ticket(&self) -> Token {
        self.ticket.id
    }

    /// People answered, or the service closed the ticket. Verdicts on another ticket change nothing.
    pub fn on_verdict(
        mut self,
        engine: &Engine,
        journal: &mut Journal,
        verdict: Verdict,
        at: Moment,
    ) -> Step {
        if verdict.ticket != self.ticket.id {
            return Step::new(Next::Wait(self));
        }
        self.unread = None;
        match verdict.state {
            State::Approved => self.on_grant(engine, journal, verdict.grant.as_deref().unwrap_or(""), at),
            State::Pending | State::Unknown => Step::new(Next::Wait(self)),
            State::Rejected => {
                let said = verdict.reason.filter(|reason| !reason.is_empty());
                self.end(
                    journal,
                    Reason::Rejected,
                    &said.map_or_else(String::new, |said| format!("the reviewer said: {said}")),
                    at.now,
                )
            }
            State::Expired => self.end(journal, Reason::Expired, "send it again to ask anew", at.now),
            State::Revoked => self.end(journal, Reason::Cancelled, "the approval was taken back", at.now),
            State::Cancelled => self.end(journal, Reason::Cancelled, "nobody waited for it any more", at.now),
            State::Consumed => super::start(engine, journal, self.case.facts, Some(self.case.until), at),
        }
    }

    pub(super) fn end(&self, journal: &mut Journal, reason: Reason, detail: &str, now: UnixMillis) -> Step {
        self.case.end(journal, Some(self.ticket.id), &Denial::new(reason, detail), now)
    }

    /// The hold is over.
    pub fn on_deadline(mut self, engine: &Engine, journal: &mut Journal, now: UnixMillis) -> Step {
        let breach = Breach::UnknownKey;
        let unread = self.unread.take().map(|_| self.refused(journal, &Refusal::unread(breach), now));
        let mut step = self.case.pending(engine, journal, self.ticket, now);
        step.notes.extend(unread.as_ref().map(|_| Note::GrantRefused(breach)));
        step.audit.splice(0..0, unread);
        step
    }

    /// Whether a grant came by a key that was not here then, and is now.
    #[must_use]
    pub fn can_read(&self, engine: &Engine, now: UnixMillis) -> bool {
        self.unread.as_ref().is_some_and(|unread| engine.trust.keys.has(&unread.kid, now))
    }

    /// Other keys are here: looks at a grant again that could not be read before.
    pub fn on_keys(mut self, engine: &Engine, journal: &mut Journal, at: Moment) -> Step {
        match self.unread.take() {
            Some(unread) => self.on_grant(engine, journal, &unread.token, at),
            None => Step::new(Next::Wait(self)),
        }
    }

    /// The client left.
    pub fn on_client_left(self, journal: &mut Journal, now: UnixMillis) -> Left {
        self.case.client_left(journal, Some(self.ticket.id), now)
    }

    /// Enough people said yes: check what they signed, rule again, then claim.
    fn on_grant(mut self, engine: &Engine, journal: &mut Journal, token: &str, at: Moment) -> Step {
        let expected = self.case.expected(self.ticket.id);
        let grant = match engine.trust.grant(token, expected, &engine.identities, at.now) {
            Err(refusal) if refusal.breach == Breach::UnknownKey && awaits_keys(engine, token) => {
                self.unread = key_id(token).map(|kid| Unread { kid, token: token.to_owned() });
                return Step::new(Next::Wait(self));
            }
            Err(refusal) => return self.on_refusal(journal, refusal, at),
            Ok(grant) => grant,
        };
        let judged = match still_open(engine, &self.case, at.now) {
            Err(denial) => return self.on_changed(journal, &grant, &denial, at),
            Ok(judged) => judged,
        };
        let Case { facts, gates, terms, .. } = &self.case;
        let request = narrowing::Request { judged: &judged, facts, gates, terms };
        match narrowing::check(engine, request, &grant, at.now) {
            Err(refusal) => self.on_refusal(journal, refusal, at),
            Ok(()) => self.claim(journal, grant, at),
        }
    }

    fn claim(self, journal: &mut Journal, grant: Grant, at: Moment) -> Step {
        let people: Vec<_> = grant.answers.iter().map(|answer| &answer.person).collect();
        let members = Members::default()
            .with("ticket", grant.ticket)
            .with("digest", grant.digest)
            .with("jti", grant.jti)
            .with("nonce", at.fresh)
            .with("gates", &grant.gates)
            .with("people", people)
            .with("break_glass", broken(&grant, &self.case.gates));
        let record = journal.held(at.now, "claim", members);
        let claim = Claim {
            nonce: at.fresh,
            ticket: grant.ticket,
            jti: grant.jti,
            digest: grant.digest,
            record: record.hash,
        };
        let claiming = Claiming::new(self, grant, claim.clone(), at.now);
        Step::new(Next::Claim(claim, at.now, Box::new(claiming))).audit(record)
    }

    /// The grant does not hold: it is reported, the service opens the question again, the wait goes on. People
    /// who were asked about other gates were asked another question, and asking them again changes nothing.
    fn on_refusal(self, journal: &mut Journal, refusal: Refusal, at: Moment) -> Step {
        let ticket = self.ticket.id;
        let other_question = refusal.breach == Breach::OtherGate;
        let record = self.refused(journal, &refusal, at.now);
        let remedy = if other_question { Remedy::Revoke } else { Remedy::Reopen };
        let mut step = match other_question {
            true => self.end(journal, Reason::GatesChanged, "people were asked about other gates", at.now),
            false => Step::new(Next::Wait(self)),
        };
        step.audit.insert(0, record);
        step.notes.push(Note::GrantRefused(refusal.breach));
        // Without the service's signature there is no grant that it could be told of; and people need not
        // answer again because two clocks differ.
        match refusal.jti {
            Some(jti) if !refusal.breach.is_of_time() => {
                let code = refusal.breach.code().into();
                step.tell(refused(ticket, jti, code, refusal.answers, remedy))
            }
            _ => step,
        }
    }

    fn refused(&self, journal: &mut Journal, refusal: &Refusal, now: UnixMillis) -> Record {
        let members = Members::default()
            .with("ticket", self.ticket.id)
            .with("digest", self.case.digest)
            .with("jti", refusal.jti)
            .with("code", refusal.breach.code())
            .with("answers", &refusal.answers)
            .with("detail", &refusal.detail);
        journal.held(now, "grant_refused", members)
    }

    /// The policies of this moment rule otherwise: what was asked is no longer the question.
    fn on_changed(self, journal: &mut Journal, grant: &Grant, denial: &Denial, at: Moment) -> Step {
        let ticket = self.ticket.id;
        let step = self.case.end(journal, Some(ticket), denial, at.now);
        // A token that ended meanwhile changes nothing of the question: with a fresh one, the yes is still good.
        if matches!(denial.reason, Reason::BadIdentity | Reason::KeysUnavailable) {
            return step;
        }
        let told: Outcome =
            refused(ticket, grant.jti, denial.reason.meaning().code.into(), Vec::new(), Remedy::Revoke);
        step.tell(told)
    }
}

/// Whether the key of a grant that cannot be read may be fetched yet.
fn awaits_keys(engine: &Engine, token: &str) -> bool {
    engine.trust.keys.refresh().is_some() && token.len() <= LONGEST_UNREAD
}

/// The ruling of this moment, if every gate that is shut now was part of this request's own question: the
/// people of those gates alone were checked on the grant.
pub(super) fn still_open<'a>(engine: &'a Engine, case: &Case, now: UnixMillis) -> Result<Judged<'a>, Denial> {
    let judged = judge(engine, &case.facts, now).map_err(|stop| match stop {
        Unjudged::Denied(denial, _) => denial,
        Unjudged::NeedBody(_) => Denial::new(Reason::PolicyError, "the body was not read"),
    })?;
    if judged.digest(engine, &case.facts) != case.digest {
        return Err(Denial::new(Reason::GatesChanged, "the request means something else now"));
    }
    match &judged.ruling.verdict {
        PolicyVerdict::Allow => Ok(judged),
        PolicyVerdict::Deny(reason) => Err(denial(*reason, &judged.ruling)),
        PolicyVerdict::NeedsApproval(required) => {
            // A group is the same only if the same people are meant by its name.
            let asked =
                |shut: &ShutGate| resolve(engine, shut).is_some_and(|gate| case.gates.contains(&gate));
            match required.gates.iter().find(|shut| !asked(shut)) {
                None => Ok(judged),
                Some(shut) => Err(Denial::new(
                    Reason::GatesChanged,
                    format!("gate `{}` was not part of the question", shut.gate.id),
                )),
            }
        }
    }
}
