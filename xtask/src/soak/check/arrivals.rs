//! What reached the upstream: only what policy allows, or what was approved, claimed and recorded before.

use std::collections::BTreeMap;

use super::View;
use crate::soak::intents::Kind;
use crate::stack::upstream::Arrived;

/// The service rounds its times to milliseconds, the upstream cuts them off.
const ROUNDING: i64 = 1;

pub(super) fn check(view: &mut View) {
    let mut by_path = BTreeMap::<String, Vec<Arrived>>::new();
    for call in std::mem::take(&mut view.calls) {
        by_path.entry(call.path.clone()).or_default().push(call);
    }
    for (path, calls) in &by_path {
        let found = of_path(view, path, calls);
        found.into_iter().for_each(|what| view.violated(what));
    }
    view.calls = by_path.into_values().flatten().collect();
}

fn of_path(view: &View, path: &str, calls: &[Arrived]) -> Vec<String> {
    let Some(sent) = view.sent.get(path) else {
        return vec![format!("`{path}` reached the upstream, and nobody sent it")];
    };
    let changed = calls.iter().filter_map(|call| sent.intent.request.difference(call));
    let mut found: Vec<_> = changed.map(|how| format!("`{path}` was changed: {how}")).collect();
    match sent.intent.kind {
        Kind::Allowed => {}
        Kind::Denied => found.push(format!("`{path}` is denied, and reached the upstream: {calls:?}")),
        Kind::Gated(quorum) => {
            found.extend(unclaimed(view, path, calls));
            found.extend(unapproved(view, path, calls, quorum));
        }
    }
    found
}

/// Each arrival needs a claim of its own whose record was kept before it: the first so many claims must come
/// before the arrival of that number.
fn unclaimed(view: &View, path: &str, calls: &[Arrived]) -> Vec<String> {
    let claims = view.kept.claims_by_path().remove(path).unwrap_or_default();
    let mut kept: Vec<_> =
        claims.iter().map(|claim| claim.kept_at.unwrap_or(i64::MAX).max(claim.at)).collect();
    let mut arrived: Vec<_> = calls.iter().map(|call| call.at).collect();
    kept.sort_unstable();
    arrived.sort_unstable();
    let late = arrived
        .iter()
        .enumerate()
        .find(|(number, at)| kept.get(*number).is_none_or(|kept| *kept > at.saturating_add(ROUNDING)));
    let say = |(number, at): (usize, &i64)| {
        format!("`{path}` arrived for the {}. time at {at}, and its claims are {claims:?}", number + 1)
    };
    late.map(say).into_iter().collect()
}

/// Whatever the service says: so many people had sent their yes to one ticket of that path before it arrived.
fn unapproved(view: &View, path: &str, calls: &[Arrived], quorum: usize) -> Option<String> {
    let tickets: Vec<_> = view.kept.tickets.iter().filter(|ticket| ticket.path == path).collect();
    let before = |at: i64| {
        let yes = |id: &str| {
            let of = view.said.iter().filter(|said| said.ticket == id && said.kind == "approve");
            of.filter(|said| said.at <= at).count()
        };
        tickets.iter().filter(|ticket| yes(&ticket.id) >= quorum).count()
    };
    let mut arrived: Vec<_> = calls.iter().map(|call| call.at).collect();
    arrived.sort_unstable();
    let early = arrived.iter().enumerate().find(|(number, at)| before(**at) <= *number);
    early.map(|(number, at)| {
        format!("`{path}` arrived for the {}. time at {at}, and people had not said yes so often", number + 1)
    })
}
