//! Every row of the table of faults, played on a real Envoy: what the client gets, what the upstream got, and
//! what the evidence says.

mod claims;
mod clocks;
mod grants;
mod load;
pub(crate) mod policies;
pub(crate) mod requests;
mod service;
mod stops;

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use xtask::faults::{Row, SECTIONS, row};

use crate::Trials;
use crate::scene::{Played, Scene};

/// The tests of rows, and which rows they are about.
pub(crate) struct Rows<'a> {
    trials: &'a mut Trials,
    played: BTreeSet<&'static str>,
}

/// Adds all, and makes sure that no row is without a test.
pub(crate) fn add(trials: &mut Trials) -> Result<()> {
    let mut rows = Rows { trials, played: BTreeSet::new() };
    service::add(&mut rows)?;
    grants::add(&mut rows)?;
    claims::add(&mut rows)?;
    policies::add(&mut rows)?;
    requests::add(&mut rows)?;
    stops::add(&mut rows)?;
    clocks::add(&mut rows)?;
    load::add(&mut rows)?;
    let all = SECTIONS.iter().flat_map(|section| section.rows).map(|row| row.id);
    let forgotten: Vec<_> = all.filter(|id| !rows.played.contains(id)).collect();
    ensure!(forgotten.is_empty(), "no test plays {forgotten:?}");
    Ok(())
}

impl Rows<'_> {
    /// A test of the row `id` on a shared gateway; `variant` tells several of one row apart.
    fn add(
        &mut self,
        id: &'static str,
        variant: &str,
        play: impl AsyncFn(&Scene<'_>) -> Result<Played> + Send + 'static,
    ) -> Result<()> {
        let row = self.row(id)?;
        self.trials.add(name(id, variant), async move |world| {
            let (scene, turn) = world.pool.scene(world).await?;
            let played = play(&scene).await;
            let checked = match &played {
                Ok(played) => scene.check(row, played).await,
                Err(error) => Err(anyhow::anyhow!("{error:#}")),
            };
            checked.with_context(|| scene.set.gateway.tail())?;
            world.pool.give_back(scene.set)?;
            drop(turn);
            Ok(())
        });
        Ok(())
    }

    /// A test that starts what it needs, and holds its scene against the row itself.
    fn alone(
        &mut self,
        id: &'static str,
        variant: &str,
        play: impl AsyncFnOnce(&crate::world::World, &'static Row) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let row = self.row(id)?;
        self.trials.add(name(id, variant), async move |world| play(world, row).await);
        Ok(())
    }

    fn row(&mut self, id: &'static str) -> Result<&'static Row> {
        self.played.insert(id);
        row(id).with_context(|| format!("the table has no `{id}`"))
    }
}

fn name(id: &str, variant: &str) -> String {
    match variant {
        "" => format!("fault: {id}"),
        variant => format!("fault: {id}, {variant}"),
    }
}
