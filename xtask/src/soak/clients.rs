//! Clients: each wants one thing after the other, most come back until they have it, some leave, some send twice.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Options;
use super::gateways::SLOTS;
use super::intents::{Intent, Kind};
use super::ledger::{Ended, Try};
use super::site::{Shared, Site};
use crate::stack::client::{Answer, Prepared};
use crate::stack::now;

/// Longer than any answer may take: a hold of 4 s, a claim that is tried for 10 s, calls of 5 s around them, an
/// upstream that has 15 s, and a busy machine.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// Tries of one client for one thing.
const TRIES: usize = 7;

/// How a client goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Comes back until there is an end.
    Patient,
    /// Hangs up soon, and comes back or does not.
    Hasty,
    /// Sends the same request twice at the same time.
    Twofold,
}

/// Starts the clients; they end when the ledger is closed.
pub(super) fn begin(site: &Site, options: &Options) -> JoinSet<()> {
    let mut crowd = JoinSet::new();
    for number in 0..options.clients {
        let seed = options.seed.wrapping_add(number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        crowd.spawn(live(site.share(), Rng::with_seed(seed)));
    }
    crowd
}

async fn live(site: Arc<Shared>, mut rng: Rng) {
    while !site.ledger.is_closed() {
        let tag = format!("{}-{}", site.tag, site.ledger.number());
        match Intent::new(&mut rng, &tag, &site.token) {
            Ok(intent) => want(&site, &mut rng, intent).await,
            Err(error) => return site.ledger.complain(format!("no request can be made: {error:#}")),
        }
        sleep(Duration::from_millis(rng.u64(20..300))).await;
    }
}

async fn want(site: &Shared, rng: &mut Rng, intent: Intent) {
    let (kind, request) = (intent.kind, intent.request.clone());
    site.ledger.open(intent);
    let manner = match rng.u32(0..100) {
        _ if !matches!(kind, Kind::Gated(_)) => Manner::Patient,
        0..72 => Manner::Patient,
        72..90 => Manner::Hasty,
        _ => Manner::Twofold,
    };
    match manner {
        Manner::Twofold => {
            let (mut one, mut other) = (rng.fork(), rng.fork());
            tokio::join!(
                insist(site, &mut one, &request, Manner::Patient),
                insist(site, &mut other, &request, Manner::Patient)
            );
        }
        manner => insist(site, rng, &request, manner).await,
    }
}

/// Sends it until there is an answer that is one.
async fn insist(site: &Shared, rng: &mut Rng, request: &Prepared, manner: Manner) {
    let mut slot = rng.usize(0..SLOTS);
    for _ in 0..TRIES {
        let patience = match manner {
            Manner::Hasty if rng.bool() => Some(Duration::from_millis(rng.u64(5..900))),
            _ => None,
        };
        let how = attempt(site, slot, request, patience).await;
        let pause = match how {
            Ended::Answered(answer) if is_final(&answer) => return,
            Ended::Hung => return,
            Ended::Left if rng.bool() => return,
            Ended::Answered(_) | Ended::Left => rng.u64(100..1_000),
            Ended::Broken => rng.u64(30..500),
        };
        sleep(Duration::from_millis(pause)).await;
        // Where one gateway is down the other takes over.
        if rng.bool() {
            slot = (slot + 1) % SLOTS;
        }
    }
}

async fn attempt(site: &Shared, slot: usize, request: &Prepared, patience: Option<Duration>) -> Ended {
    let begun = now();
    let how = match timeout(patience.unwrap_or(LONGEST), request.send(site.address(slot))).await {
        Ok(Ok(answer)) => Ended::Answered(answer),
        Ok(Err(_)) => Ended::Broken,
        Err(_) if patience.is_some() => Ended::Left,
        Err(_) => Ended::Hung,
    };
    let done = Try { slot, begun, ended: now(), how: how.clone() };
    site.ledger.tried(request.path(), done);
    how
}

/// Whether coming back would change nothing.
fn is_final(answer: &Answer) -> bool {
    !matches!(answer.code(), "pending" | "service_unavailable" | "claim_unanswered" | "cancelled" | "expired")
}
