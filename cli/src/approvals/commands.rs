//! What each command does.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use countersign_protocol::Hash;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::client::{self, Client};
use super::show::{self, one_line};
use super::{Answer, Approve, Show};
use crate::failure::Failure;
use crate::output;

/// How many requests to read at once.
const AT_ONCE: usize = 500;
/// The most requests to list: what is open in all by the service's own limit.
const MOST: usize = 10_000;

/// A request in a list, as far as a terminal shows it. The service may say more.
#[derive(Deserialize, Serialize)]
pub(super) struct Summary {
    pub(super) ticket: String,
    pub(super) state: String,
    pub(super) audience: String,
    pub(super) principal: String,
    pub(super) action: String,
    pub(super) resource: String,
    pub(super) method: String,
    pub(super) authority: String,
    pub(super) path: String,
    pub(super) severity: String,
    pub(super) answer_by: i64,
    pub(super) missing: u64,
}

#[derive(Deserialize)]
struct List {
    items: Vec<Summary>,
    /// How to ask for the next page, where there is one.
    next: Option<String>,
}

/// One request. The question's bytes are kept: its hash says what was shown.
#[derive(Deserialize)]
pub(super) struct Detail {
    #[serde(flatten)]
    pub(super) summary: Summary,
    pub(super) shown: Hash,
    pub(super) question: Box<RawValue>,
    pub(super) answers: Vec<Value>,
}

#[derive(Deserialize)]
struct LoggedIn {
    session: String,
}

/// Logs in, and keeps the session.
pub(super) fn log_in(client: &Client, user: &str) -> Result<(), Failure> {
    client.must_be_private()?;
    let password = if std::io::stdin().is_terminal() {
        rpassword::prompt_password("Password: ")
    } else {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map(|_| line.trim_end_matches(['\r', '\n']).to_owned())
    };
    let password = password.map_err(|error| Failure::Other(format!("cannot read the password: {error}")))?;
    let LoggedIn { session } =
        client.post_as_nobody("/v1/sessions", &json!({ "user": user, "password": password }))?;
    client.keep(&session)?;
    output::print(&format!("logged in as {user}, for at most 12 hours\n"))
}

/// Ends the session.
pub(super) fn log_out(client: &Client) -> Result<(), Failure> {
    client.delete("/v1/sessions")?;
    client::forget()
}

/// The requests in a state, or in any, page after page, [`MOST`] at most.
pub(super) fn requests(client: &Client, state: Option<&str>) -> Result<Vec<Summary>, Failure> {
    let state = state.map(|state| format!("&state={}", escaped(state))).unwrap_or_default();
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let List { items, next } = client.get(&format!("/v1/requests?limit={AT_ONCE}{state}{after}"))?;
        all.extend(items);
        match next {
            Some(next) if all.len() < MOST => after = format!("&after={}", escaped(&next)),
            _ => return Ok(all),
        }
    }
}

/// A word as a part of an address: what is no letter, digit or hyphen cannot be part of any.
fn escaped(word: &str) -> String {
    word.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
}

pub(super) fn list(client: &Client, state: &str, json: bool) -> Result<(), Failure> {
    let items = requests(client, Some(state).filter(|state| *state != "all"))?;
    if json {
        return output::print_json(&lines(&items)?);
    }
    output::print_foreign(&items.iter().map(show::line).collect::<String>())
}

fn lines(items: &[Summary]) -> Result<String, Failure> {
    let lines: Result<Vec<_>, _> = items.iter().map(serde_json::to_string).collect();
    let lines = lines.map_err(|error| Failure::Other(error.to_string()))?;
    Ok(lines.into_iter().map(|line| line + "\n").collect())
}

pub(super) fn show(client: &Client, show: &Show, json: bool) -> Result<(), Failure> {
    let (detail, raw) = find(client, &show.ticket)?;
    match () {
        () if show.question => output::print_exact(detail.question.get()),
        () if json => output::print_json(&(raw.get().to_owned() + "\n")),
        () => output::print_foreign(&show::request(&detail, show.extent)?.0),
    }
}

