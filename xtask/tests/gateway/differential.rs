//! The harness against a real Envoy: the same entries through both must come to the same.
//!
//! A busy machine ends holds early and lets clients leave late, so what differs is tried again, by itself; only what
//! differs each time counts. Known differences are in `docs/harness-differences.md`, and pinned in `pinned`.

mod compare;
mod generate;
mod odd;
mod pinned;
mod rows;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use countersign_cli::replay::envoy::{self, Envoy};
use countersign_cli::replay::{Ending, Options, Played, Setting, Stage};
use countersign_core::bundle::Bundle;
use countersign_protocol::recording::Entry;
use xtask::example::{Example, files};
use xtask::stack::now;
use xtask::workspace::Workspace;

use crate::Trials;
use crate::world::World;

/// Generated entries of one run of the tests.
const GENERATED: usize = 300;
/// The same in `cargo xtask soak`.
const SOAKED: usize = 2_000;
/// Tries of what differs.
const TRIES: usize = 3;
/// One of so many entries, at most, may be one that Envoy answers by itself: more compare too little.
const OWN: usize = 10;
/// Differences that are printed.
const SHOWN: usize = 10;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("differential: the examples", examples);
    trials.add("differential: 300 generated requests", async |world| generated(world, 1, GENERATED).await);
    trials.add("differential: what is known to differ", pinned::all);
    trials.add("differential: evidence that comes late", pinned::late);
    trials.add("differential: the page about it", pinned::page);
    trials.add("differential: what is compared of evidence", pinned::evidence);
    trials.add("differential: how often a grant is refused", pinned::dedup);
    trials.add_ignored("differential: 2,000 generated requests", async |world| {
        let seed = std::env::var(xtask::soak::SEED).ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| fastrand::u64(..));
        println!("differential: {}={seed}", xtask::soak::SEED);
        generated(world, seed, SOAKED).await
    });
}

/// Both gateways, with the same filter, policies and configuration.
pub(crate) struct Pair {
    setting: Setting,
    envoy: Envoy,
}

/// An entry as both gateways played it.
pub(crate) struct Both {
    pub(crate) here: Played,
    pub(crate) there: Played,
}

impl Pair {
    fn new(world: &World, files: BTreeMap<String, String>, configuration: &Path) -> Result<Self> {
        let bundle = Bundle::from_files(files).map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
        let filter = world.stack.filter();
        let setting = Setting::read(filter, &bundle, Some(configuration))?;
        Ok(Self { setting, envoy: Envoy { binary: world.stack.envoy().into(), filter: filter.into() } })
    }

    /// With the policies of the generated entries.
    pub(crate) fn generated(world: &World) -> Result<Self> {
        let folder = Workspace::find()?.root().join("xtask/tests/gateway/differential");
        Self::new(world, files(&folder.join("policies"))?, &folder.join("configuration.json"))
    }

    /// With the policies and the configuration of an example.
    fn example(world: &World, workspace: &Workspace, folder: &Path) -> Result<Self> {
        Self::new(world, policies(workspace, folder)?, &folder.join("configuration.json"))
    }

    fn options() -> Options {
        Options { workers: 2, seed: 1, ..Options::default() }
    }

    /// Plays entries through both, side by side.
    pub(crate) async fn play(&self, entries: &[Entry]) -> Result<Vec<Both>> {
        let (setting, mine) = (self.setting.clone(), entries.to_vec());
        let harness = tokio::task::spawn_blocking(move || in_harness(&setting, mine));
        let there = envoy::play(&self.envoy, &self.setting, &Self::options(), entries.to_vec()).await?;
        let (here, there) = (sound(harness.await??)?, sound(there)?);
        let lengths = (here.len(), there.len());
        ensure!(lengths == (entries.len(), entries.len()), "not every entry came to an end: {lengths:?}");
        Ok(here.into_iter().zip(there).map(|(here, there)| Both { here, there }).collect())
    }

