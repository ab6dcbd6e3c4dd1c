//! `countersign approvals`: see and answer requests for approval from a terminal.

mod audit;
mod client;
mod commands;
mod show;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::failure::Failure;
use client::Client;

/// Where the service is, and who asks it.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The approval service's address
    #[arg(long, env = "COUNTERSIGN_APPROVALS", default_value = "http://127.0.0.1:8081", global = true)]
    url: String,
    /// A file with an API token, or a session as `login` writes it [default: COUNTERSIGN_TOKEN, then what `login` wrote]
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Log in with a password and keep the session for the commands that follow
    Login {
        /// The user name
        user: String,
    },
    /// Log out
    Logout,
    /// List requests
    Ls {
        /// Only those in this state: pending, approved, consumed, rejected, expired, revoked, cancelled; or `all`
        #[arg(long, default_value = "pending")]
        state: String,
    },
    /// Show one request with all that is bound, and, where nothing of it was left out, the hash that approves it
    Show(Show),
    /// Render a question again, as everybody was shown it, and say the hash that answers name; asks no service
    Render {
        /// A file with the question's bytes, as `show --question` prints them
        question: PathBuf,
        /// A file with records of evidence, as `evidence` prints them: say whose answers were to exactly this
        #[arg(long, value_name = "RECORDS")]
        answers: Option<PathBuf>,
    },
    /// Print the records of evidence about a request, as they are kept: for auditors
    Evidence {
        /// The ticket, or enough of its beginning
        ticket: String,
    },
    /// Approve a request, after it was shown and confirmed
    Approve(Approve),
    /// Reject a request for good; the caller sees the reason
    Reject(Answer),
    /// Ask for one more person to look at a request; you then cannot approve it
    Flag(Answer),
    /// Print each request as it comes to wait for people, until it is interrupted
    Watch,
}

#[derive(Debug, Args)]
struct Show {
    /// The ticket, or enough of its beginning
    ticket: String,
    #[command(flatten)]
    extent: Extent,
    /// Print only the question's bytes, as the gateway sent them: what `render` reads
    #[arg(long, conflicts_with_all = ["full", "raw"])]
    question: bool,
}

// What to print besides the rendering that everybody is shown. (As documentation it would describe the commands.)
#[derive(Debug, Clone, Copy, Args)]
struct Extent {
    /// Print what is no text, too, in base64: without it such a request is not shown whole, and not approved
    #[arg(long)]
    full: bool,
    /// Print JSON as it was sent, too, with its white space and its escapes
    #[arg(long)]
    raw: bool,
}

#[derive(Debug, Args)]
struct Approve {
    /// The ticket, or enough of its beginning
    ticket: String,
    /// Why
    #[arg(long)]
    reason: Option<String>,
    /// A one-time code, where the request needs the second factor; a session, not a token, can prove it
    #[arg(long, value_name = "CODE")]
    totp: Option<String>,
    /// Yes to this many uses only
    #[arg(long, value_name = "COUNT")]
    uses: Option<i64>,
    /// Yes for this long only, such as `5m`
    #[arg(long, value_name = "TIME", value_parser = millis)]
    within: Option<i64>,
    /// Open it alone, where the gate's policy lets you: with a reason and a second factor; somebody else reviews it
    #[arg(long, requires = "reason")]
    break_glass: bool,
    #[command(flatten)]
    extent: Extent,
    /// The hash that `show` printed below all of the request: approves what was shown then, without asking again
    #[arg(long, value_name = "HASH")]
    shown: Option<String>,
}

#[derive(Debug, Args)]
struct Answer {
    /// The ticket, or enough of its beginning
    ticket: String,
    /// Why
    reason: String,
}

/// A length of time as people write it, in milliseconds.
fn millis(text: &str) -> Result<i64, String> {
    let time = text.parse::<jiff::SignedDuration>().ok().filter(jiff::SignedDuration::is_positive);
    let time = time.ok_or_else(|| format!("`{text}` is no time: write it as `90s`, `5m` or `1h`"))?;
    i64::try_from(time.as_millis()).map_err(|_| format!("`{text}` is too long"))
}

/// Runs the command.
///
/// # Errors
/// When the service cannot be asked, or does not do what it was asked.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let client = Client::new(&arguments.url, arguments.token_file.as_deref());
    match &arguments.command {
        Command::Login { user } => commands::log_in(&client, user),
        Command::Logout => commands::log_out(&client),
        Command::Ls { state } => commands::list(&client, state, arguments.json),
        Command::Show(show) => commands::show(&client, show, arguments.json),
        Command::Render { question, answers } => audit::render(question, answers.as_deref()),
        Command::Evidence { ticket } => audit::evidence(&client, ticket),
        Command::Approve(approve) => commands::approve(&client, approve, arguments.json),
        Command::Reject(answer) => commands::answer(&client, "reject", answer, arguments.json),
        Command::Flag(answer) => commands::answer(&client, "flag", answer, arguments.json),
        Command::Watch => watch::run(&client, arguments.json),
    }?;
    Ok(ExitCode::SUCCESS)
}
