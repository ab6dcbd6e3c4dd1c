//! Permission to go on: made only here and by a won claim, so that nothing continues without a ruling.

use countersign_protocol::approval::{Outcome, OutcomeEvent};
use countersign_protocol::evidence::Record;
use countersign_protocol::{Token, UnixMillis};

use super::{Decision, Engine, Fate, Journal, Judged, Next, Step};
use crate::config::AuditFacts;
use crate::journal::Members;
use crate::mcp::listing::Listing;

/// Permission for one request to go on, once, unchanged.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    used: Option<Used>,
    listing: Option<Box<Listing>>,
}

/// The approval that was used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Used {
    pub(super) ticket: Token,
    pub(super) nonce: Token,
}

impl Permit {
    /// For what is only observed.
    pub(super) fn plain() -> Self {
        Self { used: None, listing: None }
    }

    /// For what nobody needed to approve.
    pub(super) fn showing(listing: Option<Listing>) -> Self {
        Self { used: None, listing: listing.map(Box::new) }
    }

    pub(super) fn countersigned(used: Used, listing: Option<Listing>) -> Self {
        Self { used: Some(used), listing: listing.map(Box::new) }
    }

    /// What of the answer is to be shown, where not all of it is.
    #[must_use]
    pub fn listing(&self) -> Option<&Listing> {
        self.listing.as_deref()
    }

    /// Whether the service is told what becomes of the request.
    #[must_use]
    pub fn is_countersigned(&self) -> bool {
        self.used.is_some()
    }

    /// The request is over: what became of it, when an approval was used for it. `status` is the
    /// upstream's, or nothing when none came back.
    pub fn outcome(
        self,
        journal: &mut Journal,
        status: Option<u16>,
        now: UnixMillis,
    ) -> Option<(Record, Outcome)> {
        let Used { ticket, nonce } = self.used?;
        let members = Members::default().with("ticket", ticket).with("nonce", nonce).with("status", status);
        let record = journal.held(now, "outcome", members);
        Some((record, Outcome { ticket, event: OutcomeEvent::Forwarded { nonce, status } }))
    }
}

/// Policy allows it, nobody needs to be asked.
pub(super) fn allowed(engine: &Engine, journal: &mut Journal, judged: &Judged<'_>, now: UnixMillis) -> Step {
    let members = match engine.audit {
        AuditFacts::Full => judged.members(),
        AuditFacts::Held => judged.brief(),
    };
    let records = journal.plain(now, "allowed", members);
    let decision = Decision::new(Fate::Allowed, None);
    let permit = Permit::showing(judged.listing(engine));
    Step { audit: records, ..Step::new(Next::Continue(permit)).decided(decision) }
}
