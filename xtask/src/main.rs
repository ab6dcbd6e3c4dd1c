//! The command line of `cargo xtask`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::workspace::Workspace;
use xtask::{envoy, plugin, rules};

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
    Envoy,
    /// Checks who may depend on what, and what core and sources must not hold.
    CheckDeps,
}

fn main() -> ExitCode {
    let done = run(&Arguments::parse().command);
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(command: &Command) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    match command {
        Command::Build => plugin::build(&workspace).map(|_| ExitCode::SUCCESS),
        Command::Envoy => envoy::install(&workspace).map(|path| {
            println!("{}", path.display());
            ExitCode::SUCCESS
        }),
        Command::CheckDeps => rules::check(&workspace),
    }
}