pub(super) fn approve(client: &Client, approve: &Approve, json: bool) -> Result<(), Failure> {
    let (detail, _) = find(client, &approve.ticket)?;
    let shown = match &approve.shown {
        Some(hash) => earlier(&detail, hash)?,
        None => {
            let (text, whole) = show::request(&detail, approve.extent)?;
            output::print_foreign(&text)?;
            let shown = whole.ok_or_else(|| Failure::Other(format!("not approved: {}", show::FOLDED)))?;
            confirmed("Approve exactly this? [y/N] ")?;
            shown
        }
    };
    if let Some(code) = &approve.totp {
        client.post::<Value>("/v1/sessions/totp", &json!({ "totp": code }))?;
    }
    let kind = if approve.break_glass { "break_glass" } else { "approve" };
    let Approve { reason, uses, within, .. } = approve;
    let body = json!({
        "kind": kind, "reason": reason, "shown": shown, "uses": uses, "use_within_ms": within,
    });
    give(client, &detail.summary.ticket, &body, json)
}

pub(super) fn answer(client: &Client, kind: &str, answer: &Answer, json: bool) -> Result<(), Failure> {
    let (detail, _) = find(client, &answer.ticket)?;
    let body = json!({ "kind": kind, "reason": answer.reason, "shown": detail.shown });
    give(client, &detail.summary.ticket, &body, json)
}

fn give(client: &Client, ticket: &str, body: &Value, json: bool) -> Result<(), Failure> {
    let after: Detail = client.post(&format!("/v1/requests/{ticket}/answers"), body)?;
    let Summary { state, missing, .. } = &after.summary;
    if json {
        return output::print_json(&lines(std::slice::from_ref(&after.summary))?);
    }
    let more = if state == "pending" && *missing > 0 {
        format!(", {missing} more must approve")
    } else {
        String::new()
    };
    output::print_foreign(&format!("{}: {}{more}\n", one_line(ticket), one_line(state)))
}

/// The hash of what was shown in an earlier run, if it is still that which this version would show. It does not say which
/// it would be: whoever has it from `show` has seen all.
fn earlier(detail: &Detail, hash: &str) -> Result<Hash, Failure> {
    let hash = hash.parse::<Hash>().map_err(|error| Failure::Usage(format!("`--shown`: {error}")))?;
    if hash == show::rendered(detail)?.hash() {
        return Ok(hash);
    }
    let what = "the request is not the one that was shown (other_shown): look at it with `show --full`";
    Err(Failure::Other(what.to_owned()))
}

/// The request whose ticket begins so, and the reply that it was in.
fn find(client: &Client, beginning: &str) -> Result<(Detail, Box<RawValue>), Failure> {
    let raw: Box<RawValue> = client.get(&format!("/v1/requests/{}", ticket(client, beginning)?))?;
    let detail: Detail = serde_json::from_str(raw.get()).map_err(|error| {
        Failure::Other(format!("the service answered what this version cannot read: {error}"))
    })?;
    Ok((detail, raw))
}

/// The ticket that begins so.
pub(super) fn ticket(client: &Client, beginning: &str) -> Result<String, Failure> {
    let hex = beginning.len() <= 32 && beginning.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    if !hex || beginning.is_empty() {
        return Err(Failure::Usage(format!("`{beginning}` is no ticket: it has 32 hexadecimal digits")));
    }
    if beginning.len() == 32 { Ok(beginning.to_owned()) } else { whole(client, beginning) }
}

fn whole(client: &Client, beginning: &str) -> Result<String, Failure> {
    let mut found = requests(client, None)?;
    found.retain(|one| one.ticket.starts_with(beginning));
    match &found[..] {
        [one] => Ok(one.ticket.clone()),
        [] => Err(Failure::Other(format!("no request that you may see begins with `{beginning}`"))),
        _ => Err(Failure::Other(format!(
            "{} requests begin with `{beginning}`: write more of it",
            found.len()
        ))),
    }
}

fn confirmed(question: &str) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        let what = "name what was shown with `--shown`, the hash that `show --full` prints";
        return Err(Failure::Usage(format!("there is no terminal to ask on: {what}")));
    }
    let mut line = String::new();
    let mut out = std::io::stderr().lock();
    let asked = out.write_all(question.as_bytes()).and_then(|()| out.flush());
    let said = asked.and_then(|()| std::io::stdin().lock().read_line(&mut line));
    said.map_err(|error| Failure::Other(format!("cannot ask: {error}")))?;
    match line.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::Other("not approved".to_owned())),
    }
}
