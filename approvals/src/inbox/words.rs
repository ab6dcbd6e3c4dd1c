//! How states, times and rules are said to people.

use countersign_protocol::UnixMillis;
use countersign_protocol::approval::State;
use countersign_protocol::quorum::Ineligible;
use countersign_view::words::{lasting, left};
use jiff::Timestamp;

use crate::people::{OTP, PASSKEY};
use crate::store::answers::Narrowed;
use crate::store::claims::uses::{Known, Use};
use crate::store::tickets::Ticket;

/// A deadline: absolute for those without a script, counted down for those with one.
#[derive(Debug, Clone)]
pub(super) struct Deadline {
    pub(super) at: UnixMillis,
    pub(super) utc: String,
    pub(super) left: String,
}

impl Deadline {
    pub(super) fn new(at: UnixMillis, now: UnixMillis) -> Self {
        Self { at, utc: utc(at), left: left(at - now) }
    }
}

/// A moment, in UTC.
pub(crate) fn utc(at: UnixMillis) -> String {
    let at = Timestamp::from_millisecond(at).ok();
    at.map_or_else(|| "an unknown time".into(), |at| at.strftime("%-d %b %Y, %H:%M:%S UTC").to_string())
}

/// The beginning of a text, with a mark where there is more of it.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// What is known of a use, said to people.
pub(super) fn outcome(used: &Use) -> String {
    match (used.outcome, used.status) {
        (Known::Forwarded, Some(status)) => format!("sent on, the upstream answered {status}"),
        (Known::Forwarded, None) => "sent on, the upstream gave no answer".into(),
        (Known::Awaited, _) => "the gateway has not reported yet what became of it".into(),
        (Known::Unknown, _) => "what became of it is not known: the gateway did not report".into(),
    }
}

/// To how much less than was asked for somebody said yes.
pub(super) fn less(narrowed: Narrowed) -> Option<String> {
    let uses = narrowed.uses.map(|uses| format!("{uses} {}", if uses == 1 { "use" } else { "uses" }));
    let within = narrowed.use_within_ms.map(|within| format!("for {}", lasting(within)));
    let parts: Vec<_> = uses.into_iter().chain(within).collect();
    (!parts.is_empty()).then(|| format!("only {}", parts.join(" ")))
}

/// What a ticket's state leaves open: nothing, or that some of its uses have no end that anybody knows.
pub(super) fn open_end(ticket: &Ticket) -> Option<String> {
    let what = match (ticket.uses, ticket.outcomes_unknown) {
        (_, 0) => return None,
        (1, _) => "it".into(),
        (_, 1) => "one of its uses".into(),
        (_, unknown) => format!("{unknown} of its uses"),
    };
    Some(format!("what became of {what} is not known: the gateway did not report"))
}

/// A state, in a word or two.
pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Pending => "waiting for approval",
        State::Approved => "approved, not used up yet",
        State::Consumed => "approved and used",
        State::Rejected => "rejected",
        State::Expired => "expired",
        State::Revoked => "taken back",
        State::Cancelled => "cancelled: nobody waits for it any more",
        State::Unknown => "unknown",
    }
}

/// Why somebody may not approve, said to them.
pub(super) fn ineligible(why: Ineligible) -> &'static str {
    match why {
        Ineligible::SelfApproval => "You take part in this request, so somebody else has to approve it.",
        Ineligible::NotComparable => {
            "Somebody who takes part in this request cannot be told apart from you, so you cannot approve it."
        }
        Ineligible::AccountTooYoung => "Your account is younger than this request.",
        Ineligible::BreakGlassNeedsReason => "To open this alone you have to say why.",
        Ineligible::SecondFactorMissing => {
            "This needs a second factor that you had before it was asked. Set one up in your account for the next."
        }
        Ineligible::NotInGroup => "You are not in a group that may approve this.",
    }
}

/// The second factor that an answer was given with.
pub(super) fn factor(amr: &[String]) -> Option<&'static str> {
    let has = |method: &str| amr.iter().any(|one| one == method);
    if has(PASSKEY) { Some("passkey") } else { has(OTP).then_some("2nd factor") }
}

/// What happened to a ticket; who did it stands before. `more` is what an entry says besides.
pub(crate) fn event(event: &str, more: Option<&str>) -> &'static str {
    match (event, more) {
        ("asked", _) => "asked",
        ("joined", _) => "asked again",
        ("approve", _) => "approved",
        ("reject", _) => "rejected",
        ("flag", _) => "flagged",
        ("broke_glass", _) => "broke the glass and opened it alone",
        ("reviewed", _) => "looked at the broken glass",
        ("dropped", Some("replaced")) => "approved with others, and then broke the glass",
        ("dropped", _) => "approved, which counts no more",
        ("refused", Some("approve")) => "tried to approve and was refused",
        ("refused", Some("break_glass")) => "tried to break the glass and was refused",
        ("refused", Some("revoke")) => "tried to take the approval back and was refused",
        ("refused", Some("review")) => "tried to close the review and was refused",
        ("refused", Some("reject")) => "tried to reject and was refused",
        ("refused", Some("flag")) => "tried to flag and was refused",
        ("refused", _) => "tried to answer and was refused",
        ("approved", _) => "enough approvals, a grant was signed",
        ("reopened", _) => "open again, the gateway did not accept the grant",
        ("revoked", _) => "approval taken back",
        ("expired", _) => "expired",
        ("cancelled", _) => "cancelled, nobody waited any more",
        ("claimed", _) => "approval used",
        ("claim_refused", _) => "a gateway tried to use it and was refused",
        ("forwarded", Some("unknown")) => "sent on, the upstream gave no answer",
        ("forwarded", _) => "sent on, the upstream answered",
        ("outcome_unknown", _) => "what became of it is not known, the gateway did not report",
        ("client_left", _) => "a client left",
        ("escalated", _) => "still open, others are being told too",
        ("unreached", Some("no_channel")) => "no channel reached anybody, there is none for its gates",
        ("unreached", Some("late")) => "no channel reached anybody in time",
        ("unreached", _) => "no channel reached anybody, none of them took a message",
        ("reached", _) => "a channel reached somebody",
        _ => "something else happened",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!([cut("/gäste", 6), cut("/gäste", 3), cut("", 0)], ["/gäste", "/gä…", ""]);
    }

    #[test]
    fn moments_are_in_utc() {
        assert_eq!(utc(1_700_000_000_000), "14 Nov 2023, 22:13:20 UTC");
    }
}
