//! The `countersign` command: what a policy author does before anything is deployed.

mod record;
mod render;
mod report;
mod trial;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use countersign_cli::failure::Failure;
use countersign_cli::output;
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
        /// The folder with `*.cedar`, `*.cedarschema`, `entities.json`, `routes.yaml`, `identities.yaml`, `*.jwks.json`.
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
    /// See and answer requests for approval.
    Approvals(countersign_cli::approvals::Arguments),
    /// Make a recording of what other tools recorded, without its secrets.
    Record(record::Record),
}

fn main() -> ExitCode {
    let ended = run(Arguments::parse().command);
    ended.unwrap_or_else(|failure| {
        output::say(&failure);
        failure.code()
    })
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Check { folder, filter, configuration } => {
            let Some((bundle, rules)) = load(&folder)? else { return Ok(ExitCode::FAILURE) };
            let (policies, gates) = rules.count();
            output::print(&format!("{}: {policies} policies, {gates} of them gates\n", folder.display()))?;
            match filter.zip(configuration) {
                Some((filter, configuration)) => {
                    let tried = trial::run(&filter, &configuration, &bundle);
                    tried.map_err(|error| Failure::Unreadable(format!("{error:#}")))
                }
                None => Ok(ExitCode::SUCCESS),
            }
        }
        Command::Bundle { folder } => print(load(&folder)?.map(|(bundle, _)| bundle.to_json().to_string())),
        Command::Replay(arguments) => {
            let (bundle, rules) = loaded(&arguments.policies)?;
            countersign_cli::replay::command::run(&arguments, &bundle, &rules)
        }
        Command::Diff(arguments) => {
            let (folder, revision) = (&arguments.old, arguments.old_rev.as_deref());
            let old = match revision {
                Some(revision) => check(countersign_cli::directory::read_at(folder, revision)?),
                None => load(folder)?,
            };
            countersign_cli::diff::command::run(&arguments, fit(folder, old)?, loaded(&arguments.new)?)
        }
        Command::Explain(arguments) => {
            let (bundle, _) = loaded(&arguments.policies)?;
            countersign_cli::explain::command::run(&arguments, &bundle)
        }
        Command::Coverage(arguments) => {
            let (bundle, _) = loaded(&arguments.policies)?;
            countersign_cli::coverage::command::run(&arguments, &bundle)
        }
        Command::Render { template, bundle, file, values } => match load(&bundle)? {
            Some((bundle, _)) => {
                let text = render::render(&template, &bundle, file.as_deref(), &values);
                print(Some(text.map_err(|error| Failure::Other(format!("{error:#}")))?))
            }
            None => Ok(ExitCode::FAILURE),
        },
        Command::Import(import) => self::import(&import),
        Command::Approvals(arguments) => countersign_cli::approvals::run(&arguments),
        Command::Record(record) => record.run(),
    }
}

/// Writes what loads, and only that.
fn import(import: &countersign_cli::import::Import) -> Result<ExitCode, Failure> {
    let wrong = |error: anyhow::Error| Failure::Unreadable(format!("{error:#}"));
    let plan = import.plan().map_err(wrong)?;
    let loaded = Bundle::from_files(plan.files.clone())
        .and_then(|bundle| Rules::load(&bundle, &[], &PolicyLimits::default()));
    let mut text: String = plan.report.iter().map(|line| format!("{line}\n")).collect();
    if let Err(errors) = loaded {
        output::print(&text)?;
        report::show(&plan.files, &errors);
        let message = format!("nothing is written: with it, `{}` would not load", import.folder().display());
        return Err(Failure::Other(message));
    }
    plan.write(import.folder()).map_err(wrong)?;
    text += &format!("{}: {} files written\n", import.folder().display(), plan.changed.len());
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints for other programs: as it is.
fn print(text: Option<String>) -> Result<ExitCode, Failure> {
    let Some(text) = text else { return Ok(ExitCode::FAILURE) };
    output::print_raw(&(text + "\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Reads and checks a folder; what is wrong with it is shown, and then there is nothing.
fn load(folder: &std::path::Path) -> Result<Option<(Bundle, Rules)>, Failure> {
    Ok(check(countersign_cli::directory::read(folder)?))
}

fn check(files: BTreeMap<String, String>) -> Option<(Bundle, Rules)> {
    let loaded = Bundle::from_files(files.clone()).and_then(|bundle| {
        let rules = Rules::load(&bundle, &[], &PolicyLimits::default())?;
        Ok((bundle, rules))
    });
    loaded.inspect_err(|errors| report::show(&files, errors)).ok()
}

/// The same for those who need one.
fn loaded(folder: &std::path::Path) -> Result<(Bundle, Rules), Failure> {
    fit(folder, load(folder)?)
}

fn fit(folder: &std::path::Path, loaded: Option<(Bundle, Rules)>) -> Result<(Bundle, Rules), Failure> {
    loaded.ok_or_else(|| Failure::Unreadable(format!("`{}` cannot be loaded", folder.display())))
}
