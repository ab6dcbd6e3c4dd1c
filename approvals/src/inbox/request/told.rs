//! What was answered, used and has happened: in words.

use std::collections::BTreeMap;

use countersign_protocol::person::Person;

use crate::auth::Session;
use crate::inbox::words;
use crate::store::answers::{Kept, Kind};
use crate::store::claims::uses::{Known, Use};
use crate::store::history::Entry;
use crate::store::reviews::{Review, may_close};
use crate::store::tickets::Ticket;

/// An answer, in words.
pub(super) struct Said {
    pub(super) who: String,
    pub(super) kind: Kind,
    pub(super) at: String,
    /// Which second factor it was given with.
    pub(super) factor: Option<&'static str>,
    /// To how much less they said yes.
    pub(super) less: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) dropped: Option<String>,
}

/// Broken glass, in words.
pub(super) struct Glass {
    pub(super) opener: String,
    pub(super) at: String,
    pub(super) closed: Option<Closed>,
    /// Whether the viewer may close the review.
    pub(super) yours: bool,
}

/// Who looked at broken glass, in words.
pub(super) struct Closed {
    pub(super) who: String,
    pub(super) at: String,
    pub(super) note: String,
}

/// A use, in words.
pub(super) struct Used {
    pub(super) at: String,
    pub(super) outcome: String,
    pub(super) known: bool,
}

/// Something that happened, in words.
pub(super) struct Happened {
    pub(super) at: String,
    pub(super) what: &'static str,
    pub(super) refused: bool,
    pub(super) who: Option<String>,
    pub(super) code: Option<String>,
    pub(super) gateway: Option<String>,
    pub(super) reason: Option<String>,
}

/// What to call people.
pub(super) type Names = BTreeMap<Person, String>;

pub(super) fn glass(names: &Names, ticket: &Ticket, review: Review, session: &Session) -> Glass {
    let yours = review.closed.is_none() && may_close(ticket, &review, &session.member);
    let note = review.note.unwrap_or_default();
    let closed = |(who, at)| Closed { who: called(names, &who), at: words::utc(at), note };
    Glass {
        opener: called(names, &review.opener),
        at: words::utc(review.opened_at),
        closed: review.closed.map(closed),
        yours,
    }
}

fn called(names: &Names, person: &Person) -> String {
    match names.get(person) {
        Some(name) => format!("{name} ({})", person.subject),
        None => person.subject.clone(),
    }
}

pub(super) fn said(names: &Names, kept: &Kept) -> Said {
    Said {
        who: called(names, &kept.answer.person),
        kind: kept.kind,
        at: words::utc(kept.answer.at),
        factor: words::factor(&kept.answer.amr),
        less: words::less(kept.narrowed),
        reason: kept.reason.clone(),
        dropped: kept.dropped.clone(),
    }
}

pub(super) fn used(used: &Use) -> Used {
    let known = used.outcome != Known::Unknown;
    Used { at: words::utc(used.claimed_at), outcome: words::outcome(used), known }
}

pub(super) fn happened(names: &Names, entry: Entry) -> Happened {
    let person = entry.person();
    let refused = entry.event == "refused";
    let what = words::event(&entry.event, entry.detail.as_deref().or(entry.code.as_deref()));
    let (gateway, reason) = match person {
        Some(_) => (None, entry.detail.filter(|_| !refused)),
        None => (entry.detail, None),
    };
    let who = person.map(|person| called(names, &person));
    let code = entry.code.filter(|code| code != "unknown");
    Happened { at: words::utc(entry.at), what, refused, who, code, gateway, reason }
}
