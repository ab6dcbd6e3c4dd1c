//! `cargo xtask mutants`: takes guards out of the filter, one at a time, and sees that a replay notices.
//!
//! All mutants are in one build: in a copy of the sources each guard stands beside what takes its place, and a
//! switch, read from the plugin's name in the gateway's configuration, says which of the two counts. So a mutant
//! is compiled code of the filter, runs where the filter runs, and costs one replay instead of a build and the
//! compilation of its WebAssembly. With no switch on, the copy must pass every recording: what is found with one
//! on is then found because of it.

mod list;
mod play;
mod source;

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Result, bail};

use crate::plugin::TARGET;
use crate::workspace::{Workspace, run as run_command};
use play::{Corpus, Played};
use source::Sources;

/// A guard, and what takes its place.
#[derive(Debug, Clone, Copy)]
struct Mutant {
    /// What reports call it, unique.
    name: &'static str,
    /// What the filter does without it.
    removes: &'static str,
    /// The file, from the workspace's root.
    file: &'static str,
    /// The guard: an expression, or statements and one, that stands in the file exactly once.
    old: &'static str,
    /// What takes its place: an expression of the same type.
    new: &'static str,
}

/// Builds the filter with all mutants, replays the examples with each, and prints what found them.
///
/// # Errors
/// When a mutant no longer fits its file, the filter without a mutant does not pass, or one survives.
pub fn run(workspace: &Workspace) -> Result<()> {
    let mutants = list::all();
    let filter = build(workspace, &mutants)?;
    let corpus = Corpus::read(workspace, &filter)?;
    if let Played::Caught(by) = corpus.play("")? {
        bail!("without any mutant the recordings do not pass: {by}");
    }
    let played = play_all(&corpus, &mutants)?;
    let survivors = report(&mutants, &played);
    if survivors > 0 {
        bail!("{survivors} of {} mutants survived", mutants.len());
    }
    Ok(())
}

fn build(workspace: &Workspace, mutants: &[Mutant]) -> Result<PathBuf> {
    let folder = workspace.target("mutants/source");
    Sources::read(workspace.root())?.with(mutants)?.write(&folder)?;
    workspace.add_rust_target(TARGET)?;
    let built = workspace.target("mutants/build");
    let mut cargo = workspace.cargo();
    cargo.current_dir(&folder).args(["build", "--package", "countersign-plugin"]);
    cargo.args(["--profile", "mutants", "--target", TARGET, "--target-dir"]).arg(&built);
    run_command(&mut cargo)?;
    Ok(built.join(TARGET).join("mutants/countersign.wasm"))
}

/// What came of each mutant, in the order of the list.
fn play_all(corpus: &Corpus, mutants: &[Mutant]) -> Result<Vec<Played>> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut played = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if place >= mutants.len() {
                return Ok(played);
            }
            played.push((place, corpus.play(&source::switch(place))?));
        }
    };
    let jobs = thread::available_parallelism().map_or(1, NonZero::get);
    let mut all: Vec<(usize, Played)> = thread::scope(|scope| {
        let jobs: Vec<_> = (0..jobs).map(|_| scope.spawn(worker)).collect();
        let done = jobs.into_iter().map(|job| job.join().unwrap_or_else(|_| bail!("a replay panicked")));
        done.collect::<Result<Vec<_>>>().map(|all| all.into_iter().flatten().collect())
    })?;
    all.sort_by_key(|(place, _)| *place);
    Ok(all.into_iter().map(|(_, played)| played).collect())
}

/// Prints each mutant with what found it; gives how many nothing found.
fn report(mutants: &[Mutant], played: &[Played]) -> usize {
    for (mutant, played) in mutants.iter().zip(played) {
        println!("{}: {} ({})", mutant.name, mutant.removes, mutant.file);
        match played {
            Played::Caught(by) => println!("    caught: {by}"),
            Played::Survived => println!("    SURVIVED"),
        }
    }
    let survivors = played.iter().filter(|played| matches!(played, Played::Survived)).count();
    println!("{} mutants, {} caught, {survivors} survived", mutants.len(), mutants.len() - survivors);
    survivors
}
