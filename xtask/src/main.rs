//! The command line of `cargo xtask`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::workspace::Workspace;
use xtask::{
    bench, demo, envoy, faults, fuzz, mutants, packages, pictures, plugin, postgres, reading, rules, service,
    soak, suite,
};

/// Every command that a contributor or CI runs.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds the filter at `target/countersign.wasm` and prints its sizes.
    Build,
    /// Gets a real Envoy and prints the path of its binary.
    #[command(after_help = packages::help())]
    Envoy,
    /// Checks who may depend on what, and what core and sources must not hold.
    CheckDeps,
    /// Runs the example on a real Envoy and leaves it running, until Ctrl-C, for you to approve.
    #[command(after_help = packages::help())]
    Demo {
        /// Plays the people as well, asserts every row and stops; the last line is JSON.
        #[arg(long)]
        check: bool,
    },
    /// Writes the pages of the guide that are made of what the tests assert.
    Guide,
    /// Takes the pictures of the inbox in the documentation anew.
    Pictures,
    /// Measures speed, cost and held requests on a real Envoy and writes `docs/performance.md`.
    #[command(after_help = packages::help())]
    Bench(bench::Options),
    /// Takes guards out of the filter, one at a time, and sees that a replay of the examples notices each.
    Mutants,
    /// Kills gateways and approval service at random moments under load, and checks that all that was promised
    /// holds; before that, races and kills replicas of the service alone, on both databases; then plays 2,000 generated requests in the harness and in a real Envoy, which must agree.
    #[command(after_help = packages::help())]
    Soak {
        /// How often.
        #[arg(long, default_value_t = 1000)]
        rounds: usize,
        /// What all choices follow from; otherwise `COUNTERSIGN_SEED`, otherwise random.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Looks for inputs for which something that must hold does not; needs Rust's nightly toolchain.
    Fuzz(fuzz::Options),
    /// The tests of the approval service on a PostgreSQL of its own: what `test` does among others.
    #[command(after_help = packages::help())]
    Postgres,
    /// Builds the approval service as one static binary, at `target/service/countersign-approvals`.
    #[command(after_help = packages::help())]
    Service,
    /// Everything that must hold before a change is taken.
    #[command(after_help = packages::help())]
    Test,
    /// The same as `test`.
    #[command(after_help = packages::help())]
    Ci,
}

fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<()> {
    let workspace = Workspace::find()?;
    match command {
        Command::Build => plugin::build(&workspace).map(drop),
        Command::Envoy => envoy::install(&workspace).map(|path| println!("{}", path.display())),
        Command::CheckDeps => rules::check(&workspace),
        Command::Demo { check } => demo::run(&workspace, *check),
        Command::Pictures => pictures::run(&workspace),
        Command::Guide => faults::write(&workspace).and_then(|()| reading::write(&workspace)),
        Command::Bench(options) => bench::run(&workspace, *options),
        Command::Fuzz(options) => fuzz::run(&workspace, options),
        Command::Mutants => mutants::run(&workspace),
        Command::Postgres => postgres::test(&workspace),
        Command::Service => service::build(&workspace).map(drop),
        Command::Soak { rounds, seed } => soak::run(&workspace, &soak::Options::new(*rounds, *seed)),
        Command::Test | Command::Ci => suite::test(&workspace),
    }
}
