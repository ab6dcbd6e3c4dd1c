//! Holds what is known to differ to what is written about it.

use anyhow::{Result, ensure};
use xtask::stack::now;

use super::compare::own_answer;
use super::rows::{ROWS, entry};
use super::{Both, Pair};
use crate::world::World;

pub(super) async fn all(world: &World) -> Result<()> {
    let mut entries = ROWS.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    entries.iter_mut().for_each(|entry| entry.ts = now());
    for (row, Both { here, there }) in ROWS.iter().zip(Pair::generated(world)?.play(&entries).await?) {
        let envoy = (own_answer(&there).unwrap_or("no answer of its own"), there.seen.response.status());
        ensure!(envoy == row.envoy, "{}: Envoy says {envoy:?}", row.what);
        let harness = (here.reason(), here.seen.response.status());
        ensure!(harness == row.harness, "{}: the harness says {harness:?}", row.what);
        ensure!(there.seen.forwarded.is_none(), "{}: it came to the upstream", row.what);
    }
    Ok(())
}
