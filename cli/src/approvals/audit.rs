//! For auditors: a question rendered again, and whose answers were to exactly that.

use std::fs;
use std::path::Path;

use countersign_protocol::Hash;
use countersign_protocol::evidence::Record;
use countersign_protocol::person::Person;
use serde::Deserialize;

use super::client::Client;
use super::commands;
use super::show::{one_line, view, when};
use crate::failure::Failure;
use crate::output;

/// What a record says of an answer, as far as it matters here.
#[derive(Deserialize)]
struct Said {
    person: Person,
    /// The hash of the rendering that the answer was to.
    shown: Hash,
    /// Why.
    detail: Option<String>,
}

/// What people do when they answer, by the kind of record that the service makes of it.
fn did(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "ticket_approve" => "approved",
        "ticket_broke_glass" => "opened alone",
        "ticket_reject" => "rejected",
        "ticket_flag" => "flagged",
        _ => return None,
    })
}

/// Prints the records about a request.
pub(super) fn evidence(client: &Client, beginning: &str) -> Result<(), Failure> {
    let ticket = commands::ticket(client, beginning)?;
    // As many as the service gives at once: far more than one request has.
    output::print_exact(&client.get_text(&format!("/v1/evidence?limit=1000000&ticket={ticket}"))?)
}

/// Prints what was shown of a question, from its bytes alone: its SHA-256 is the hash that answers name. All else is said on
/// standard error.
pub(super) fn render(question: &Path, records: Option<&Path>) -> Result<(), Failure> {
    let view = view(&read(question)?)?;
    let shown = view.hash();
    let answers = records.map(|records| answers(records, shown)).transpose()?;
    output::print_exact(&view.to_string())?;
    output::say(format!("shown {shown}"));
    let Some(answers) = answers else { return Ok(()) };
    output::say("of these records, which are taken as they are in the file:");
    answers.iter().for_each(output::say);
    if answers.is_empty() {
        return Err(Failure::Other("no answer in these records was to this".to_owned()));
    }
    Ok(())
}

/// A sentence for each answer that was to what was shown. A selection of records is no chain: whether somebody changed
/// the file cannot be told from it.
fn answers(records: &Path, shown: Hash) -> Result<Vec<String>, Failure> {
    let (text, mut answers) = (read(records)?, Vec::new());
    for (number, line) in text.lines().enumerate() {
        let wrong = |error: &dyn std::fmt::Display| {
            Failure::Unreadable(format!("`{}`, line {}: {error}", records.display(), number + 1))
        };
        let record = Record::parse(line.to_owned()).map_err(|error| wrong(&error))?;
        let Some(did) = did(&record.envelope.kind) else { continue };
        let said: Said = serde_json::from_str(line).map_err(|error| wrong(&error))?;
        if said.shown == shown {
            answers.push(sentence(&record, did, &said));
        }
    }
    Ok(answers)
}

fn sentence(record: &Record, did: &str, said: &Said) -> String {
    let Said { person: Person { issuer, subject }, detail, .. } = said;
    let why = detail.as_ref().map(|detail| format!(": {}", one_line(detail))).unwrap_or_default();
    let (at, hash) = (when(record.envelope.ts), record.hash);
    format!("{} at {} {did} exactly this, {at} (record {hash}){why}", one_line(subject), one_line(issuer))
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path)
        .map_err(|error| Failure::Unreadable(format!("cannot read `{}`: {error}", path.display())))
}
