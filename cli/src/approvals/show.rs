//! A request as text. What could act on the terminal is escaped where it is printed.

use std::fmt;

use countersign_protocol::request::{CedarRequest, ExactRequest, Question, Shown, ShownHeader};

use super::commands::{Detail, Summary};
use crate::failure::Failure;
use crate::output::{line, para};

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

/// One request with all that is bound.
pub(super) fn request(detail: &Detail) -> Result<String, Failure> {
    let question = serde_json::from_str(detail.question.get());
    let question: Question = question.map_err(|error| {
        Failure::Other(format!("the service shows what this version cannot read: {error}"))
    })?;
    let mut out = String::new();
    written(&mut out, detail, &question).map_err(|error| Failure::Other(error.to_string()))?;
    Ok(out)
}

fn written(out: &mut String, detail: &Detail, question: &Question) -> fmt::Result {
    let Summary { ticket, state, severity, missing, answer_by, .. } = &detail.summary;
    line!(out, "ticket    {ticket}")?;
    line!(out, "state     {state}, {missing} more must approve, until {}", when(*answer_by))?;
    line!(out, "severity  {severity}")?;
    for CedarRequest { principal, action, resource, .. } in
        std::iter::once(&question.cedar).chain(&question.also)
    {
        line!(out, "asks      {principal} {action} {resource}")?;
    }
    for one in &question.involved {
        let names: Vec<_> =
            one.names.iter().map(|name| format!("{} at {}", name.subject, name.issuer)).collect();
        line!(out, "involved  {} {}", one.entity, names.join(", "))?;
    }
    for gate in &question.gates {
        let reason = gate.reason.as_deref().unwrap_or("a policy asks for it");
        line!(out, "gate      {}: {} of {}, {reason}", gate.gate.id, gate.quorum, gate.group_name)?;
    }
    if let Some(why) = &question.justification {
        line!(out, "the caller says, and nothing has checked it: {why}")?;
    }
    for answer in &detail.answers {
        let said =
            |key: &str| answer.get(key).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        let who = answer.pointer("/person/subject").and_then(|value| value.as_str()).unwrap_or_default();
        line!(out, "answered  {who}: {} {} {}", said("kind"), said("reason"), said("dropped"))?;
    }
    exact(out, &question.request)?;
    let uses = &question.terms;
    para!(out, "a yes counts for {} s and {} uses", uses.use_within_ms / 1000, uses.uses)?;
    line!(out, "shown     {}", detail.shown)
}

fn exact(out: &mut String, request: &ExactRequest) -> fmt::Result {
    let ExactRequest { method, scheme, authority, path, headers, body, body_sha256, trailers } = request;
    para!(out, "{method} {scheme}://{authority}{path}")?;
    headers.iter().chain(trailers).try_for_each(|one| header(out, one))?;
    match body {
        Shown::Text(text) if text.is_empty() => line!(out, "no body")?,
        Shown::Text(text) => {
            out.push('\n');
            for part in text.split('\n') {
                line!(out, "| {part}")?;
            }
        }
        other => para!(out, "{}", value(other))?,
    }
    line!(out, "body SHA-256 {body_sha256}")
}

fn header(out: &mut String, ShownHeader { name, value: shown, bound }: &ShownHeader) -> fmt::Result {
    let loose = if *bound { "" } else { "  (not bound)" };
    line!(out, "{name}: {}{loose}", value(shown))
}

fn value(shown: &Shown) -> String {
    match shown {
        Shown::Text(text) => text.clone(),
        Shown::Base64(text) => format!("bytes, in base64: {text}"),
        Shown::Redacted { bytes } => format!("[redacted at the gateway, {bytes} bytes]"),
    }
}
