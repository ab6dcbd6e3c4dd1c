//! `countersign explain`: one request to a verdict.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Result;
use clap::{Args, ValueEnum};
use countersign_core::bundle::Bundle;
use countersign_protocol::UnixMillis;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Asked, Report, Source};
use crate::native;
use crate::replay::command::{DIFFERS, UNREADABLE};

/// The command line is wrong.
const USAGE: u8 = 2;

/// What `countersign explain` is told.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The policy folder.
    pub policies: PathBuf,
    #[command(flatten)]
    /// The request.
    pub request: RequestArguments,
    /// The filter's configuration, a JSON file; the folder takes the place of its `bundle`. Without one, nobody is
    /// known.
    #[arg(long)]
    pub configuration: Option<PathBuf>,
    /// The time as of which it is judged (RFC 3339); else the recorded one, else now.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub at: Option<Timestamp>,
    /// Claims that the gateway verified, from metadata key to payload, as JSON: `{"agents":{"sub":"x"}}`.
    #[arg(long, value_parser = claims)]
    pub claims: Option<Map<String, Value>>,
    /// The address of the other end of the connection.
    #[arg(long, value_name = "ADDRESS")]
    pub peer: Option<IpAddr>,
    /// The URI in its certificate, which the gateway verified.
    #[arg(long, value_name = "URI")]
    pub uri_san: Option<String>,
    /// The form of the report.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// The request, in one of three forms.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct RequestArguments {
    /// An entry of a recording.
    #[arg(long, value_name = "RECORDING#ID")]
    pub entry: Option<String>,
    /// A `curl` command line, in quotes.
    #[arg(long, value_name = "COMMAND")]
    pub curl: Option<String>,
    /// A JSON file with a recording's entry, or with `method`, `url` (or `host` and `path`), `headers`, `body`,
    /// `claims`, `peer`, `uri_san` and `ts`; `-` reads what is piped in.
    #[arg(long, value_name = "FILE")]
    pub json: Option<String>,
}

/// The form of the report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Terminal,
    /// One JSON object.
    Json,
}

fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|error: jiff::Error| error.to_string())
}

fn claims(text: &str) -> Result<Map<String, Value>, serde_json::Error> {
    serde_json::from_str(text)
}

/// Explains the request and prints the report. It fails when the recording expects something else.
///
/// # Errors
/// When the clock is before 1970. What cannot be read is said here, with its own exit code.
pub fn run(arguments: &Arguments, bundle: &Bundle) -> Result<ExitCode> {
    let explainer = match native::load(bundle, arguments.configuration.as_deref()) {
        Ok(explainer) => explainer,
        Err(error) => return Ok(fail(&error, UNREADABLE)),
    };
    let Asked { mut entry, at } = match arguments.request.source().read() {
        Ok(asked) => asked,
        Err(error) => return Ok(fail(&error, if error.is_usage() { USAGE } else { UNREADABLE })),
    };
    entry.claims = arguments.claims.clone().unwrap_or(entry.claims);
    entry.peer.address = arguments.peer.or(entry.peer.address);
    entry.peer.uri_san = arguments.uri_san.clone().or(entry.peer.uri_san);
    let at = match (arguments.at, at) {
        (Some(at), _) => at.as_millisecond(),
        (None, Some(at)) => at,
        (None, None) => now()?,
    };
    let report = Report::new(&explainer, arguments.policies.clone(), &entry, at);
    match arguments.format {
        Format::Terminal => print!("{}", report.terminal()),
        Format::Json => println!("{:#}", report.json()),
    }
    Ok(if report.differs().is_some() { ExitCode::from(DIFFERS) } else { ExitCode::SUCCESS })
}

fn now() -> Result<UnixMillis> {
    Ok(i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis())?)
}

fn fail(error: &dyn std::error::Error, code: u8) -> ExitCode {
    eprintln!("{error}");
    ExitCode::from(code)
}

impl RequestArguments {
    /// One of them is there: the command line is not taken otherwise.
    fn source(&self) -> Source {
        match (&self.entry, &self.curl, &self.json) {
            (Some(name), _, _) => Source::Entry(name.clone()),
            (_, Some(line), _) => Source::Curl(line.clone()),
            (_, _, path) => Source::Json(path.clone().unwrap_or_else(|| "-".into())),
        }
    }
}
