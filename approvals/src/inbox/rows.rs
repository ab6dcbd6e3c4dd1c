//! Requests in lists, in words.

use countersign_protocol::{Hash, Token};
use countersign_view::is_plain_host;
use countersign_view::words::{Named, severity};

use super::because::Because;
use super::words::{self, Deadline};
use crate::store::answers::{counting, lacking, needed};
use crate::store::lists::{Listed, Place};
use crate::store::tickets::LONGEST_PATH;

/// Some rows of a list, and where it goes on.
#[derive(Default)]
pub(super) struct List {
    pub(super) rows: Vec<Row>,
    pub(super) next: Option<String>,
}

impl List {
    pub(super) fn of(items: &[Listed], next: Option<Place>) -> Self {
        Self { rows: items.iter().map(Row::of).collect(), next: next.map(|next| next.to_string()) }
    }

    /// How many there are, `+` where that is not all.
    pub(super) fn count(&self) -> String {
        let more = if self.next.is_some() { "+" } else { "" };
        format!("{}{more}", self.rows.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.next.is_none()
    }
}

/// One request in a list.
pub(super) struct Row {
    pub(super) ticket: Token,
    /// The hash of what is shown of it, which answers name.
    pub(super) shown: Hash,
    pub(super) who: Named,
    pub(super) action: Named,
    pub(super) resource: Named,
    pub(super) because: Because,
    pub(super) method: String,
    pub(super) target: String,
    /// Whether the host is written in the letters that it has.
    pub(super) plain_host: bool,
    pub(super) severity: &'static str,
    pub(super) deadline: Option<Deadline>,
    pub(super) state: &'static str,
    pub(super) asked: String,
    pub(super) have: usize,
    pub(super) need: usize,
    pub(super) held: bool,
    /// How many people asked for one more to look at it.
    pub(super) flags: usize,
    /// Whether nobody knows what became of a use.
    pub(super) open_end: bool,
    /// Whether no channel reached anybody about it.
    pub(super) unreached: bool,
}

impl Row {
    pub(super) fn of(Listed { ticket, answers, held }: &Listed) -> Self {
        let (question, need) = (&ticket.question, needed(ticket, answers));
        let request = &question.request;
        Self {
            ticket: ticket.id,
            shown: ticket.shown,
            who: Named::of(&question.cedar.principal),
            action: Named::of(&question.cedar.action),
            resource: Named::of(&question.cedar.resource),
            because: Because::of(question),
            method: request.method.clone(),
            // Of a path that is longer there is no more than that here, so one that is as long may have been cut.
            target: format!("{}{}", request.authority, words::cut(&request.path, LONGEST_PATH - 1)),
            plain_host: is_plain_host(&request.authority),
            severity: severity(question.terms.severity),
            deadline: ticket.lapses_at.map(|at| Deadline::new(at, ticket.now)),
            state: words::state(ticket.state),
            asked: words::utc(ticket.asked_at),
            have: need.saturating_sub(lacking(ticket, answers)),
            need,
            flags: counting(answers).1.len(),
            held: *held,
            open_end: ticket.outcomes_unknown > 0,
            unreached: false,
        }
    }
}
