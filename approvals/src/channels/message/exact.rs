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

/// Why a request is not shown whole in a message, in words.
pub(crate) type Elsewhere = &'static str;

const LONG: Elsewhere = "The request is too long for a message: open it in the inbox.";
const BYTES: Elsewhere = "Part of the request is not text: open it in the inbox.";
const DOUBTFUL: Elsewhere =
    "Something in the request may not be what it looks like: open it in the inbox, which says what.";
const OTHER: Elsewhere = "The inbox now shows this request differently: open it there.";

/// All of the question, when that is short, all of it is text, and nothing of it may be other than it seems.
///
/// # Errors
/// Why not.
pub(crate) fn short(ticket: &Ticket) -> Result<Exact, Elsewhere> {
    if ticket.raw.len() > LONGEST {
        return Err(LONG);
    }
    let view = View::of(&ticket.question, ticket.raw.as_bytes());
    // First what should make people careful.
    if view.is_doubtful() {
        return Err(DOUBTFUL);
    }
    if view.has_bytes() {
        return Err(BYTES);
    }
    let exact = Exact { text: view.to_string(), shown: view.hash() };
    if exact.text.chars().count() > SHORT {
        return Err(LONG);
    }
    // A ticket that another version of the rendering showed is not the text that this one shows.
    if exact.shown == ticket.shown { Ok(exact) } else { Err(OTHER) }
}
