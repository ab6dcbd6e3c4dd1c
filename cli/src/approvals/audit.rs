//! For auditors: a question rendered again, and whose answers were to exactly that.

use std::fs;
use std::path::Path;

use countersign_protocol::Hash;
use countersign_protocol::evidence::Record;
use countersign_protocol::person::Person;
use countersign_view::VERSION;
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
    /// Its version, where the record is of a service that says it.
    rendering: Option<u8>,
    /// Why.
    detail: Option<String>,
}

/// What people do when they answer, by the kind of record that the service makes of it. A yes is to all that is shown; a no
/// may be to a line of it in a list or a chat.
fn did(kind: &str) -> Option<[&'static str; 2]> {
    Some(match kind {
        "ticket_approve" => ["approved", "exactly this"],
        "ticket_broke_glass" => ["opened alone", "exactly this"],
        "ticket_reject" => ["rejected", "this"],
        "ticket_flag" => ["flagged", "this"],
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
    let Some(Answers { to_this, to_another }) = answers else { return Ok(()) };
    if !to_this.is_empty() || !to_another.is_empty() {
        output::say("answers among these records, which this command does not check:");
    }
    to_this.iter().chain(&to_another).for_each(output::say);
    if to_this.is_empty() {
        return Err(Failure::Other("no answer in these records was to this".to_owned()));
    }
    Ok(())
}

/// What records say of what was shown, a sentence each.
#[derive(Default)]
struct Answers {
    to_this: Vec<String>,
    /// To what another version of the rendering makes, which may be the same question.
    to_another: Vec<String>,
}

/// The answers among records. A selection of records is no chain: whether somebody changed the file cannot be told from it.
fn answers(records: &Path, shown: Hash) -> Result<Answers, Failure> {
    let (text, mut answers) = (read(records)?, Answers::default());
    for (number, line) in text.lines().enumerate() {
        let wrong = |error: &dyn std::fmt::Display| {
            Failure::Unreadable(format!("`{}`, line {}: {error}", records.display(), number + 1))
        };
        let record = Record::parse(line.to_owned()).map_err(|error| wrong(&error))?;
        let Some([did, this]) = did(&record.envelope.kind) else { continue };
        let said: Said = serde_json::from_str(line).map_err(|error| wrong(&error))?;
        if said.shown == shown {
            answers.to_this.push(sentence(&record, &format!("{did} {this}"), &said));
        } else if let Some(other) = said.rendering.filter(|version| *version != VERSION) {
            let did =
                format!("{did} a rendering of version {other}, not of {VERSION} as this release makes it");
            answers.to_another.push(sentence(&record, &did, &said));
        }
    }
    Ok(answers)
}

fn sentence(record: &Record, did: &str, said: &Said) -> String {
    let Said { person: Person { issuer, subject }, detail, .. } = said;
    let why = detail.as_ref().map(|detail| format!(": {}", one_line(detail))).unwrap_or_default();
    let (at, hash) = (when(record.envelope.ts), record.hash);
    format!("{} at {} {did}, {at} (record {hash}){why}", one_line(subject), one_line(issuer))
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path)
        .map_err(|error| Failure::Unreadable(format!("cannot read `{}`: {error}", path.display())))
}
