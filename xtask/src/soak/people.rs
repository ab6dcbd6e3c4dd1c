//! People: they look at what waits, and approve, reject, flag, take back, or come too late.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Options;
use super::ledger::Said;
use super::site::{Shared, Site};
use crate::example::Factor;
use crate::stack::approvals::AUDITOR;
use crate::stack::now;
use crate::stack::ticket::Ticket;

/// Everybody who says something, and the auditor, whose eyes find what waits.
pub(super) const ALL: [&str; 4] = ["ben", "cleo", "dora", AUDITOR];

/// How often somebody says the same again to a service that does not answer.
const TRIES: usize = 100;

/// Who owns no agent of the example, and is in every group.
const TWO: [&str; 2] = ["ben", "cleo"];

/// Something that somebody is going to say: after how long, who, and what.
type Word = (u64, &'static str, &'static str);

/// Starts them; they end when the ledger dismisses them.
pub(super) fn begin(site: &Site, options: &Options) -> JoinSet<()> {
    let mut people = JoinSet::new();
    people.spawn(look(site.share(), Rng::with_seed(options.seed ^ 0x5eed)));
    people
}

/// One list for all of them; each ticket is dealt with once.
async fn look(site: Arc<Shared>, mut rng: Rng) {
    let (mut known, mut talks) = (BTreeSet::new(), JoinSet::new());
    while !site.ledger.is_dismissed() {
        for ticket in waiting(&site).await {
            if known.insert(ticket.id().to_owned()) {
                let words = words(&mut rng, &ticket);
                talks.spawn(talk(Arc::clone(&site), ticket, words));
            }
        }
        while talks.try_join_next().is_some() {}
        sleep(Duration::from_millis(rng.u64(30..90))).await;
    }
    talks.join_all().await;
}

/// What is pending; nothing while the service is down.
async fn waiting(site: &Shared) -> Vec<Ticket> {
    let Ok(mut list) = site.approvals.read("/v1/requests?limit=500&state=pending").await else {
        return Vec::new();
    };
    let items = list.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take);
    items.into_iter().flatten().filter_map(|item| Ticket::new(item).ok()).collect()
}

/// What becomes of a ticket.
fn words(rng: &mut Rng, ticket: &Ticket) -> Vec<Word> {
    let [one, other] = if rng.bool() { TWO } else { [TWO[1], TWO[0]] };
    let soon = rng.u64(0..400);
    let rotation = ticket.text("/path").starts_with("/v1/keys/");
    match rng.u32(0..100) {
        0..62 => vec![(soon, one, "approve"), (rng.u64(0..200), other, "approve")],
        // After the hold: who comes back finds it approved, and who does not leaves it to its deadline.
        62..74 => vec![(rng.u64(4_000..9_000), one, "approve"), (0, other, "approve")],
        74..84 => vec![(soon, one, "reject")],
        84..89 => vec![(soon, one, "approve"), (0, other, "reject")],
        89..94 if rotation => vec![(0, "dora", "flag"), (soon, one, "approve"), (0, other, "approve")],
        94..98 => vec![(soon, one, "approve"), (0, other, "approve"), (rng.u64(0..5), one, "revoke")],
        _ => Vec::new(),
    }
}

async fn talk(site: Arc<Shared>, ticket: Ticket, words: Vec<Word>) {
    for (pause, person, kind) in words {
        sleep(Duration::from_millis(pause)).await;
        if !say(&site, &ticket, person, kind).await {
            return;
        }
    }
}

/// Says it until the service answers; whether the rest is worth saying.
async fn say(site: &Shared, ticket: &Ticket, person: &'static str, kind: &'static str) -> bool {
    let said = Said { ticket: ticket.id().into(), person, kind, at: now(), status: None };
    let number = site.ledger.say(said);
    if kind == "approve" {
        site.ledger.approved.notify_waiters();
    }
    let mut last = None;
    for _ in 0..TRIES {
        match once(site, ticket, person, kind).await {
            Ok((status, reply)) => {
                site.ledger.replied(number, status);
                if status >= 500 {
                    site.ledger.complain(format!("`{kind}` of {person} was answered {status}: {reply}"));
                }
                return status == 200;
            }
            Err(error) => last = Some(error),
        }
        sleep(Duration::from_millis(100)).await;
    }
    site.ledger.complain(format!("`{kind}` of {person} was never answered: {last:#?}"));
    false
}

async fn once(site: &Shared, ticket: &Ticket, person: &str, kind: &str) -> Result<(u16, Value)> {
    if kind != "revoke" {
        let reason = (kind != "approve").then_some("the soak says so");
        return site.approvals.answer(ticket, person, Factor::Totp, kind, reason).await;
    }
    let path = format!("/v1/requests/{}/revoke", ticket.id());
    let body = json!({ "reason": "the soak takes it back" });
    site.approvals.call(Method::POST, &path, person, Factor::Totp, Some(body)).await
}
