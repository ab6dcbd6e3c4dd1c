//! What happened before a request: how it differs from the last like it, and what else its principal asked for.

use countersign_protocol::Token;
use countersign_view::words::Named;
use countersign_view::{Change, Changes, View, changes};

use crate::inbox::words;
use crate::store::tickets::Ticket;

/// The most differences to show.
const MOST_CHANGES: usize = 50;
/// The most of one value to show in a comparison, bytes: all of what is now stands in the request itself.
const LONGEST: usize = 200;

/// How a request differs from the last approved one like it.
pub(super) struct Before {
    pub(super) ticket: Token,
    pub(super) who: String,
    pub(super) at: String,
    pub(super) changes: Vec<Change>,
    /// How many more there are.
    pub(super) more: usize,
}

/// Another request of the same principal.
pub(super) struct Other {
    pub(super) ticket: Token,
    pub(super) action: Named,
    pub(super) resource: Named,
    pub(super) state: &'static str,
    pub(super) at: String,
}

impl Other {
    pub(super) fn of(ticket: &Ticket) -> Self {
        Self {
            ticket: ticket.id,
            action: Named::of(&ticket.question.cedar.action),
            resource: Named::of(&ticket.question.cedar.resource),
            state: words::state(ticket.state),
            at: words::utc(ticket.asked_at),
        }
    }
}

impl Before {
    /// What is different now.
    pub(super) fn of(last: &Ticket, then: &View, now: &View) -> Self {
        let Changes { first: mut changes, more } = changes(then, now, MOST_CHANGES);
        changes.iter_mut().for_each(shorten);
        let who = Named::of(&last.principal).id;
        Self { ticket: last.id, who, at: words::utc(last.asked_at), changes, more }
    }
}

/// Cuts long values around the first difference.
fn shorten(change: &mut Change) {
    let (before, now) =
        (change.before.as_deref().unwrap_or_default(), change.now.as_deref().unwrap_or_default());
    let same = before.bytes().zip(now.bytes()).take_while(|(was, is)| was == is).count();
    let from = same.saturating_sub(LONGEST / 4);
    for value in [&mut change.before, &mut change.now].into_iter().flatten() {
        if value.len() > LONGEST {
            let (start, end) = (value.floor_char_boundary(from), value.floor_char_boundary(from + LONGEST));
            let cut = value.get(start..end).unwrap_or_default();
            let dots = |more: bool| if more { "…" } else { "" };
            *value = format!("{}{cut}{}", dots(start > 0), dots(end < value.len()));
        }
    }
}
