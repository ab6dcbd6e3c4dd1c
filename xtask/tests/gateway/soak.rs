//! Gateways and approval service, killed at random moments under load.

use anyhow::Result;
use xtask::soak::{Options, soak};

use crate::Trials;
use crate::world::World;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("soak: 50 rounds of kill -9", killed);
}

async fn killed(world: &World) -> Result<()> {
    let report = soak(&world.stack, &Options::new(50, None), &|line| println!("soak: {line}")).await?;
    println!("soak: {}", serde_json::to_string(&report)?);
    Ok(())
}
