//! An entry and what came of it.

use std::time::Duration;

use countersign_core::explain::First;
use countersign_host_test::{Ended, Forwarded, Response};
use countersign_protocol::Token;
use countersign_protocol::recording::{Decision, Entry};
use serde::Deserialize;

use super::evidence::{About, Place, Said};

/// What of a request could be seen from outside, at any gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// How it ended.
    pub ended: Ended,
    /// What the client got.
    pub response: Response,
    /// What the upstream got.
    pub forwarded: Option<Forwarded>,
    /// The line for the gateway's access log.
    pub summary: Option<Summary>,
    /// How long it took.
    pub took: Duration,
}

/// What the filter says in the gateway's access log.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Summary {
    /// What became of the request.
    pub decision: String,
    /// The code of the reason.
    pub reason: Option<String>,
    /// The ticket at the approval service.
    pub ticket: Option<Token>,
    /// Whether it was carried out.
    pub enforced: bool,
    pub(super) record: Option<Place>,
}

/// An entry and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    /// Its place among all entries, from 0.
    pub number: u64,
    /// What was recorded.
    pub entry: Entry,
    /// What could be seen.
    pub seen: Seen,
    /// Its evidence, in the order in which it came; requests that are the same in every bound byte share it.
    pub records: Vec<Said>,
    /// The record of what became of it, its own.
    pub own: Option<Said>,
    /// What is not as it must be of its evidence, or of what got out.
    pub broken: Vec<String>,
    /// Whether the filter only observes, by its configuration.
    pub observed: bool,
    /// Header fields that this gateway adds, or writes anew, on the way to the upstream.
    pub added: &'static [&'static str],
    /// What core decides first here; nothing where that is not known.
    pub core: Option<First>,
}

impl Played {
    /// What policy said first; nothing when there is no evidence of it.
    #[must_use]
    pub fn decision(&self) -> Option<Decision> {
        let asked = self.records.iter().any(|said| said.kind == "needs_approval");
        match self.seen.summary.as_ref().map(|summary| summary.decision.as_str()) {
            _ if asked => Some(Decision::Ask),
            Some("allowed") => Some(Decision::Allow),
            Some("denied") => Some(Decision::Deny),
            Some("countersigned" | "pending" | "needs_approval") => Some(Decision::Ask),
            _ => None,
        }
    }

    /// The code of the refusal, if it was one.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.seen.summary.as_ref()?.reason.as_deref()
    }

    /// The record of what policy said first.
    #[must_use]
    pub fn ruling(&self) -> Option<&Said> {
        self.records.first()
    }

    /// The policies that determined what policy said first.
    #[must_use]
    pub fn policies(&self) -> &[String] {
        self.ruling().map(|said| said.policies.as_slice()).unwrap_or_default()
    }

    /// Who wanted to do what to what.
    #[must_use]
    pub fn about(&self) -> About {
        self.ruling().map(Said::about).unwrap_or_default()
    }
}
