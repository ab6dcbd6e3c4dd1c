//! Every metric by its type: names and label values come from closed sets, never from a request or a reply.

use countersign_core::denial::Reason;
use countersign_core::life::{Decision, Fate};
use countersign_core::policy::Failure;
use countersign_core::refusal::Breach;
use countersign_protocol::evidence::Lane;
use proxy_wasm::types::MetricType;

use crate::worker::Kind;

/// A metric with its labels. `docs/metrics.md` says what each means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    /// Requests by what became of them.
    Decision(End),
    /// Milliseconds from the question to the end, of requests that people were asked about.
    Hold(Outcome),
    /// Grants that are not believed.
    GrantRefused(Breach),
    /// Receipts that are not believed.
    ReceiptRefused(Breach),
    /// Requests that went on because somebody opened a gate alone.
    GlassBroken,
    /// Policies that could not be evaluated; without a failure, requests that do not fit the schema.
    PolicyError(Option<Failure>),
    /// Calls to the approval service.
    Callout(Kind, Answered),
    /// Records of the plain lane that were dropped. The held lane drops none: it holds nothing new instead.
    Dropped,
    /// Records that the approval service keeps.
    Acknowledged(Lane),
    /// Requests of which the gateway gave nothing readable.
    Unreadable,
    /// Requests that wait for people.
    Held,
    /// Bytes of their questions.
    HeldBytes,
    /// How near the fullest worker is to holding nothing new.
    HeldFullest,
    /// Bytes of records that are not acknowledged yet.
    Buffered(Lane),
    /// How near the fullest worker's lane is to taking nothing new.
    EvidenceFullest(Lane),
    /// Workers that enforce.
    Enforcing,
    /// Workers that only observe.
    Observing,
    /// When the newest bundle was loaded first, Unix seconds.
    BundleLoaded,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Allowed,
    Countersigned,
    Denied,
    Pending,
    ClientLeft,
    Observed,
}

/// What became of a request, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// It went on, and nobody was asked.
    Allowed,
    /// It went on, because people approved it.
    Countersigned,
    /// It did not go on.
    Denied(Reason),
    /// Its client is to come back.
    Pending,
    /// Its client left while people were asked.
    ClientLeft,
    /// It went on although it would be denied, or (without a reason) people would have been asked.
    Observed(Option<Reason>),
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Answered {
    /// It was answered.
    Ok,
    /// The gateway did not send it.
    NotSent,
    /// Nothing came back.
    Nothing,
    /// A status that is no success: 3xx or stranger.
    Other,
    /// The service refused it: 4xx.
    Refused,
    /// The service, or the gateway in its place, failed: 5xx.
    Failed,
    /// It was answered with what cannot be read.
    Unreadable,
}

const KINDS: [Kind; 5] = [Kind::Ask, Kind::Wait, Kind::Claim, Kind::Outcome, Kind::Evidence];
const LANES: [Lane; 2] = [Lane::Held, Lane::Plain];

impl From<Decision> for End {
    fn from(decision: Decision) -> Self {
        match (decision.fate, decision.enforced) {
            (Fate::Allowed, _) => Self::Allowed,
            (Fate::Countersigned, _) => Self::Countersigned,
            (Fate::Pending, _) => Self::Pending,
            (Fate::NeedsApproval, _) => Self::Observed(None),
            (Fate::Denied(reason), true) => Self::Denied(reason),
            (Fate::Denied(reason), false) => Self::Observed(Some(reason)),
        }
    }
}

impl End {
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::Allowed => Outcome::Allowed,
            Self::Countersigned => Outcome::Countersigned,
            Self::Denied(_) => Outcome::Denied,
            Self::Pending => Outcome::Pending,
            Self::ClientLeft => Outcome::ClientLeft,
            Self::Observed(_) => Outcome::Observed,
        }
    }

    fn reason(self) -> Option<&'static str> {
        match self {
            Self::Denied(reason) | Self::Observed(Some(reason)) => Some(reason.meaning().code),
            Self::Observed(None) => Some("needs_approval"),
            Self::Allowed | Self::Countersigned | Self::Pending | Self::ClientLeft => None,
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        let reasons = || Reason::ALL.into_iter().filter(|reason| *reason != Reason::Pending);
        [Self::Allowed, Self::Countersigned, Self::Pending, Self::ClientLeft, Self::Observed(None)]
            .into_iter()
            .chain(reasons().map(Self::Denied))
            .chain(reasons().map(|reason| Self::Observed(Some(reason))))
    }
}

impl Outcome {
    /// All that end a hold.
    const OF_HOLDS: [Self; 5] =
        [Self::Allowed, Self::Countersigned, Self::Denied, Self::Pending, Self::ClientLeft];

    fn code(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Countersigned => "countersigned",
            Self::Denied => "denied",
            Self::Pending => "pending",
            Self::ClientLeft => "client_left",
            Self::Observed => "observed",
        }
    }
}

impl Answered {
    const ALL: [Self; 7] =
        [Self::Ok, Self::NotSent, Self::Nothing, Self::Other, Self::Refused, Self::Failed, Self::Unreadable];

    fn code(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotSent => "not_sent",
            Self::Nothing => "no_answer",
            Self::Other => "status_other",
            Self::Refused => "status_4xx",
            Self::Failed => "status_5xx",
            Self::Unreadable => "unreadable",
        }
    }
}

