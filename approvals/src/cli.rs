//! The command line: serve, add users and gateways, print the public key.

mod commands;
mod login;
mod serve;
mod telemetry;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use countersign_approvals::{Channels, Data, Database, Limits, Name, Settings};
use jiff::SignedDuration;
use telemetry::LogFormat;
use url::Url;

/// The approval service of Countersign: keeps requests for approval and people's answers.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Args)]
struct Options {
    /// Where to listen; port 0 takes any free port
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// The folder for the signing key and, unless another is named, the database; made on the first run
    #[arg(long, default_value = "./data", global = true)]
    data: PathBuf,
    /// PostgreSQL for more than one replica (`postgres://user:password@host/database`), or `sqlite:` and a file's
    /// path [default: countersign.db in the data folder]
    #[arg(long, env = "COUNTERSIGN_DATABASE", hide_env_values = true, value_name = "ADDRESS", global = true)]
    database: Option<Database>,
    /// How long to wait at the start for a PostgreSQL that is away
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    wait_for_database: Duration,
    /// What the service, its people and its groups are called in grants
    #[arg(long, default_value = "local", global = true)]
    issuer: String,
    /// The address that browsers use [default: `http://localhost` or the address to listen on, with its port]
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
    #[command(flatten)]
    login: login::LoginOptions,
    /// The channels that people are told through: chats, mail, webhooks (`docs/channels.md`)
    #[arg(long, value_name = "FILE")]
    channels: Option<PathBuf>,
    /// After how long without a record a producer of evidence counts as silent, unless it stopped in good order;
    /// it makes a record each minute
    #[arg(long, value_name = "TIME", default_value = "3m", value_parser = time)]
    silent_after: Duration,
    /// The certificates to serve HTTPS with, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the first of them, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The authorities whose certificates gateways may prove themselves with, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    gateway_ca: Option<PathBuf>,
    /// How log lines are written; RUST_LOG says which
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
    /// Where to send traces, by OTLP over HTTP (`http://127.0.0.1:4318`)
    #[arg(long, value_name = "ADDRESS", env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    otlp: Option<String>,
    #[command(flatten)]
    limits: Limited,
}

/// How much is asked of people at most.
#[derive(Args)]
#[command(next_help_heading = "Limits")]
struct Limited {
    /// Requests that may be open at a time, in all
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().open)]
    most_open: u32,
    /// The same of one audience, so that one gateway leaves room for the others
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().open_per_audience)]
    most_open_per_audience: u32,
    /// The same of one principal
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().open_per_principal)]
    most_open_per_principal: u32,
    /// The same at one gate
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().open_per_gate)]
    most_open_per_gate: u32,
    /// Requests that one principal may ask for within a minute
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().asked_per_minute)]
    most_per_minute: u32,
    /// How long a gateway's poll waits at most: shorter where a proxy ends it sooner
    #[arg(long, value_name = "TIME", default_value = "25s", value_parser = time)]
    longest_poll: Duration,
    /// For how long the same request is answered with the rejection that it got, without asking people again
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = time)]
    rejection_holds: Duration,
}

impl From<&Limited> for Limits {
    fn from(limited: &Limited) -> Self {
        Self {
            open: limited.most_open,
            open_per_audience: limited.most_open_per_audience,
            open_per_principal: limited.most_open_per_principal,
            open_per_gate: limited.most_open_per_gate,
            asked_per_minute: limited.most_per_minute,
            longest_poll: limited.longest_poll,
            rejection_holds: limited.rejection_holds,
        }
    }
}

/// A length of time as people write it: `90s`, `3m`, `1h 30m`.
fn time(text: &str) -> anyhow::Result<Duration> {
    let time = text.parse::<SignedDuration>().ok().filter(SignedDuration::is_positive);
    time.map(|time| time.unsigned_abs()).context("write it as `90s`, `3m` or `1h`")
}

#[derive(Subcommand)]
enum Command {
    /// Manage local accounts
    #[command(subcommand)]
    User(UserCommand),
    /// Manage who is in which of the service's own groups
    #[command(subcommand)]
    Group(GroupCommand),
    /// Manage gateways
    #[command(subcommand)]
    Gateway(GatewayCommand),
    /// Print the public key, a JSON Web Key for the filter's configuration; or change keys
    Key(KeyArgs),
}

#[derive(Args)]
struct KeyArgs {
    #[command(subcommand)]
    command: Option<KeyCommand>,
}

#[derive(Subcommand)]
enum KeyCommand {
    /// Make a key that signs from a later time on, and print it; a service that runs takes it up by itself
    Rotate {
        /// After how long it signs: gateways have to get to know it before
        #[arg(long, value_name = "TIME", default_value = "15m", value_parser = time)]
        after: Duration,
    },
    /// Forget a key that does not sign any more
    Retire {
        /// The key's id
        kid: String,
    },
}

