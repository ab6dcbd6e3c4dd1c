//! The `countersign` command: what a policy author does before anything is deployed.

mod record;
mod render;
mod report;
mod trial;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use countersign_core::bundle::Bundle;
use countersign_core::engine::Rules;
use countersign_core::policy::PolicyLimits;

/// Policies on every request: allow, deny, or a human must countersign.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a policy folder as the filter would load it.
    Check {
        /// The folder with `*.cedar`, `*.cedarschema`, `entities.json`, `routes.yaml`, `identities.yaml`.
        folder: PathBuf,
        /// Have this filter, such as `target/countersign.wasm`, load it too. It runs here, without a gateway.
        #[arg(long, requires = "configuration")]
        filter: Option<PathBuf>,
        /// The filter's configuration, a JSON file; the folder takes the place of its `bundle`.
        #[arg(long, requires = "filter")]
        configuration: Option<PathBuf>,
    },
    /// Print a checked policy folder as the bundle that the filter's configuration takes.
    Bundle {
        /// The policy folder.
        folder: PathBuf,
    },
    /// Decide recorded requests as a gateway with the filter would, and check what comes of them.
    Replay(countersign_cli::replay::command::Arguments),
    /// Say what a change of policies would do to recorded requests.
    Diff(countersign_cli::diff::command::Arguments),
    /// Say what is decided on one request and why, and what would have to differ.
    Explain(countersign_cli::explain::command::Arguments),
    /// Say which policies, gates, clauses and routes recorded requests exercise.
    Coverage(countersign_cli::coverage::command::Arguments),
    /// Fill in a gateway configuration's `{{ names }}` and print it.
    Render {
        /// The template, such as `envoy/envoy.yaml`.
        template: PathBuf,
        /// The policy folder for `{{ bundle }}`.
        #[arg(long)]
        bundle: PathBuf,
        /// A file with values for the other names, one on a line; `#` begins a comment line.
        #[arg(long = "values", value_name = "FILE")]
        file: Option<PathBuf>,
        /// Values, `name=value`, before those of the file; `name=@file` takes a file's content.
        values: Vec<String>,
    },
    /// Make schema, routes and suggested gates of what an API says of itself.
    #[command(subcommand)]
    Import(countersign_cli::import::Import),
    /// Make a recording of what other tools recorded, without its secrets.
    Record(record::Record),
}

fn main() -> Result<ExitCode> {
    match Arguments::parse().command {
        Command::Check { folder, filter, configuration } => {
            let Some((bundle, rules)) = load(&folder)? else { return Ok(ExitCode::FAILURE) };
            let (policies, gates) = rules.count();
            println!("{}: {policies} policies, {gates} of them gates", folder.display());
            match filter.zip(configuration) {
                Some((filter, configuration)) => trial::run(&filter, &configuration, &bundle),
                None => Ok(ExitCode::SUCCESS),
            }
        }
        Command::Bundle { folder } => print(load(&folder)?.map(|(bundle, _)| bundle.to_json().to_string())),
        Command::Replay(arguments) => match load(&arguments.policies)? {
            Some((bundle, rules)) => countersign_cli::replay::command::run(&arguments, &bundle, &rules),
            None => Ok(ExitCode::from(countersign_cli::replay::command::UNREADABLE)),
        },
        Command::Diff(arguments) => match (load(&arguments.old)?, load(&arguments.new)?) {
            (Some((old, _)), Some((new, _))) => countersign_cli::diff::command::run(&arguments, &old, &new),
            _ => Ok(ExitCode::from(countersign_cli::replay::command::UNREADABLE)),
        },
        Command::Explain(arguments) => match load(&arguments.policies)? {
            Some((bundle, _)) => countersign_cli::explain::command::run(&arguments, &bundle),
            None => Ok(ExitCode::from(countersign_cli::replay::command::UNREADABLE)),
        },
        Command::Coverage(arguments) => match load(&arguments.policies)? {
            Some((bundle, _)) => countersign_cli::coverage::command::run(&arguments, &bundle),
            None => Ok(ExitCode::from(countersign_cli::replay::command::UNREADABLE)),
        },
        Command::Render { template, bundle, file, values } => match load(&bundle)? {
            Some((bundle, _)) => print(Some(render::render(&template, &bundle, file.as_deref(), &values)?)),
            None => Ok(ExitCode::FAILURE),
        },
        Command::Import(import) => self::import(&import),
        Command::Record(record) => record.run(),
    }
}

/// Writes what loads, and only that.
fn import(import: &countersign_cli::import::Import) -> Result<ExitCode> {
    let plan = import.plan()?;
    plan.report.iter().for_each(|line| println!("{line}"));
    let loaded = Bundle::from_files(plan.files.clone())
        .and_then(|bundle| Rules::load(&bundle, &[], &PolicyLimits::default()));
    if let Err(errors) = loaded {
        report::show(&plan.files, &errors);
        eprintln!("nothing is written: with it, `{}` would not load", import.folder().display());
        return Ok(ExitCode::FAILURE);
    }
    plan.write(import.folder())?;
    println!("{}: {} files written", import.folder().display(), plan.changed.len());
    Ok(ExitCode::SUCCESS)
}

fn print(text: Option<String>) -> Result<ExitCode> {
    let Some(text) = text else { return Ok(ExitCode::FAILURE) };
    println!("{text}");
    Ok(ExitCode::SUCCESS)
}

/// Reads and checks a folder; what is wrong with it is shown, and then there is nothing.
fn load(folder: &std::path::Path) -> Result<Option<(Bundle, Rules)>> {
    let files = countersign_cli::directory::read(folder)?;
    let loaded = Bundle::from_files(files.clone()).and_then(|bundle| {
        let rules = Rules::load(&bundle, &[], &PolicyLimits::default())?;
        Ok((bundle, rules))
    });
    Ok(loaded.inspect_err(|errors| report::show(&files, errors)).ok())
}
