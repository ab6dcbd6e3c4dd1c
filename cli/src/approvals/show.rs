//! A request as text. What could act on the terminal is escaped where it is printed.

use std::fmt;

use countersign_protocol::request::Question;
use countersign_view::{Value, View};

use super::commands::{Detail, Summary};
use crate::failure::Failure;
use crate::output::line;

/// One request on one line.
pub(super) fn line(one: &Summary) -> String {
    let Summary {
        ticket,
        state,
        principal,
        action,
        resource,
        method,
        authority,
        path,
        severity,
        missing,
        ..
    } = one;
    let missing = if state == "pending" { format!(", {missing} to approve") } else { String::new() };
    let short = ticket.get(..12).unwrap_or(ticket);
    let text = format!(
        "{short}  {state}{missing}, {severity}, until {}  {principal} {action} {resource}  {method} {authority}{path}",
        when(one.answer_by)
    );
    crate::output::word(&text).into_owned()
}

fn when(at: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(at).ok();
    at.map_or_else(|| "an unknown time".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// One request as everybody is shown it, below what became of it so far.
pub(super) fn request(detail: &Detail) -> Result<String, Failure> {
    let view = view(detail.question.get())?;
    let mut out = String::new();
    state(&mut out, detail).map_err(|error| Failure::Other(error.to_string()))?;
    let hash = view.hash();
    if hash != detail.shown {
        return Err(Failure::Other(format!(
            "the service shows this request otherwise than this version does ({} and {hash}): bring both to one version",
            detail.shown
        )));
    }
    Ok(format!("{out}\n{view}\nshown {hash}\n"))
}

/// What of a request is no text, in base64, each under its name.
pub(super) fn bytes(detail: &Detail) -> Result<String, Failure> {
    let view = view(detail.question.get())?;
    let rows = view.parts.iter().flat_map(|part| &part.rows);
    let bytes = rows.filter_map(|row| match &row.value {
        Value::Bytes(bytes) => Some(format!("{} in base64: {}\n", row.label, bytes.base64)),
        _ => None,
    });
    Ok(bytes.collect())
}

/// Prints what is no text where that is asked for, and lets nobody approve such a request unseen.
pub(super) fn seen(detail: &Detail, full: bool) -> Result<(), Failure> {
    if full {
        return crate::output::print(&bytes(detail)?);
    }
    if view(detail.question.get())?.has_bytes() {
        let what = "what is no text was not shown in full: add `--full`, or approve it in the inbox";
        return Err(Failure::Other(what.to_owned()));
    }
    Ok(())
}

/// A question as everybody is shown it.
pub(super) fn view(raw: &str) -> Result<View, Failure> {
    let question: Question = serde_json::from_str(raw).map_err(|error| {
        Failure::Other(format!("this is no question that this version can read: {error}"))
    })?;
    Ok(View::of(&question, raw.as_bytes()))
}

fn state(out: &mut String, detail: &Detail) -> fmt::Result {
    let Summary { ticket, state, severity, missing, answer_by, .. } = &detail.summary;
    line!(out, "ticket    {ticket}")?;
    line!(out, "state     {state}, {missing} more must approve, until {}", when(*answer_by))?;
    line!(out, "severity  {severity}")?;
    for answer in &detail.answers {
        let said =
            |key: &str| answer.get(key).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        let who = answer.pointer("/person/subject").and_then(|value| value.as_str()).unwrap_or_default();
        line!(out, "answered  {who}: {} {} {}", said("kind"), said("reason"), said("dropped"))?;
    }
    Ok(())
}
