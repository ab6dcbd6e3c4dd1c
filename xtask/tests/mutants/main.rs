//! Replays the examples with every mutant of the filter, and says what noticed each: none may survive.

mod play;

use std::num::NonZero;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Result, bail};
use xtask::mutants::{self, Mutant};
use xtask::workspace::Workspace;

use play::{Corpus, Played};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let workspace = Workspace::find()?;
    let mutants = mutants::all();
    let corpus = Corpus::read(&workspace, &mutants::build(&workspace)?)?;
    if let Played::Caught(by) = corpus.play("")? {
        bail!("without any mutant the recordings do not pass: {by}");
    }
    let played = play_all(&corpus, &mutants)?;
    match report(&mutants, &played) {
        0 => Ok(()),
        survivors => bail!("{survivors} of {} mutants survived", mutants.len()),
    }
}

/// What came of each mutant, in the order of the list.
fn play_all(corpus: &Corpus, mutants: &[Mutant]) -> Result<Vec<Played>> {
    let next = AtomicUsize::new(0);
    let job = || {
        let mut played = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(mutant) = mutants.get(place) else { return Ok(played) };
            let result = corpus.play(&mutants::switch(place));
            played.push((place, result.map_err(|error| error.context(mutant.name))?));
        }
    };
    let jobs = thread::available_parallelism().map_or(1, NonZero::get);
    let mut all: Vec<(usize, Played)> = thread::scope(|scope| {
        let jobs: Vec<_> = (0..jobs).map(|_| scope.spawn(job)).collect();
        let done = jobs.into_iter().map(|job| job.join().unwrap_or_else(|_| bail!("a replay panicked")));
        done.collect::<Result<Vec<_>>>().map(|all| all.into_iter().flatten().collect())
    })?;
    all.sort_by_key(|(place, _)| *place);
    Ok(all.into_iter().map(|(_, played)| played).collect())
}

/// Prints each mutant with what noticed it; gives how many nothing noticed.
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
