//! `countersign explain`: one request to a verdict.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Args, ValueEnum};
use countersign_core::bundle::Bundle;
use countersign_protocol::UnixMillis;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Asked, Report, Source};
use crate::failure::{DIFFERS, Failure};
use crate::native;
use crate::output;

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
    /// For a pull request: the report for people, as it is.
    Markdown,
}

fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|error: jiff::Error| error.to_string())
}

fn claims(text: &str) -> Result<Map<String, Value>, serde_json::Error> {
    serde_json::from_str(text)
}

/// Explains the request and prints the report. It fails when the recording expects something else, or something of a
/// request that it does not have whole.
///
/// # Errors
/// When there is no report; see [`Failure`].
pub fn run(arguments: &Arguments, bundle: &Bundle) -> Result<ExitCode, Failure> {
    let explainer = native::load(bundle, arguments.configuration.as_deref())?;
    let Asked { mut entry, at, file } = arguments.request.source().read()?;
    entry.claims = arguments.claims.clone().unwrap_or(entry.claims);
    entry.peer.address = arguments.peer.or(entry.peer.address);
    entry.peer.uri_san = arguments.uri_san.clone().or(entry.peer.uri_san);
    let at = match (arguments.at, at) {
        (Some(at), _) => at.as_millisecond(),
        (None, Some(at)) => at,
        (None, None) => now()?,
    };
    let report = Report::new(&explainer, arguments.policies.clone(), &entry, at).of(file);
    match arguments.format {
        Format::Terminal => output::print(&report.terminal())?,
        Format::Json => output::print_json(&format!("{:#}\n", report.json()))?,
        Format::Markdown => output::print(&report.markdown())?,
    }
    let partial = !entry.is_whole() && entry.expect.is_some();
    let differs = partial || report.differs().is_some();
    Ok(if differs { ExitCode::from(DIFFERS) } else { ExitCode::SUCCESS })
}

fn now() -> Result<UnixMillis, Failure> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since = since.map_err(|_| Failure::Other("the clock is before 1970: write `--at`".into()))?;
    Ok(UnixMillis::try_from(since.as_millis()).unwrap_or(UnixMillis::MAX))
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