#[derive(Subcommand)]
enum UserCommand {
    /// Add an account and print how to log in, as one line of JSON
    Add {
        /// What the person logs in with; it is their subject in grants
        name: Name,
        /// A group that they belong to; `admins` and `auditors` run the service itself
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<Name>,
        /// What to call them on a page
        #[arg(long)]
        display_name: Option<String>,
        /// Read the password from standard input instead of making one
        #[arg(long)]
        password_stdin: bool,
        /// The secret of the second factor instead of a random one
        #[arg(long, value_name = "BASE32")]
        totp_secret: Option<String>,
    },
    /// Give an account a new password and second factor; its sessions end
    Reset {
        /// What the person logs in with
        name: Name,
    },
    /// Remove an account for good; nobody gets its name's history, and a provider's person cannot log in any more
    Remove {
        /// What the person logs in with
        name: String,
        /// Who keeps the account [default: this service]
        #[arg(long, value_name = "ISSUER")]
        of: Option<String>,
    },
    /// Let somebody of a provider log in again whose account was removed; it is a new account then
    Admit {
        /// Their subject at the provider
        name: String,
        /// The provider
        #[arg(long, value_name = "ISSUER")]
        of: String,
    },
    /// Print all accounts, one line of JSON each
    List,
}

#[derive(Args)]
struct Place {
    /// The group
    group: Name,
    /// What the person logs in with, or their subject at another issuer
    name: String,
    /// Who keeps the account [default: this service]
    #[arg(long, value_name = "ISSUER")]
    of: Option<String>,
}

#[derive(Subcommand)]
enum GroupCommand {
    /// Put somebody into a group; they may approve what is asked from then on
    Add(Place),
    /// Take somebody out of a group
    Remove(Place),
}

#[derive(Subcommand)]
enum GatewayCommand {
    /// Add a gateway and print its token, as one line of JSON
    Add {
        /// What to call it
        name: Name,
        /// Whose requests it asks for; gateways that serve the same APIs share one
        #[arg(long)]
        audience: String,
        /// Read the token from standard input instead of making one
        #[arg(long, conflicts_with = "certificate")]
        token_stdin: bool,
        /// No token: the gateway has a certificate with this URI or DNS name, by an authority in `--gateway-ca`
        #[arg(long, value_name = "NAME")]
        certificate: Option<String>,
    },
    /// Remove a gateway: its credential counts no more
    Remove {
        /// What it is called
        name: String,
    },
    /// Print all gateways, one line of JSON each
    List,
}

pub(crate) fn run(cli: Cli) -> anyhow::Result<()> {
    let data = Data::at(&cli.options.data)?;
    match cli.command {
        None => serve::serve(cli.options, data),
        Some(Command::Key(KeyArgs { command })) => match command {
            None => print(&serde_json::to_value(data.public_key()?)?),
            Some(KeyCommand::Rotate { after }) => print(&serde_json::to_value(data.rotate_key(after)?)?),
            Some(KeyCommand::Retire { kid }) => Ok(data.retire_key(&kid)?),
        },
        Some(command) => commands::run(cli.options, data, command),
    }
}

/// Prints one line of JSON: standard output is for programs, standard error for people.
fn print(value: &serde_json::Value) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}").and_then(|()| out.flush()).context("cannot write to standard output")
}

impl Options {
    fn database(&self, data: &Data) -> Database {
        self.database.clone().unwrap_or_else(|| data.database())
    }

    /// `listening` is where it listens in fact.
    fn settings(&self, data: &Data, listening: SocketAddr) -> anyhow::Result<Settings> {
        Ok(Settings {
            data: data.clone(),
            database: self.database(data),
            issuer: self.issuer.clone(),
            url: self.url(listening)?,
            login: self.login.settings()?,
            silent_after: self.silent_after,
            limits: (&self.limits).into(),
            channels: self.channels()?,
        })
    }

    fn channels(&self) -> anyhow::Result<Channels> {
        let read = self.channels.as_ref().map(|file| Channels::read(file, &self.issuer));
        Ok(read.transpose()?.unwrap_or_default())
    }

    /// Where browsers reach the service. Passkeys know hosts by name, and take no address for one.
    fn url(&self, listening: SocketAddr) -> anyhow::Result<Url> {
        let scheme = if self.tls_cert.is_some() { "https" } else { "http" };
        match &self.url {
            Some(url) => Ok(url.clone()),
            None if listening.ip().is_loopback() => {
                Ok(Url::parse(&format!("{scheme}://localhost:{}", listening.port()))?)
            }
            None => Ok(Url::parse(&format!("{scheme}://{listening}"))?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_longer_than_nothing() {
        assert_eq!(time("3m").unwrap(), Duration::from_secs(180));
        assert_eq!(time("1h 30m").unwrap(), Duration::from_secs(5400));
        for text in ["0s", "-3m", "3", "3 parsecs", ""] {
            assert!(time(text).unwrap_err().to_string().contains("90s"), "{text}");
        }
    }
}
