//! A request as text. What others wrote is named where it cannot be seen, as in the rendering that everybody is shown.

use std::fmt::{self, Write as _};

use countersign_protocol::Hash;
use countersign_protocol::request::Question;
use countersign_view::visible::{Lines, Visible};
use countersign_view::{Value, View, is_plain_host};

use super::Extent;
use super::commands::{Detail, Summary};
use crate::failure::Failure;

/// Why a request that was shown cannot be approved all the same.
pub(super) const FOLDED: &str = "what is no text was not shown: add `--full`, or approve it in the inbox";

/// Untrusted text on one line.
pub(super) fn one_line(text: &str) -> Visible<'_> {
    Visible(text, Lines::One)
}

/// One request on one line.
pub(super) fn line(one: &Summary) -> String {
    let Summary { ticket, state, severity, audience, principal, action, resource, .. } = one;
    let Summary { method, authority, path, missing, answer_by, .. } = one;
    let missing = if state == "pending" { format!(", {missing} to approve") } else { String::new() };
    let short = one_line(ticket.get(..12).unwrap_or(ticket));
    let [state, severity, audience] = [state, severity, audience].map(|text| one_line(text));
    let [principal, action, resource] = [principal, action, resource].map(|text| one_line(text));
    let [method, host, path] = [method, authority, path].map(|text| one_line(text));
    // No text of the request's has this bracket: it is always named there.
    let mark = if is_plain_host(authority) { "" } else { "⟨look-alike host?⟩ " };
    let until = when(*answer_by);
    format!(
        "{short}  {state}{missing}, {severity}, until {until}  {audience}  {principal} {action} {resource}  {mark}{method} {host}{path}\n"
    )
}

/// A point in time, milliseconds since 1970.
pub(super) fn when(at: i64) -> String {
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
    if extent.raw {
        as_sent(&mut out, view)?;
    }
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

/// JSON as it was sent: the tree keeps its members and values, but neither white space nor how names are escaped.
fn as_sent(out: &mut String, view: &View) -> fmt::Result {
    for row in view.parts.iter().flat_map(|part| &part.rows) {
        if let Value::Tree(_, Some(sent)) = &row.value {
            writeln!(out, "{} as it was sent:", row.label)?;
            // Each line has a mark of its own, so that none passes for one of this command's.
            for line in sent.split('\n') {
                writeln!(out, "    | {}", Visible(line, Lines::Many))?;
            }
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
    let Summary { ticket, state, audience, severity, missing, answer_by, .. } = &detail.summary;
    let [ticket, state, audience, severity] = [ticket, state, audience, severity].map(|text| one_line(text));
    writeln!(out, "ticket    {ticket}")?;
    writeln!(out, "audience  {audience}")?;
    writeln!(out, "state     {state}, {missing} more must approve, until {}", when(*answer_by))?;
    writeln!(out, "severity  {severity}")?;
    for answer in &detail.answers {
        let said = |way: &str| answer.pointer(way).and_then(|value| value.as_str()).unwrap_or_default();
        let [who, kind, reason, dropped] = ["/person/subject", "/kind", "/reason", "/dropped"].map(said);
        let (who, kind) = (one_line(who), one_line(kind));
        writeln!(out, "answered  {who}: {kind} {} {}", one_line(reason), one_line(dropped))?;
    }
    Ok(())
}