impl Metric {
    /// All metrics with all their labels, but for the bundles.
    pub(super) fn all() -> Vec<Self> {
        let failures = Failure::ALL.into_iter().map(Some).chain([None]);
        let callouts = KINDS.into_iter().flat_map(|kind| Answered::ALL.map(|how| Self::Callout(kind, how)));
        let lanes = LANES.into_iter();
        let by_lane = |lane| [Self::Acknowledged(lane), Self::Buffered(lane), Self::EvidenceFullest(lane)];
        let single = [
            Self::GlassBroken,
            Self::Dropped,
            Self::Unreadable,
            Self::Held,
            Self::HeldBytes,
            Self::HeldFullest,
            Self::Enforcing,
            Self::Observing,
            Self::BundleLoaded,
        ];
        let own = End::all().map(Self::Decision).chain(Outcome::OF_HOLDS.map(Self::Hold));
        let refused = Breach::OF_GRANTS.map(Self::GrantRefused).into_iter();
        let refused = refused.chain(Breach::OF_RECEIPTS.map(Self::ReceiptRefused));
        let all = own.chain(refused).chain(failures.map(Self::PolicyError)).chain(callouts);
        all.chain(lanes.flat_map(by_lane)).chain(single).collect()
    }

    /// What the gateway makes of it.
    pub(super) fn kind(self) -> MetricType {
        match self {
            Self::Hold(_) => MetricType::Histogram,
            Self::Decision(_)
            | Self::GrantRefused(_)
            | Self::ReceiptRefused(_)
            | Self::GlassBroken
            | Self::PolicyError(_)
            | Self::Callout(..)
            | Self::Dropped
            | Self::Acknowledged(_)
            | Self::Unreadable => MetricType::Counter,
            Self::Held
            | Self::HeldBytes
            | Self::HeldFullest
            | Self::Buffered(_)
            | Self::EvidenceFullest(_)
            | Self::Enforcing
            | Self::Observing
            | Self::BundleLoaded => MetricType::Gauge,
        }
    }

    /// Its name at the gateway: `name.label.value…`. `stats_tags` in `envoy/envoy.yaml` make labels of it.
    pub(super) fn name(self) -> String {
        let none = ("", "");
        let (name, labels) = match self {
            Self::Decision(end) => {
                let reason = end.reason().map_or(none, |reason| ("reason", reason));
                ("decisions_total", [("outcome", end.outcome().code()), reason])
            }
            Self::Hold(outcome) => ("hold_milliseconds", [("outcome", outcome.code()), none]),
            Self::GrantRefused(breach) => ("grants_refused_total", [("reason", breach.code()), none]),
            Self::ReceiptRefused(breach) => ("receipts_refused_total", [("reason", breach.code()), none]),
            Self::GlassBroken => ("break_glass_total", [none, none]),
            Self::PolicyError(failure) => {
                let reason = failure.map_or("request_unfit", Failure::code);
                ("policy_errors_total", [("reason", reason), none])
            }
            Self::Callout(call, how) => ("callouts_total", [("call", call.code()), ("result", how.code())]),
            Self::Dropped => ("evidence_dropped_total", [("lane", code(Lane::Plain)), none]),
            Self::Acknowledged(lane) => ("evidence_acknowledged_total", [("lane", code(lane)), none]),
            Self::Unreadable => ("unreadable_total", [none, none]),
            Self::Held => ("held", [none, none]),
            Self::HeldBytes => ("held_bytes", [none, none]),
            Self::HeldFullest => ("held_fullest_percent", [none, none]),
            Self::Buffered(lane) => ("evidence_buffered_bytes", [("lane", code(lane)), none]),
            Self::EvidenceFullest(lane) => ("evidence_fullest_percent", [("lane", code(lane)), none]),
            Self::Enforcing => ("workers", [("mode", "enforce"), none]),
            Self::Observing => ("workers", [("mode", "observe"), none]),
            Self::BundleLoaded => ("bundle_loaded_timestamp_seconds", [none, none]),
        };
        let labels = labels.into_iter().filter(|label| *label != none);
        labels.fold(format!("countersign_{name}"), |text, (label, value)| format!("{text}.{label}.{value}"))
    }
}

fn code(lane: Lane) -> &'static str {
    match lane {
        Lane::Held => "held",
        Lane::Plain => "plain",
    }
}

/// The name of the gauge of a bundle, by the first 48 bits of its hash.
pub(super) fn bundle_info(hash: u64) -> String {
    format!("countersign_bundle_info.hash.{hash:012x}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_of_characters_that_every_gateway_keeps() {
        let names: Vec<_> = Metric::all().into_iter().map(Metric::name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        let good = |name: &str| {
            name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.')
        };
        assert!(names.iter().all(|name| good(name)), "{names:?}");
        assert_eq!(
            Metric::Decision(End::Denied(Reason::NoRoute)).name(),
            "countersign_decisions_total.outcome.denied.reason.no_route"
        );
        assert_eq!(bundle_info(0xab), "countersign_bundle_info.hash.0000000000ab");
    }

    #[test]
    fn counters_and_only_they_are_totals() {
        for metric in Metric::all() {
            let name = metric.name();
            let family = name.split('.').next().unwrap_or_default();
            assert_eq!(family.ends_with("_total"), matches!(metric.kind(), MetricType::Counter), "{name}");
        }
    }

    #[test]
    fn what_is_only_observed_is_no_denial() {
        let decision = |fate, enforced| End::from(Decision { fate, ticket: None, enforced });
        assert_eq!(decision(Fate::Denied(Reason::NoRoute), true), End::Denied(Reason::NoRoute));
        assert_eq!(decision(Fate::Denied(Reason::NoRoute), false), End::Observed(Some(Reason::NoRoute)));
        assert_eq!(decision(Fate::NeedsApproval, false), End::Observed(None));
    }
}
