//! Whether what came of an entry is what was expected, and what must hold for every entry.

use std::fmt::{self, Display, Formatter};

use countersign_host_test::Ended;
use countersign_protocol::recording::Decision;
use serde::Serialize;

use super::{Played, Said};

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// An expectation that does not hold: which, what was expected, and what came.
    Differs {
        /// `decision`, `status` …
        what: &'static str,
        /// As it is written in the recording.
        expected: String,
        /// The same of what came.
        found: String,
    },
    /// Something that holds for every request does not: the filter or the harness is wrong.
    Broken(String),
}

/// Everything about an entry that is not as it must be.
#[must_use]
pub fn verify(played: &Played) -> Vec<Finding> {
    let mut findings = broken(played);
    findings.extend(differing(played));
    findings
}

/// What must hold for every request, whatever is expected of it.
fn broken(played: &Played) -> Vec<Finding> {
    let seen = &played.seen;
    let mut broken = Vec::new();
    let decision = seen.summary.as_ref().map(|summary| summary.decision.as_str());
    let permitted = matches!(decision, Some("allowed" | "countersigned"))
        || (decision == Some("needs_approval") && !played.enforced());
    if seen.forwarded.is_some() && !permitted {
        broken.push("the upstream got something of it without a ruling that allows it".into());
    }
    if decision == Some("countersigned") {
        broken.extend(out_of_order(&played.records));
    }
    let left = matches!(seen.ended, Ended::Left);
    if played.records.is_empty() && !left {
        broken.push("there is no evidence of it".into());
    }
    if let Some(forwarded) = &seen.forwarded {
        broken.extend(changed(played, &forwarded.body));
    }
    broken.into_iter().map(Finding::Broken).collect()
}

/// An approved request has its question, its claim and its permission in evidence, in this order.
fn out_of_order(records: &[Said]) -> Option<String> {
    let place = |kind: &str| records.iter().position(|said| said.kind == kind);
    let places = ["needs_approval", "claim", "forwarded"].map(place);
    let ordered = places.iter().all(Option::is_some) && places.is_sorted();
    (!ordered)
        .then(|| "it went on without question, claim and permission in its evidence, in this order".into())
}

/// What went on of a body is what came.
fn changed(played: &Played, body: &[u8]) -> Option<String> {
    let sent = played.entry.request.body.as_ref().map(|body| body.0.as_slice()).unwrap_or_default();
    let whole = matches!(played.seen.ended, Ended::Upstream);
    let same = if whole { sent == body } else { sent.starts_with(body) };
    (!same).then(|| "the upstream got another body than was sent".into())
}

fn differing(played: &Played) -> Vec<Finding> {
    let Some(expect) = &played.entry.expect else { return Vec::new() };
    let came = played.came();
    let sorted = |policies: &Vec<String>| {
        let mut policies = policies.clone();
        policies.sort();
        policies
    };
    let policies = expect.policies.as_ref().map(sorted);
    let yes = |yes: &bool| String::from(if *yes { "reached" } else { "not reached" });
    let list = |list: &Vec<String>| if list.is_empty() { "none".into() } else { list.join(", ") };
    let pairs = [
        differs("decision", &expect.decision, &came.decision, |decision| word(Some(*decision)).into()),
        differs("status", &expect.status, &came.status, ToString::to_string),
        differs("reason", &expect.reason, &came.reason, Clone::clone),
        differs("policies", &policies, &came.policies, list),
        differs("upstream", &expect.upstream, &came.upstream, yes),
        differs("records", &expect.records, &came.records, list),
    ];
    pairs.into_iter().flatten().collect()
}

/// What is expected and did not come; what nobody expects can be anything.
fn differs<T: PartialEq>(
    what: &'static str,
    expected: &Option<T>,
    found: &Option<T>,
    show: impl Fn(&T) -> String,
) -> Option<Finding> {
    let expected = expected.as_ref().filter(|expected| found.as_ref() != Some(*expected))?;
    let found = found.as_ref().map_or_else(|| "none".into(), &show);
    Some(Finding::Differs { what, expected: show(expected), found })
}

impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs { what, expected, found } => {
                write!(f, "{what}: expected {expected}, found {found}")
            }
            Self::Broken(what) => f.write_str(what),
        }
    }
}

impl Played {
    /// Whether rulings are enforced.
    fn enforced(&self) -> bool {
        self.seen.summary.as_ref().is_none_or(|summary| summary.enforced)
    }
}

/// How a decision is written.
#[must_use]
pub fn word(decision: Option<Decision>) -> &'static str {
    match decision {
        Some(Decision::Allow) => "allow",
        Some(Decision::Ask) => "ask",
        Some(Decision::Deny) => "deny",
        None => "unknown",
    }
}
