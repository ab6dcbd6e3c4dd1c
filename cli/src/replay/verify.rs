//! Whether what came of an entry is what was expected, and what must hold for every entry.

use std::fmt::{self, Display, Formatter};

use countersign_core::explain::Decided;
use countersign_host_test::Ended;
use countersign_protocol::recording::{Decision, Expect};
use serde::Serialize;

use super::{Played, passed};

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
    let mut findings: Vec<_> = broken(played).into_iter().map(Finding::Broken).collect();
    findings.extend(differing(played));
    findings
}

/// What must hold for every request, whatever is expected of it.
#[must_use]
pub fn broken(played: &Played) -> Vec<String> {
    let seen = &played.seen;
    let mut broken = played.broken.clone();
    let decision = seen.summary.as_ref().map(|summary| summary.decision.as_str());
    let permitted =
        matches!(decision, Some("allowed" | "countersigned")) || (played.observed && !played.enforced());
    if !played.observed && !played.enforced() {
        broken.push("the filter says that it only observes, and it is to enforce".into());
    }
    if seen.forwarded.is_some() && !permitted {
        broken.push("the upstream got something of it without a ruling that allows it".into());
    }
    let left = matches!(seen.ended, Ended::Left);
    if played.records.is_empty() && !left {
        broken.push("there is no evidence of it".into());
    }
    broken.extend(otherwise(played));
    if let Some(forwarded) = &seen.forwarded {
        broken.extend(passed::broken(played, forwarded));
    }
    broken
}

/// Where the filter decides otherwise than core does here. Where it cannot keep evidence or ask anybody, it denies.
fn otherwise(played: &Played) -> Option<String> {
    let (first, found) = (played.core.as_ref()?, played.decision()?);
    let reason = played.reason();
    let same = match &first.decided {
        Decided::Deny { code, .. } => found == Decision::Deny && reason == Some(code),
        decided => {
            found == decided.decision() || (found == Decision::Deny && reason == Some("service_unavailable"))
        }
    };
    let because = |reason: Option<&str>| reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let core = match &first.decided {
        Decided::Deny { code, .. } => because(Some(code)),
        _ => String::new(),
    };
    let (here, there) = (word(Some(first.decided.decision())), word(Some(found)));
    (!same).then(|| {
        format!("by its policies it is {here}{core}, and the filter decides {there}{}", because(reason))
    })
}

fn differing(played: &Played) -> Vec<Finding> {
    let expect = played.entry.expect.as_ref();
    expect.map(|expect| differences(expect, &played.came())).unwrap_or_default()
}

/// Where something else came than was expected.
pub(super) fn differences(expect: &Expect, came: &Expect) -> Vec<Finding> {
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
