//! A request as text. What others wrote is named where it cannot be seen, as in the rendering that everybody is shown.

use std::fmt::{self, Write as _};

use countersign_protocol::Hash;
use countersign_protocol::request::Question;
use countersign_view::{Value, View};

use super::Extent;
use super::commands::{Detail, Summary};
use crate::failure::Failure;
use crate::output::line;

/// Why a request that was shown cannot be approved all the same.
pub(super) const FOLDED: &str = "what is no text was not shown: add `--full`, or approve it in the inbox";

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

/// A point in time, milliseconds since 1970.
fn when(at: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(at).ok();
    at.map_or_else(|| "an unknown time".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// One request as everybody is shown it, below what became of it so far; and the hash to approve it by, which is there
/// only where nothing was left out.
pub(super) fn request(detail: &Detail, extent: Extent) -> Result<(String, Option<Hash>), Failure> {
    let view = rendered(detail)?;
    let whole = (extent.full || !view.has_bytes()).then(|| view.hash());
    let text = text(detail, &view, extent, whole);
    Ok((text.map_err(|error| Failure::Other(error.to_string()))?, whole))
}

fn text(detail: &Detail, view: &View, extent: Extent, whole: Option<Hash>) -> Result<String, fmt::Error> {
    let mut out = String::new();
    state(&mut out, detail)?;
    writeln!(out, "\n{view}")?;
    if extent.full {
        bytes(&mut out, view)?;
    }
    match whole {
        Some(hash) => writeln!(out, "shown {hash}")?,
        None => writeln!(out, "no hash to approve it by: {FOLDED}")?,
    }
    Ok(out)
}

/// The question as this version renders it, which must be how the service does.
pub(super) fn rendered(detail: &Detail) -> Result<View, Failure> {
    let view = view(detail.question.get())?;
    let (hash, shown) = (view.hash(), detail.shown);
    if hash == shown {
        return Ok(view);
    }
    let both = format!("({shown} and {hash}): bring both to one version");
    Err(Failure::Other(format!("the service shows this request otherwise than this version does {both}")))
}

/// What is no text, in base64, each under its name.
fn bytes(out: &mut String, view: &View) -> fmt::Result {
    for row in view.parts.iter().flat_map(|part| &part.rows) {
        if let Value::Bytes(bytes) = &row.value {
            writeln!(out, "{} in base64: {}", row.label, bytes.base64)?;
        }
    }
    Ok(())
}

/// A question as everybody is shown it.
pub(super) fn view(raw: &str) -> Result<View, Failure> {
    let question: Question = serde_json::from_str(raw).map_err(|error| {
        Failure::Unreadable(format!("this is no question that this version can read: {error}"))
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
