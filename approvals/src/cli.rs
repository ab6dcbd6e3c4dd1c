//! The command line: serve, add users and gateways, print the public key.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use countersign_approvals::{App, Data, Database, Login, NewUser, Settings};
use jiff::SignedDuration;
use serde_json::json;
use tokio::net::TcpListener;

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
    /// The folder for database, keys, users and gateways; made on the first run
    #[arg(long, default_value = "./data", global = true)]
    data: PathBuf,
    /// The users file [default: users.json in the data folder]
    #[arg(long, value_name = "FILE", global = true)]
    users: Option<PathBuf>,
    /// PostgreSQL for more than one replica (`postgres://user:password@host/database`), or `sqlite:` and a file's
    /// path [default: countersign.db in the data folder]
    #[arg(long, env = "COUNTERSIGN_DATABASE", hide_env_values = true, value_name = "ADDRESS")]
    database: Option<Database>,
    /// What the service, its people and its groups are called in grants
    #[arg(long, default_value = "local")]
    issuer: String,
    /// The address that browsers use, when it is not the one to listen on
    #[arg(long)]
    url: Option<String>,
    /// After how long without a record a producer of evidence counts as silent, unless it stopped in good order;
    /// it makes a record each minute
    #[arg(long, value_name = "TIME", default_value = "3m", value_parser = time)]
    silent_after: Duration,
}

/// A length of time as people write it: `90s`, `3m`, `1h 30m`.
fn time(text: &str) -> anyhow::Result<Duration> {
    let time = text.parse::<SignedDuration>().ok().filter(SignedDuration::is_positive);
    time.map(|time| time.unsigned_abs()).context("write it as `90s`, `3m` or `1h`")
}

#[derive(Subcommand)]
enum Command {
    /// Manage accounts
    #[command(subcommand)]
    User(UserCommand),
    /// Manage gateways
    #[command(subcommand)]
    Gateway(GatewayCommand),
    /// Print the public key, a JSON Web Key for the filter's configuration
    Key,
}

#[derive(Subcommand)]
enum UserCommand {
    /// Add an account and print how to log in, as one line of JSON
    Add {
        /// What the person logs in with; it is their subject in grants
        name: String,
        /// A group that they belong to; `admins` and `auditors` run the service itself
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
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
}

#[derive(Subcommand)]
enum GatewayCommand {
    /// Add a gateway and print its token, as one line of JSON
    Add {
        /// What to call it
        name: String,
        /// Whose requests it asks for; gateways that serve the same APIs share one
        #[arg(long)]
        audience: String,
        /// Read the token from standard input instead of making one
        #[arg(long)]
        token_stdin: bool,
    },
}

pub(crate) fn run(cli: Cli) -> anyhow::Result<()> {
    let data = Data::at(&cli.options.data, cli.options.users.as_deref())?;
    match cli.command {
        None => serve(cli.options, data),
        Some(Command::User(UserCommand::Add { name, groups, display_name, password_stdin, totp_secret })) => {
            let password = password_stdin.then(secret_from_stdin).transpose()?;
            let new = NewUser { subject: name, name: display_name, groups, password, totp: totp_secret };
            let Login { user, password, totp, otpauth } = data.add_user(new)?;
            print(&json!({ "user": user, "password": password, "totp": totp, "otpauth": otpauth }))
        }
        Some(Command::Gateway(GatewayCommand::Add { name, audience, token_stdin })) => {
            let token = token_stdin.then(secret_from_stdin).transpose()?;
            let token = data.add_gateway(&name, &audience, token)?;
            print(&json!({ "gateway": name, "audience": audience, "token": token }))
        }
        Some(Command::Key) => print(&serde_json::to_value(data.public_key()?)?),
    }
}

fn secret_from_stdin() -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Prints one line of JSON: standard output is for programs, standard error for people.
fn print(value: &serde_json::Value) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}").and_then(|()| out.flush()).context("cannot write to standard output")
}

#[tokio::main]
async fn serve(options: Options, data: Data) -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("cannot listen on `{}`", options.listen))?;
    let listening = listener.local_addr()?;
    let https = options.url.as_deref().is_some_and(|url| url.starts_with("https://"));
    let database = options.database.clone().unwrap_or_else(|| data.database());
    let Options { issuer, silent_after, .. } = &options;
    let settings = Settings {
        data: data.clone(),
        database: database.clone(),
        issuer: issuer.clone(),
        https,
        silent_after: *silent_after,
    };
    let app = App::open(settings).await?;
    // Last, so that nothing can fail between making what is shown only once and showing it.
    let (admin, token) = (data.first_admin()?, data.first_gateway()?);
    let url = options.url.unwrap_or_else(|| format!("http://{listening}"));
    introduce(&data, &database, &url, app.jwk(), admin, token)?;
    print(&json!({ "listening": listening, "issuer": options.issuer, "jwk": app.jwk() }))?;
    let sweeper = tokio::spawn({
        let app = std::sync::Arc::clone(&app);
        async move { app.keep_watch().await }
    });
    // Long polls would hold an orderly end up for as long as they last.
    tokio::select! {
        served = axum::serve(listener, app.router()) => served.context("cannot serve")?,
        () = stopped() => {}
    }
    sweeper.abort();
    app.close().await;
    Ok(())
}

async fn stopped() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    let _ = interrupt.await;
}

/// Tells a person where everything is; secrets are shown this once.
fn introduce(
    data: &Data,
    database: &Database,
    url: &str,
    jwk: &countersign_protocol::jws::Jwk,
    admin: Option<Login>,
    token: Option<String>,
) -> anyhow::Result<()> {
    let mut err = std::io::stderr().lock();
    writeln!(err, "Inbox            {url}/")?;
    writeln!(err, "Database         {database}")?;
    writeln!(err, "Signing key      {}", data.key_file().display())?;
    writeln!(err, "Users            {}", data.users_file().display())?;
    writeln!(err, "Gateways         {}", data.gateways_file().display())?;
    writeln!(err, "Key for filters  {}", serde_json::to_string(jwk)?)?;
    if let Some(Login { user, password, otpauth, .. }) = admin {
        writeln!(err, "\nThis is the first run. Keep these, they are not shown again:")?;
        writeln!(err, "  log in as      {user}")?;
        writeln!(err, "  password       {password}")?;
        writeln!(err, "  second factor  {otpauth}")?;
    }
    if let Some(token) = token {
        writeln!(err, "  gateway token  {token}   (audience `default`)")?;
    }
    writeln!(err)?;
    Ok(())
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
