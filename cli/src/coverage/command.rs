//! `countersign coverage`: what recorded traffic exercised, and what it never did.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use countersign_core::bundle::Bundle;
use countersign_core::explain::Explainer;
use countersign_protocol::Hash;

use super::{Cross, Report, Tally};
use crate::failure::{DIFFERS, Failure, TRAPPED};
use crate::progress::Progress;
use crate::replay::report::Named;
use crate::replay::request::facts;
use crate::replay::{NOTHING, Reader, Recording, RunError, Setting, left_out};
use crate::{native, output};

/// What `countersign coverage` is told.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The policy folder.
    pub policies: PathBuf,
    /// Recordings, each `*.jsonl`; `-` is what is piped in.
    #[arg(required = true)]
    pub recordings: Vec<PathBuf>,
    /// Ask this filter, too, and fail where it decides otherwise.
    #[arg(long)]
    pub filter: Option<PathBuf>,
    /// The filter's configuration, a JSON file; the folder takes the place of its `bundle`. Without one, nobody is
    /// known.
    #[arg(long)]
    pub configuration: Option<PathBuf>,
    /// Fail when less than this part of policies, gates, clauses or routes was exercised.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub min: Option<f64>,
    /// The form of the report.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// The form of the report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Terminal,
    /// One JSON object.
    Json,
    /// `JUnit` XML: a test case for policies, gates, clauses and routes each.
    Junit,
    /// Annotations of GitHub Actions, at what was never exercised.
    Github,
    /// For a pull request.
    Markdown,
    /// One HTML file that needs nothing else.
    Html,
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').parse().ok();
    number.filter(|number| (0.0..=100.0).contains(number)).ok_or_else(|| "write 0 to 100".into())
}

/// Judges every entry and prints the report.
///
/// # Errors
/// When there is no report; see [`Failure`].
pub fn run(arguments: &Arguments, bundle: &Bundle) -> Result<ExitCode, Failure> {
    let configuration = arguments.configuration.as_deref();
    let explainer = native::load(bundle, configuration)?;
    let setting = arguments.filter.as_ref().map(|filter| Setting::read(filter, bundle, configuration));
    let setting = setting.transpose()?;
    let report = cover(arguments, &explainer, setting.as_ref())?;
    match arguments.format {
        Format::Terminal => output::print(&report.terminal())?,
        Format::Json => output::print_json(&report.json())?,
        Format::Markdown => output::print(&report.markdown())?,
        Format::Junit => output::print(&report.junit())?,
        Format::Github => output::print(&report.github())?,
        Format::Html => output::print(&report.html())?,
    }
    Ok(code(&report))
}

fn cover(
    arguments: &Arguments,
    explainer: &Explainer,
    setting: Option<&Setting>,
) -> Result<Report, RunError> {
    let mut tally = Tally::new(explainer, &arguments.policies);
    let mut cross = setting.map(Cross::new);
    let mut recordings = Vec::new();
    let mut faults = Vec::new();
    let (bar, mut before) = (Progress::over(&arguments.recordings), 0);
    for path in &arguments.recordings {
        let mut reader = Reader::open(path)?;
        while let Some(entry) = reader.entry()? {
            bar.at(before + reader.bytes());
            if !entry.is_whole() {
                tally.partial += 1;
                faults.extend(left_out(&entry));
                continue;
            }
            let exercised = explainer.exercise(&facts(&entry), entry.ts);
            tally.add(&exercised);
            if let Some(cross) = &mut cross {
                cross.play(entry, exercised.decision)?;
            }
        }
        cross.iter_mut().for_each(Cross::finish);
        before += reader.bytes();
        recordings.push(reader.recording());
    }
    if tally.decisions.total() == 0 {
        faults.push(NOTHING.into());
    }
    let hash = setting.map(|setting| setting.filter_hash);
    let mut report = report(arguments, explainer, hash, (recordings, tally, cross));
    report.faults.extend(faults);
    Ok(report)
}

fn report(
    arguments: &Arguments,
    explainer: &Explainer,
    filter_hash: Option<Hash>,
    (recordings, tally, cross): (Vec<Recording>, Tally, Option<Cross<'_>>),
) -> Report {
    let filter = arguments.filter.clone().zip(filter_hash);
    let trapped = cross.as_ref().is_some_and(|cross| cross.trapped);
    let (disagreements, faults) = cross.map(|cross| (cross.disagreements, cross.faults)).unwrap_or_default();
    Report {
        bundle: Named { path: arguments.policies.clone(), sha256: explainer.bundle_hash() },
        filter: filter.map(|(path, sha256)| Named { path, sha256 }),
        recordings,
        covered: tally.covered(),
        tally,
        disagreements,
        faults,
        trapped,
        min: arguments.min,
    }
}

/// What is below the limit is said where it breaks no format.
fn code(report: &Report) -> ExitCode {
    let mut fails = !report.disagreements.is_empty() || !report.faults.is_empty();
    for line in report.too_little() {
        output::say(line);
        fails = true;
    }
    match (report.trapped, fails) {
        (true, _) => ExitCode::from(TRAPPED),
        (false, true) => ExitCode::from(DIFFERS),
        (false, false) => ExitCode::SUCCESS,
    }
}
