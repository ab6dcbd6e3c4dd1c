//! What the viewer of a request can do about it.

use countersign_protocol::UnixMillis;
use countersign_protocol::approval::State;
use countersign_protocol::grant::Answer;
use countersign_protocol::quorum::{Ineligible, eligible};

use super::{Extent, is_folded};
use crate::auth::Session;
use crate::inbox::words;
use crate::people::Member;
use crate::store::answers::{Kept, Kind, asked, own};
use crate::store::tickets::Ticket;

/// What the viewer can do about it.
pub(super) enum Choice {
    /// Say yes.
    Approve,
    /// Say yes, with a second factor.
    ApproveWith(Means),
    /// Nothing before they have seen all of it.
    Unseen,
    /// Nothing more: they have answered.
    Answered(Kind),
    /// Nothing, and why.
    Barred(&'static str),
    /// Nothing: it is closed.
    Closed,
}

/// What somebody can prove a second factor with that counts for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// Nothing more: they have just done so.
    Proven,
    Codes,
    Passkeys,
    Either,
}

impl Choice {
    /// Which it is, to tell whether an open page has to change.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::ApproveWith(_) => "approve-with",
            Self::Unseen => "unseen",
            Self::Answered(_) => "answered",
            Self::Barred(_) => "barred",
            Self::Closed => "closed",
        }
    }
}

impl Means {
    fn of(member: &Member, asked_at: UnixMillis) -> Option<Self> {
        match (member.has_codes(asked_at), member.has_passkey(asked_at)) {
            (true, true) => Some(Self::Either),
            (true, false) => Some(Self::Codes),
            (false, true) => Some(Self::Passkeys),
            (false, false) => None,
        }
    }

    pub(super) fn codes(self) -> bool {
        matches!(self, Self::Codes | Self::Either)
    }

    pub(super) fn passkeys(self) -> bool {
        matches!(self, Self::Passkeys | Self::Either)
    }
}

pub(super) fn choose(ticket: &Ticket, answers: &[Kept], session: &Session, extent: Extent) -> Choice {
    match (ticket.state, own(answers, &session.member.person)) {
        (_, Some(kept)) => Choice::Answered(kept.kind),
        (State::Pending, None) if is_folded(ticket, extent) => Choice::Unseen,
        (State::Pending, None) => open(ticket, session),
        _ => Choice::Closed,
    }
}

fn open(ticket: &Ticket, session: &Session) -> Choice {
    let member = &session.member;
    let may = |amr: Vec<String>| eligible(&member.answer(ticket.id, ticket.now, amr), asked(ticket));
    match may(member.amr_for(&session.amr, ticket.asked_at)) {
        Ok(()) => Choice::Approve,
        Err(why @ Ineligible::SecondFactorMissing) => {
            let could = may(member.factors_for(ticket.asked_at)).err();
            match (Means::of(member, ticket.asked_at), could) {
                (Some(means), None) => Choice::ApproveWith(means),
                (_, could) => Choice::Barred(words::ineligible(could.unwrap_or(why))),
            }
        }
        Err(why) => Choice::Barred(words::ineligible(why)),
    }
}

/// What the viewer can prove their second factor with, if they may open it alone.
pub(super) fn glass_by(ticket: &Ticket, answers: &[Kept], session: &Session) -> Option<Means> {
    let member = &session.member;
    let free = own(answers, &member.person).is_none_or(|kept| kept.kind == Kind::Approve);
    let may = |amr: Vec<String>| {
        let answer = member.answer(ticket.id, ticket.now, amr);
        let answer = Answer { break_glass: Some("to see whether they may".into()), ..answer };
        ticket.state == State::Pending && free && eligible(&answer, asked(ticket)).is_ok()
    };
    if may(member.amr_for(&session.amr, ticket.asked_at)) {
        return Some(Means::Proven);
    }
    Means::of(member, ticket.asked_at).filter(|_| may(member.factors_for(ticket.asked_at)))
}
