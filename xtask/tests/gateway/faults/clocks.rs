//! The clocks of gateway and service differ by five minutes.

use anyhow::{Context as _, Result};
use xtask::faults::Row;
use xtask::packages;
use xtask::stack::approvals::Options;

use super::Rows;
use crate::scene::{Played, Scene, Set};
use crate::world::World;

const MINUTES: i64 = 5;

pub(super) fn add(rows: &mut Rows<'_>) -> Result<()> {
    rows.alone("gateway-slow", "", async |world, row| play(world, row, MINUTES * 60, slow).await)?;
    rows.alone("gateway-fast", "", async |world, row| play(world, row, MINUTES * -60, fast).await)
}

/// With a service whose clock is so many seconds ahead of the gateway's.
async fn play(
    world: &World,
    row: &'static Row,
    clock_ahead: i64,
    then: impl AsyncFn(&Scene<'_>) -> Result<Played>,
) -> Result<()> {
    packages::require_for_tests()?;
    let options = Options { clock_ahead, ..Options::default() };
    let approvals = world.stack.approvals(row.id, options).await?;
    let set = Set::start(&world.stack, &approvals, row.id).await?;
    let scene = Scene::on(world, &approvals, set).await?;
    let played = then(&scene).await;
    let checked = async { scene.check(row, &played?).await };
    checked.await.with_context(|| scene.set.gateway.tail())?;
    scene.set.stop().await?;
    approvals.kill().await
}

async fn slow(scene: &Scene<'_>) -> Result<Played> {
    let request = scene.role("gateway-slow")?;
    let (call, ticket) = scene.hold(&request).await?;
    scene.approve(&ticket, "ben").await?;
    Ok(Played { request, tries: vec![call.await??] })
}

async fn fast(scene: &Scene<'_>) -> Result<Played> {
    let request = scene.rotation("gateway-fast")?;
    let (call, ticket) = scene.hold(&request).await?;
    scene.approve(&ticket, "ben").await?;
    Ok(Played { request, tries: vec![call.await??] })
}
