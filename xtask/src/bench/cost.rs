//! What a gateway costs before it does anything: start-up time, memory, and the size of the filter.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;
use tokio::time::sleep;

use super::machine::Processors;
use super::server::Launch;
use super::stats::{Spread, float};
use super::variant::{Call, Filter, Variant};
use crate::plugin;
use crate::stack::Stack;
use crate::workspace::Workspace;

/// Workers of a gateway whose memory is measured: one more makes the difference.
const WORKERS: [usize; 3] = [1, 2, 4];
/// How long a gateway has been ready before its memory is read.
const SETTLE: Duration = Duration::from_millis(500);

/// What is started.
const STARTED: [(&str, Filter); 4] = [
    ("no filter", Filter::None),
    ("floor", Filter::Floor),
    ("10 policies", Filter::Countersign(10)),
    ("10,000 policies", Filter::Countersign(10_000)),
];

/// What one gateway costs.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Cost {
    pub(super) name: &'static str,
    /// From the start of the process until `/ready` says so, one worker, seconds.
    pub(super) start: Spread,
    /// Resident memory by the number of workers, bytes.
    pub(super) memory: BTreeMap<usize, Spread>,
    /// What it takes beyond a gateway without a filter, bytes: once, and for each worker.
    pub(super) once: f64,
    pub(super) worker: f64,
}

/// Sizes of the filter, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Sizes {
    /// As it is loaded.
    pub(super) filter: u64,
    /// As rustc made it, before `wasm-opt`.
    pub(super) compiled: u64,
    /// The empty one.
    pub(super) floor: u64,
}

/// Resident memory and start-up times as they were measured.
#[derive(Debug, Clone, Default)]
struct Seen {
    start: Vec<f64>,
    memory: BTreeMap<usize, Vec<f64>>,
}

/// Starts each gateway `rounds` times with each number of workers, in turns.
///
/// # Errors
/// When one does not start.
pub(super) async fn measure(
    stack: &Stack,
    floor: &Path,
    processors: &Processors,
    rounds: usize,
) -> Result<Vec<Cost>> {
    let mut seen: BTreeMap<&'static str, Seen> = BTreeMap::new();
    for round in 1..=rounds {
        for workers in WORKERS {
            for (name, filter) in STARTED {
                let configuration =
                    Variant { name, filter, call: Call::Read }.configuration(stack, floor, 1)?;
                let (envoy, folder) = (stack.envoy(), stack.folder());
                // As a user starts it: on all processors.
                let launch = Launch { envoy, folder, processors: &processors.all, workers };
                let server = launch.start("started", &configuration).await.context(name)?;
                sleep(SETTLE).await;
                let seen = seen.entry(name).or_default();
                let (start, memory) = (server.ready.as_secs_f64(), float(server.memory()?));
                println!("start {round}: {name:16} {workers} workers {start:.2} s, {:.1} MB", memory / 1e6);
                if workers == 1 {
                    seen.start.push(start);
                }
                seen.memory.entry(workers).or_default().push(memory);
                server.stop().await?;
            }
        }
    }
    costs(&seen)
}

fn costs(seen: &BTreeMap<&'static str, Seen>) -> Result<Vec<Cost>> {
    let none = memory(seen.get("no filter").context("nothing was measured without a filter")?)?;
    let one = |(name, _): (&'static str, Filter)| {
        let seen = seen.get(name).with_context(|| format!("`{name}` was not measured"))?;
        let memory = memory(seen)?;
        let (once, worker) = share(&memory, &none)?;
        Ok(Cost { name, start: Spread::of(seen.start.clone()).context("no start")?, memory, once, worker })
    };
    STARTED.into_iter().map(one).collect()
}

fn memory(seen: &Seen) -> Result<BTreeMap<usize, Spread>> {
    let spread = |(workers, bytes): (&usize, &Vec<f64>)| Some((*workers, Spread::of(bytes.clone())?));
    seen.memory.iter().map(|entry| spread(entry).context("no memory")).collect()
}

/// How much more than `none` it is with no worker, and with each: the line through fewest and most workers.
fn share(memory: &BTreeMap<usize, Spread>, none: &BTreeMap<usize, Spread>) -> Result<(f64, f64)> {
    let more = |workers: usize| {
        let of = |memory: &BTreeMap<usize, Spread>| memory.get(&workers).map(|spread| spread.median);
        Some(of(memory)? - of(none)?)
    };
    let (fewest, most) = memory.keys().next().zip(memory.keys().next_back()).context("no workers")?;
    let (low, high) = more(*fewest).zip(more(*most)).context("other workers")?;
    let workers = |number: usize| u32::try_from(number).map(f64::from);
    let (fewest, most) = (workers(*fewest)?, workers(*most)?);
    let worker = if most > fewest { (high - low) / (most - fewest) } else { 0.0 };
    Ok((low - worker * fewest, worker))
}

impl Sizes {
    /// Of what was built.
    ///
    /// # Errors
    /// When a file is missing.
    pub(super) fn of(workspace: &Workspace, floor: &Path) -> Result<Self> {
        let size = |path: &Path| Ok::<_, anyhow::Error>(std::fs::metadata(path)?.len());
        let compiled = workspace.target(plugin::TARGET).join("plugin/countersign.wasm");
        let filter = size(&workspace.target("countersign.wasm"))?;
        Ok(Self { filter, compiled: size(&compiled)?, floor: size(floor)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_shared_out_to_the_process_and_its_workers() {
        let seen = |once: f64, worker: f64| Seen {
            start: vec![1.0],
            memory: [1, 2, 4].map(|workers| (workers, vec![once + worker * workers as f64])).into(),
        };
        let all = STARTED
            .map(|(name, _)| (name, if name == "no filter" { seen(50.0, 1.0) } else { seen(150.0, 5.0) }));
        let costs = costs(&BTreeMap::from(all)).unwrap();
        assert_eq!((costs[0].once, costs[0].worker), (0.0, 0.0));
        assert_eq!((costs[2].once, costs[2].worker), (100.0, 4.0));
    }
}
