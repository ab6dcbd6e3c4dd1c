//! Whether the calls of each kind are answered: counted each time, said when it changes and once a minute.

use std::collections::BTreeMap;

use countersign_protocol::UnixMillis;

use super::outbox::Kind;
use crate::calls::Fault;
use crate::metrics::{self, Answered, Metric};
use crate::quiet::Quiet;

/// The kinds of calls that fail now.
#[derive(Debug, Default)]
pub(super) struct Health(BTreeMap<Kind, Trouble>);

#[derive(Debug, Default)]
struct Trouble {
    times: u64,
    quiet: Quiet,
}

impl Health {
    /// A call was answered, or not.
    pub(super) fn called(&mut self, kind: Kind, path: &str, fault: Option<Fault>, now: UnixMillis) {
        metrics::count(Metric::Callout(kind, answered(fault)), 1);
        match (self.note(kind, path, fault, now), fault) {
            (Some(line), Some(_)) => log::warn!("{line}"),
            (Some(line), None) => log::info!("{line}"),
            (None, _) => {}
        }
    }

    fn note(&mut self, kind: Kind, path: &str, fault: Option<Fault>, now: UnixMillis) -> Option<String> {
        let Some(fault) = fault else {
            let times = self.0.remove(&kind)?.times;
            return Some(format!("calls to {path} are answered again, after {times} that were not"));
        };
        let trouble = self.0.entry(kind).or_default();
        trouble.times = trouble.times.saturating_add(1);
        trouble.quiet.again(now)?;
        Some(match trouble.times {
            1 => format!("a call to {path} failed: {fault}"),
            times => format!("calls to {path} fail, {times} by now; the last: {fault}"),
        })
    }
}

fn answered(fault: Option<Fault>) -> Answered {
    match fault {
        None => Answered::Ok,
        Some(Fault::NotSent(_)) => Answered::NotSent,
        Some(Fault::Nothing) => Answered::Nothing,
        Some(Fault::Status(400..=499)) => Answered::Refused,
        Some(Fault::Status(500..=599)) => Answered::Failed,
        Some(Fault::Status(_)) => Answered::Other,
        Some(Fault::Unreadable(..) | Fault::TooLong(_)) => Answered::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_is_down_is_said_once_a_minute_and_once_when_it_is_well() {
        let mut health = Health::default();
        let mut said = Vec::new();
        for second in 0..90 {
            said.extend(health.note(Kind::Ask, "/asks", Some(Fault::Status(503)), second * 1_000));
        }
        said.extend(health.note(Kind::Wait, "/wait", None, 90_000));
        said.extend(health.note(Kind::Ask, "/asks", None, 90_000));
        said.extend(health.note(Kind::Ask, "/asks", None, 91_000));
        assert_eq!(
            said,
            [
                "a call to /asks failed: status 503",
                "calls to /asks fail, 61 by now; the last: status 503",
                "calls to /asks are answered again, after 90 that were not",
            ]
        );
    }
}
