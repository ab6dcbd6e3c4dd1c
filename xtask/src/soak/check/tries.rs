//! What clients saw: an answer that the request may have, or a connection that broke with its gateway.

use super::{Counts, View};
use crate::soak::clients::LONGEST;
use crate::soak::gateways::Life;
use crate::soak::intents::Kind;
use crate::soak::ledger::{Ended, Sent, Try};
use crate::stack::client::Answer;

/// A client may notice late that its connection broke, milliseconds.
const NOTICED_WITHIN: i64 = 5_000;

/// Codes with which a gated request may end when people, deadlines and kills do what they do here.
const ENDS: [&str; 6] =
    ["pending", "rejected", "expired", "cancelled", "service_unavailable", "claim_unanswered"];

pub(super) fn check(view: &mut View) {
    let mut found = Vec::new();
    for (path, sent) in &view.sent {
        for attempt in &sent.tries {
            found.extend(wrong(view, sent, attempt).map(|how| format!("`{path}` {how}: {attempt:?}")));
        }
        let answered =
            |attempt: &&Try| matches!(&attempt.how, Ended::Answered(answer) if answer.status < 300);
        let (done, arrived) = (sent.tries.iter().filter(answered).count(), view.arrivals(path));
        if done > arrived {
            found.push(format!("`{path}` was answered {done} times and arrived {arrived} times"));
        }
        if sent.intent.kind == Kind::Allowed && arrived > sent.tries.len().max(1) && view_is_complete(view) {
            found.push(format!("`{path}` was sent {} times and arrived {arrived} times", sent.tries.len()));
        }
    }
    view.violations.extend(found);
}

/// While the load goes on, a try may not have ended yet.
fn view_is_complete(view: &View) -> bool {
    view.lives.iter().all(|life| life.dead.is_some())
}

fn wrong(view: &View, sent: &Sent, attempt: &Try) -> Option<&'static str> {
    match &attempt.how {
        Ended::Hung => Some("got no answer in all the time that it may take"),
        Ended::Left => None,
        Ended::Broken => (!down(view, attempt)).then_some("broke while its gateway lived"),
        Ended::Answered(_) if attempt.ended - attempt.begun > longest() => Some("was answered too late"),
        Ended::Answered(answer) => {
            (!fits(sent.intent.kind, answer)).then_some("got an answer that it must not")
        }
    }
}

fn longest() -> i64 {
    i64::try_from(LONGEST.as_millis()).unwrap_or(i64::MAX)
}

fn fits(kind: Kind, answer: &Answer) -> bool {
    match kind {
        Kind::Allowed => answer.status == 200,
        Kind::Denied => answer.status == 403 && ["forbidden", "no_route"].contains(&answer.code()),
        Kind::Gated(_) => answer.status < 300 || ENDS.contains(&answer.code()),
    }
}

/// Whether its gateway was dead at some moment of the try.
fn down(view: &View, attempt: &Try) -> bool {
    let mut lives: Vec<&Life> = view.lives.iter().filter(|life| life.slot == attempt.slot).collect();
    lives.sort_by_key(|life| life.born);
    let until = lives.iter().skip(1).map(|life| life.serving).chain([i64::MAX]);
    let mut deaths = lives.iter().zip(until).filter_map(|(life, until)| Some((life.dying?, until)));
    deaths.any(|(from, until)| attempt.ended >= from && attempt.begun <= until.saturating_add(NOTICED_WITHIN))
}

pub(super) fn count(view: &View, counts: &mut Counts) {
    let tries = || view.sent.values().flat_map(|sent| &sent.tries);
    counts.tries = tries().count();
    counts.broken = tries().filter(|attempt| matches!(attempt.how, Ended::Broken)).count();
}
