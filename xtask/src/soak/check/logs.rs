//! The gateways' access logs count independently of the evidence; and nobody complains of what kills do not
//! explain.

use std::collections::{BTreeMap, BTreeSet};

use super::View;
use crate::soak::gateways::Line;
use crate::soak::site::Site;

/// Lines of one log that are shown.
const SHOWN: usize = 5;

/// Each line about a call that arrived says why it might, and no two name the same approval.
pub(super) fn check_lines(view: &mut View) {
    let lines: BTreeMap<&str, &Line> =
        view.lives.iter().flat_map(|life| &life.lines).map(|line| (line.request_id.as_str(), line)).collect();
    let paths: BTreeMap<_, _> =
        view.kept.tickets.iter().map(|ticket| (ticket.id.as_str(), ticket.path.as_str())).collect();
    let (mut found, mut used) = (Vec::new(), BTreeSet::new());
    for call in &view.calls {
        let id = call.header("x-request-id").first().copied().unwrap_or_default();
        // A gateway that is killed loses what it had not written yet.
        let Some(line) = lines.get(id) else { continue };
        let said = line.countersign.as_ref();
        let decision = said.map(|said| said.decision.as_str()).unwrap_or_default();
        let ticket = said.and_then(|said| said.ticket.as_deref());
        let fits = match ticket {
            Some(ticket) => {
                decision == "countersigned"
                    && paths.get(ticket) == Some(&call.path.as_str())
                    && used.insert(ticket)
            }
            None => decision == "allowed",
        };
        if !fits || line.path != call.path {
            found.push(format!("the access log says {line:?} of a call that arrived: {call:?}"));
        }
    }
    view.violations.extend(found);
}

/// No log tells of a failure.
pub(super) async fn check(view: &mut View, site: &Site) {
    let mut found = Vec::new();
    for life in &view.lives {
        let shown = life.complaints.iter().take(SHOWN);
        found.extend(shown.map(|line| format!("gateway {} complains: {line}", life.slot)));
    }
    let log = site.approvals.log().await;
    let complaints = log.lines().filter(|line| line.contains("ERROR") || line.contains("panicked"));
    found.extend(complaints.take(SHOWN).map(|line| format!("the service complains: {line}")));
    view.violations.extend(found);
}