    /// Plays entries through both until nothing differs that did not differ before; gives what differs, and how
    /// many Envoy answered by itself as it is known to. Any other answer of its own is a difference.
    async fn compare(&self, mut entries: Vec<Entry>) -> Result<(Vec<String>, usize)> {
        let (mut differing, mut own) = (Vec::new(), 0);
        for _ in 0..TRIES {
            differing.clear();
            let mut again = Vec::new();
            for both in self.play(&shifted(&entries)).await? {
                if rows::is_known(&both.there) {
                    own += 1;
                    continue;
                }
                let found = compare::differences(&compare::view(&both.here), &compare::view(&both.there));
                if !found.is_empty() {
                    differing.push(format!("{}:\n    {}", both.here.entry.id, found.join("\n    ")));
                    again.push(both.here.entry);
                }
            }
            entries = again;
            if entries.is_empty() {
                break;
            }
        }
        Ok((differing, own))
    }
}

/// The same entries, the first of them now: policies may ask for the time.
fn shifted(entries: &[Entry]) -> Vec<Entry> {
    let shift = now() - entries.first().map_or(0, |first| first.ts);
    entries.iter().map(|entry| Entry { ts: entry.ts + shift, ..entry.clone() }).collect()
}

fn in_harness(setting: &Setting, entries: Vec<Entry>) -> Result<(Vec<Played>, Ending)> {
    let at = entries.first().map_or(0, |first| first.ts);
    let at = Duration::from_millis(at.unsigned_abs());
    let mut stage = Stage::start(setting, &Pair::options(), at)?;
    let mut played = Vec::new();
    for (number, entry) in entries.into_iter().enumerate() {
        played.extend(stage.play(number as u64, entry));
    }
    let (rest, ending) = stage.finish();
    played.extend(rest);
    played.sort_by_key(|played| played.number);
    Ok((played, ending))
}

fn sound((played, ending): (Vec<Played>, Ending)) -> Result<Vec<Played>> {
    let Ending { breaks, traps, faults, .. } = ending;
    ensure!(breaks.is_empty() && traps.is_empty() && faults.is_empty(), "{breaks:?} {traps:?} {faults:?}");
    Ok(played)
}

fn agreed((differing, own): (Vec<String>, usize), count: usize) -> Result<()> {
    println!("differential: {count} entries, {own} of them answered by Envoy itself");
    ensure!(own * OWN <= count, "Envoy itself answered {own} of {count}: so few are compared");
    if differing.is_empty() {
        return Ok(());
    }
    let shown: Vec<_> = differing.iter().take(SHOWN).map(String::as_str).collect();
    bail!("{} of {count} differ (harness and Envoy):\n  {}", differing.len(), shown.join("\n  "))
}

async fn generated(world: &World, seed: u64, count: usize) -> Result<()> {
    let entries = generate::entries(seed, count, now());
    let compared = Pair::generated(world)?.compare(entries).await;
    agreed(compared.with_context(|| format!("{}={seed}", xtask::soak::SEED))?, count)
}

/// An entry whose evidence comes when the service is well again: in the harness at the end of the run, at Envoy
/// after it.
const LATE: &str = "a-note-whose-record-nobody-keeps";

/// Every recording under `examples/`, with the policies beside it.
async fn examples(world: &World) -> Result<()> {
    let workspace = Workspace::find()?;
    for folder in std::fs::read_dir(workspace.root().join("examples"))? {
        let folder = folder?.path();
        let recordings = recordings(&folder)?;
        if recordings.is_empty() {
            continue;
        }
        let pair = Pair::example(world, &workspace, &folder)?;
        for recording in recordings {
            let mut entries = recorded(&recording)?;
            entries.retain(|entry| entry.id != LATE);
            let count = entries.len();
            agreed(pair.compare(entries).await?, count).with_context(|| recording.display().to_string())?;
        }
    }
    Ok(())
}

fn recorded(recording: &Path) -> Result<Vec<Entry>> {
    let text = std::fs::read_to_string(recording)?;
    let entries = text.lines().map(serde_json::from_str).collect::<Result<Vec<Entry>, _>>();
    entries.with_context(|| recording.display().to_string())
}

/// Those of the deployment agent have change windows, which are relative to now.
fn policies(workspace: &Workspace, folder: &Path) -> Result<BTreeMap<String, String>> {
    match folder.join("windows.json").exists() {
        true => Example::of(workspace).files(now()),
        false => files(&folder.join("policies")),
    }
}

fn recordings(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
