//! Every row of the example's table, played as the demo plays it.

use anyhow::Result;
use xtask::example::Example;
use xtask::workspace::Workspace;

use crate::Trials;

pub(crate) fn add(trials: &mut Trials) -> Result<()> {
    for case in Example::of(&Workspace::find()?).cases()? {
        trials.add(format!("row: {}", case.name), async move |world| {
            world.stage().play(&case, &mut |_| {}).await.map(drop)
        });
    }
    Ok(())
}
