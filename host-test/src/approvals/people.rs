//! What people do: answers by the fixed rules, and what a service that was taken over says in their name.

mod false_grants;

use std::collections::BTreeSet;

use countersign_protocol::approval::State;
use countersign_protocol::grant::{Answer, Grant, Membership};
use countersign_protocol::person::{GroupId, Person};
use countersign_protocol::quorum::{Ineligible, eligible};
use countersign_protocol::recording::{Act, Doing};
use countersign_protocol::{Hash, Token, UnixMillis};

use super::log::Happened;
use super::service::Service;
use super::tickets::{Kept, Ticket, state_name};

/// The longest reason, characters.
const LONGEST_REASON: usize = 1000;
/// Since when everybody has their account and is in their groups: longer than any request is asked for.
const LONG_SINCE: UnixMillis = 0;
/// How many grants are remembered.
const REMEMBERED: usize = 16;

/// A grant that people gave.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    pub(super) ticket: Token,
    pub(super) digest: Hash,
    pub(super) jti: Token,
    pub(super) jws: String,
}

/// Why what somebody does has no effect.
enum Refused {
    BadReason,
    AlreadyAnswered,
    Closed(State),
    Ineligible(Ineligible),
}

impl Refused {
    fn code(self) -> String {
        match self {
            Self::BadReason => "bad_reason".into(),
            Self::AlreadyAnswered => "already_answered".into(),
            Self::Closed(state) => format!("already_{}", state_name(state)),
            Self::Ineligible(why) => why.code(),
        }
    }
}

/// How an act is written in recordings.
fn name(what: Doing) -> &'static str {
    match what {
        Doing::Approve => "approve",
        Doing::BreakGlass => "break_glass",
        Doing::Reject => "reject",
        Doing::Flag => "flag",
        Doing::Revoke => "revoke",
        Doing::Forge => "forge",
        Doing::Replay => "replay",
        Doing::Late => "late",
        Doing::Alone => "alone",
        Doing::Elsewhere => "elsewhere",
    }
}

/// Whose account it is: the issuer's of the first asked group that they are in, unless another is named.
fn person(ticket: &Ticket, act: &Act) -> Person {
    let asked = asked(ticket);
    let own = if act.what == Doing::BreakGlass { &asked.alone } else { &asked.reviewers };
    let theirs = own.iter().find(|(_, name)| is_in(act, name)).or(asked.reviewers.first());
    let issuer = act.issuer.clone().or_else(|| theirs.map(|(group, _)| group.issuer.clone()));
    Person { issuer: issuer.unwrap_or_default(), subject: act.by.clone() }
}

/// The groups that a ticket's gates name, with their names in policy.
struct Groups<'a> {
    reviewers: Vec<(&'a GroupId, &'a str)>,
    /// Those who may open a gate alone.
    alone: Vec<(&'a GroupId, &'a str)>,
}

fn asked(ticket: &Ticket) -> Groups<'_> {
    let gates = &ticket.question.gates;
    let glass = gates.iter().filter_map(|gate| gate.break_glass.as_ref());
    Groups {
        reviewers: gates.iter().map(|gate| (&gate.group, gate.group_name.as_str())).collect(),
        alone: glass.map(|glass| (&glass.group, glass.group_name.as_str())).collect(),
    }
}

fn is_in(act: &Act, group: &str) -> bool {
    act.groups.as_ref().is_none_or(|groups| groups.iter().any(|one| one == group))
}

/// The groups that they are in, in the order of the script: those that are asked by their ids, others by their names.
fn groups(ticket: &Ticket, act: &Act, issuer: &str) -> Vec<Membership> {
    let Groups { reviewers, alone } = asked(ticket);
    let called = |name: &String| -> Vec<GroupId> {
        let asked = reviewers.iter().chain(&alone).filter(|(_, own)| own == name);
        let asked: Vec<_> = asked.map(|(group, _)| (*group).clone()).collect();
        if asked.is_empty() { vec![GroupId { issuer: issuer.into(), id: name.clone() }] } else { asked }
    };
    let all = match &act.groups {
        Some(names) => names.iter().flat_map(called).collect(),
        None => {
            let own = if act.what == Doing::BreakGlass { alone } else { reviewers };
            own.into_iter().map(|(group, _)| group.clone()).collect::<Vec<_>>()
        }
    };
    let mut seen = BTreeSet::new();
    let first = all.into_iter().filter(|group| seen.insert(group.clone()));
    first.map(|group| Membership { group, since: LONG_SINCE }).collect()
}

/// Whether somebody may stop a request: those who may open a gate, together or alone, and those in whose name it
/// was sent.
fn may_stop(ticket: &Ticket, answer: &Answer) -> bool {
    let Groups { reviewers, alone } = asked(ticket);
    let is_in = |group: &GroupId| answer.groups.iter().any(|place| place.group == *group);
    reviewers.into_iter().chain(alone).any(|(group, _)| is_in(group))
        || ticket.question.involved.iter().any(|one| one.names.contains(&answer.person))
}

/// To stop something needs a reason; a script that gives none has a short one.
fn reason(act: &Act) -> Result<Option<String>, Refused> {
    let given = match (&act.reason, act.what) {
        (None, Doing::Reject | Doing::Flag | Doing::Revoke) => Some("no reason given".into()),
        (given, _) => given.clone(),
    };
    let sound = |text: &String| !text.trim().is_empty() && text.chars().count() <= LONGEST_REASON;
    if given.as_ref().is_none_or(sound) { Ok(given) } else { Err(Refused::BadReason) }
}

