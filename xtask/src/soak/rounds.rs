//! The kills: of the service mostly, of a gateway in between, of both at the same moment at times.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fastrand::Rng;
use tokio::time::{sleep, timeout};

use super::gateways::SLOTS;
use super::kept::{Kept, Reach};
use super::site::Site;
use super::{Options, check};
use crate::stack::Stack;

/// One kill in so many is a gateway's.
const GATEWAYS: usize = 4;

/// What a round needs to know.
#[derive(Clone, Copy)]
struct Round<'a> {
    stack: &'a Stack,
    site: &'a Site,
    say: &'a (dyn Fn(String) + Sync),
}

/// Plays all rounds: service and gateways are killed independently of each other.
pub(super) async fn play(
    stack: &Stack,
    site: &Site,
    options: &Options,
    say: &(dyn Fn(String) + Sync),
) -> Result<()> {
    let round = Round { stack, site, say };
    let mut rng = Rng::with_seed(options.seed ^ 0x000b_adda_7e57_u64);
    let (gateways, service) = (options.rounds / GATEWAYS, options.rounds - options.rounds / GATEWAYS);
    let mut other = rng.fork();
    tokio::try_join!(service_rounds(round, &mut rng, service, options), async {
        for _ in 0..gateways {
            gateway_round(round, &mut other).await?;
        }
        Ok(())
    })?;
    Ok(())
}

async fn service_rounds(round: Round<'_>, rng: &mut Rng, rounds: usize, options: &Options) -> Result<()> {
    for number in 1..=rounds {
        moment(round.site, rng).await;
        service_round(round, rng).await.with_context(|| format!("kill {number} of the service"))?;
        if number % 10 == 0 {
            progress(round, number).await?;
        }
        if number % options.check_every == 0 && number < rounds {
            check::so_far(round.stack, round.site).await?;
            (round.say)(format!("checked after {number} kills of the service: all as promised"));
        }
    }
    Ok(())
}

async fn progress(Round { site, say, .. }: Round<'_>, number: usize) -> Result<()> {
    let Kept { tickets, claims, .. } = Kept::read(&site.database()).await?;
    let (service, gateways) = site.kills();
    let approved = claims.len() + tickets.iter().filter(|ticket| ticket.state == "approved").count();
    let known = claims.iter().filter(|claim| claim.outcome == "forwarded").count();
    say(format!(
        "round {}: {service} kills of the service, {gateways} of gateways; {} tickets, {approved} approved, {} \
         used, {known} with a known outcome",
        number + gateways,
        tickets.len(),
        claims.len(),
    ));
    Ok(())
}

/// Lets the load run until it is time: any time, or just when somebody approved and a claim is about to be made.
async fn moment(site: &Site, rng: &mut Rng) {
    sleep(Duration::from_millis(rng.u64(50..800))).await;
    if rng.bool() {
        let approved = site.ledger.approved.notified();
        if timeout(Duration::from_millis(500), approved).await.is_ok() {
            sleep(Duration::from_micros(rng.u64(0..60_000))).await;
        }
    }
}

async fn service_round(Round { site, .. }: Round<'_>, rng: &mut Rng) -> Result<()> {
    let _turn = site.service.lock().await;
    let before = Reach::read(&site.database()).await?;
    site.kill_service().await?;
    restart(site, rng, &before).await
}

/// Starts the service again, on some days only after a start that was killed itself.
async fn restart(site: &Site, rng: &mut Rng, before: &Reach) -> Result<()> {
    sleep(Duration::from_millis(if rng.bool() { 0 } else { rng.u64(0..600) })).await;
    if rng.u32(0..4) == 0 {
        let early = Duration::from_millis(rng.u64(0..120));
        if site.approvals.restart_within(early).await.is_ok() {
            site.kill_service().await?;
        }
    }
    site.approvals.restart().await?;
    let after = Reach::read(&site.database()).await?;
    let lost = before.lost_in(&after);
    ensure!(lost.is_empty(), "evidence that was kept before the kill is gone: {lost:?}");
    Ok(())
}

async fn gateway_round(Round { stack, site, .. }: Round<'_>, rng: &mut Rng) -> Result<()> {
    sleep(Duration::from_millis(rng.u64(0..1_500))).await;
    moment(site, rng).await;
    let number = rng.usize(0..SLOTS);
    if rng.u32(0..3) == 0 {
        let _turn = site.service.lock().await;
        let before = Reach::read(&site.database()).await?;
        let (gateway, service) = tokio::join!(site.kill(number), site.kill_service());
        gateway?;
        service?;
        restart(site, rng, &before).await?;
    } else {
        site.kill(number).await?;
    }
    site.revive(stack, number).await
}
