//! Tickets, their uses and their ends.

use std::collections::BTreeMap;

use super::{Counts, View};
use crate::soak::intents::Kind;
use crate::soak::kept::{Answer, Claim};
use crate::stack::now;

/// How long the service waits for a report before it says that nobody knows, with some time to spare,
/// milliseconds.
const REPORTED_WITHIN: i64 = 5 * 60_000 + 5_000;

/// No ticket is used more often than granted, and each use has a record of its claim that was kept in time.
pub(super) fn check_claims(view: &mut View) {
    let mut found = Vec::new();
    let mut used = BTreeMap::<&str, i64>::new();
    for claim in &view.kept.claims {
        *used.entry(&claim.ticket).or_default() += 1;
        let recorded = claim.record_kind.as_deref() == Some("claim")
            && claim.record_ticket.as_ref() == Some(&claim.ticket)
            && claim.kept_at.is_some_and(|kept_at| kept_at <= claim.at);
        if !recorded {
            found.push(format!("a claim without its record: {claim:?}"));
        }
        if claim.outcome == "awaited" && claim.at < now().saturating_sub(REPORTED_WITHIN) {
            found.push(format!("a claim whose outcome is awaited for too long: {claim:?}"));
        }
    }
    for ticket in &view.kept.tickets {
        let claims = used.get(ticket.id.as_str()).copied().unwrap_or_default();
        if ticket.used > ticket.uses || claims != ticket.used || ticket.uses != 1 {
            found.push(format!("{claims} claims were won of {ticket:?}"));
        }
        if (ticket.state == "consumed") != (ticket.used == ticket.uses) {
            found.push(format!("state and uses do not fit: {ticket:?}"));
        }
    }
    view.violations.extend(found);
}

/// What was acknowledged to people is kept, and what they refused or took back is not used.
pub(super) fn check_answers(view: &mut View) {
    let mut found = Vec::new();
    let claimed: std::collections::BTreeSet<_> =
        view.kept.claims.iter().map(|claim| claim.ticket.as_str()).collect();
    for said in view.said.iter().filter(|said| said.status == Some(200)) {
        let (ticket, subject) = (said.ticket.clone(), said.person.to_owned());
        let answer = Answer { ticket, subject, kind: said.kind.to_owned() };
        if said.kind != "revoke" && !view.kept.answers.contains(&answer) {
            found.push(format!("an answer that was acknowledged is gone: {said:?}"));
        }
        if ["reject", "revoke"].contains(&said.kind) && claimed.contains(said.ticket.as_str()) {
            found.push(format!("it was used, and people had said no: {said:?}"));
        }
    }
    view.violations.extend(found);
}

/// All deadlines have passed: nothing is open.
pub(super) fn check_tickets(view: &mut View) {
    const ENDS: [&str; 5] = ["consumed", "rejected", "expired", "revoked", "cancelled"];
    let open = view.kept.tickets.iter().filter(|ticket| !ENDS.contains(&ticket.state.as_str()));
    let found: Vec<_> = open.map(|ticket| format!("it comes to no end: {ticket:?}")).collect();
    let endless = view.kept.tickets.iter().filter(|ticket| ticket.used > 0 && ticket.use_by.is_none());
    let endless: Vec<_> =
        endless.map(|ticket| format!("it was used without a deadline: {ticket:?}")).collect();
    view.violations.extend(found.into_iter().chain(endless));
}

/// How a use stands.
enum Use {
    Known,
    /// Its gateway was killed after the claim and before it reported.
    Killed,
    /// Its client left before the gateway knew that the claim was won.
    Left,
    /// Its gateway lives and does not say.
    Lost,
}

fn stands(view: &View, claim: &Claim) -> Use {
    if claim.outcome == "forwarded" {
        return Use::Known;
    }
    let life = view.claimant(claim);
    if life.and_then(|life| life.dead).is_some_and(|dead| claim.at <= dead) {
        return Use::Killed;
    }
    if claim.left { Use::Left } else { Use::Lost }
}

/// Every use has an outcome, but those whose gateways were killed meanwhile; and what is said to have come back
/// from the upstream was there.
pub(super) fn check_outcomes(view: &mut View) {
    let mut found = Vec::new();
    for claim in &view.kept.claims {
        if matches!(stands(view, claim), Use::Lost) {
            found.push(format!("its gateway lives and says no outcome: {claim:?}"));
        }
    }
    for (path, claims) in view.kept.claims_by_path() {
        let said =
            claims.iter().filter(|claim| claim.outcome == "forwarded" && claim.status.is_some()).count();
        let arrived = view.arrivals(path);
        if said > arrived {
            found.push(format!("`{path}` is said to have been answered {said} times and arrived {arrived}"));
        }
    }
    view.violations.extend(found);
}

pub(super) fn count(view: &View, counts: &mut Counts) {
    counts.tickets = view.kept.tickets.len();
    for ticket in &view.kept.tickets {
        *counts.states.entry(ticket.state.clone()).or_default() += 1;
    }
    for claim in &view.kept.claims {
        match stands(view, claim) {
            Use::Known => counts.outcomes_known += 1,
            Use::Left => counts.left_in_claim += 1,
            Use::Killed | Use::Lost => counts.outcomes_unknown += 1,
        }
    }
    let gated =
        |path: &str| view.sent.get(path).is_some_and(|sent| matches!(sent.intent.kind, Kind::Gated(_)));
    counts.forwarded = view.calls.iter().filter(|call| gated(&call.path)).count();
}