impl Service {
    /// Somebody does something about a ticket. What has no effect is written down too.
    pub(super) fn act(&mut self, id: Token, act: &Act) {
        let answer_id = self.fresh();
        let Some(ticket) = self.tickets.get(&id) else { return };
        let person = person(ticket, act);
        let groups = groups(ticket, act, &person.issuer);
        let (at, amr) = (self.now, act.amr.clone());
        let break_glass = (act.what == Doing::BreakGlass).then(|| act.reason.clone().unwrap_or_default());
        let answer =
            Answer { id: answer_id, person, at, account_since: LONG_SINCE, groups, amr, break_glass };
        let by = answer.person.clone();
        let done = match act.what {
            Doing::Approve | Doing::BreakGlass | Doing::Reject | Doing::Flag => self.answer(id, act, answer),
            Doing::Revoke => self.revoke(id, act, &answer),
            Doing::Forge | Doing::Replay | Doing::Late | Doing::Alone | Doing::Elsewhere => {
                self.give_false(id, act, answer)
            }
        };
        if let Err(refused) = done {
            let happened = Happened::new(self.now, "refused").to(id).by(&by);
            self.note(happened.code(refused.code()).detail(name(act.what)));
        }
    }

    fn answer(&mut self, id: Token, act: &Act, answer: Answer) -> Result<(), Refused> {
        let reason = reason(act)?;
        let Some(ticket) = self.tickets.get(&id) else { return Ok(()) };
        // To others the real service does not even show it.
        if !may_stop(ticket, &answer) {
            return Err(Refused::Ineligible(Ineligible::NotInGroup));
        }
        let stands = |kept: &&Kept| !kept.dropped && kept.answer.person == answer.person;
        match ticket.answers.iter().find(stands).map(|kept| kept.kind) {
            Some(kind) if kind == act.what => return Ok(()),
            Some(_) => return Err(Refused::AlreadyAnswered),
            None => {}
        }
        if matches!(act.what, Doing::Approve | Doing::BreakGlass) {
            eligible(&answer, ticket.asked()).map_err(Refused::Ineligible)?;
        }
        if ticket.state != State::Pending {
            return Err(Refused::Closed(ticket.state));
        }
        let said = Happened::new(self.now, name(act.what)).to(id).by(&answer.person);
        self.note(Happened { detail: reason.clone(), ..said });
        self.change(id, |ticket| ticket.answers.push(Kept { kind: act.what, answer, dropped: false }));
        match act.what {
            Doing::Approve | Doing::BreakGlass => self.approve_if_enough(id),
            Doing::Reject => self.end(id, State::Rejected, reason),
            _ => {}
        }
        Ok(())
    }

    fn revoke(&mut self, id: Token, act: &Act, answer: &Answer) -> Result<(), Refused> {
        let reason = reason(act)?;
        let Some(ticket) = self.tickets.get(&id) else { return Ok(()) };
        if !may_stop(ticket, answer) {
            return Err(Refused::Ineligible(Ineligible::NotInGroup));
        }
        if ticket.state != State::Approved {
            return Err(Refused::Closed(ticket.state));
        }
        let revoked = Happened::new(self.now, "revoked").to(id).by(&answer.person);
        self.note(Happened { detail: reason.clone(), ..revoked });
        self.end(id, State::Revoked, reason);
        Ok(())
    }

    fn end(&mut self, id: Token, state: State, reason: Option<String>) {
        let now = self.now;
        self.change(id, |ticket| {
            ticket.settle(state, now);
            ticket.reason = reason;
        });
        self.tell(id);
    }

    fn approve_if_enough(&mut self, id: Token) {
        let jti = self.fresh();
        let Some(ticket) = self.tickets.get(&id) else { return };
        let (answers, flaggers) = ticket.counting();
        if ticket.lacking(&answers, flaggers.len()) > 0 {
            return;
        }
        let grant = self.grant(ticket, jti, answers, flaggers);
        let signed = Signed { ticket: id, digest: grant.digest, jti, jws: self.signer.grant(&grant) };
        self.grants.push_back(signed.clone());
        if self.grants.len() > REMEMBERED {
            self.grants.pop_front();
        }
        self.approve(id, jti, signed.jws);
    }

    fn approve(&mut self, id: Token, jti: Token, jws: String) {
        let now = self.now;
        self.change(id, |ticket| {
            ticket.settle(State::Approved, now);
            ticket.use_by = Some(now.saturating_add(ticket.question.terms.use_within_ms));
            ticket.jti = Some(jti);
            ticket.grant = Some(jws);
            ticket.cancel_at = None;
        });
        self.note(Happened::new(now, "approved").to(id));
        self.tell(id);
    }

    fn grant(&self, ticket: &Ticket, jti: Token, answers: Vec<Answer>, flaggers: Vec<Person>) -> Grant {
        let use_by = self.now.saturating_add(ticket.question.terms.use_within_ms);
        Grant {
            iss: self.signer.issuer.clone(),
            aud: self.audience.clone(),
            iat: self.now.div_euclid(1000),
            nbf: self.now.div_euclid(1000),
            exp: use_by.div_euclid(1000),
            jti,
            ticket: ticket.id,
            digest: ticket.digest,
            asked_at: ticket.asked_at,
            uses: ticket.uses,
            gates: ticket.question.gates.iter().map(|gate| gate.gate.clone()).collect(),
            answers,
            flaggers,
        }
    }
}
