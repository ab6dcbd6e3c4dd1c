//! All of a question as text, where it is short enough to be read in a message.

use countersign_protocol::Hash;
use countersign_view::View;

use crate::store::tickets::Ticket;

/// The longest text that people read in a chat and answer there, characters; Slack takes 3,000 in one piece.
const SHORT: usize = 2900;
/// The longest question whose text may be that short, bytes: nothing is written out for a longer one.
const LONGEST: usize = 8 * SHORT;

/// A question as it is shown, and what an answer to it carries.
pub(crate) struct Exact {
    pub(crate) text: String,
    /// The hash of what was shown.
    pub(crate) shown: Hash,
}

/// All of the question, when that is short, all of it is text, and nothing of it may be other than it seems.
pub(crate) fn short(ticket: &Ticket) -> Option<Exact> {
    if ticket.raw.len() > LONGEST {
        return None;
    }
    let view = View::of(&ticket.question, ticket.raw.as_bytes());
    if view.has_bytes() || view.is_doubtful() {
        return None;
    }
    let exact = Exact { text: view.to_string(), shown: view.hash() };
    // A ticket from before this version of the rendering is not the text that this one shows.
    (exact.text.chars().count() <= SHORT && exact.shown == ticket.shown).then_some(exact)
}
