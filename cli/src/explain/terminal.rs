//! The explanation for people.

mod differ;
mod policies;

use std::fmt::Result;

use countersign_core::clock::rfc3339;
use countersign_core::explain::{Decided, Explanation, TakenRoute};
use countersign_core::identity::Caller;
use countersign_core::policy::{Query, Required, Verdict};
use countersign_core::routes::{Miss, WrittenRoute};

use super::Report;
use super::written::{duration, value};
use crate::output::{line, para, word as one};
use crate::replay::report::WITHOUT;
use crate::replay::word;

/// How many routes are named that nearly fit.
const MISSED: usize = 3;

pub(super) fn render(report: &Report<'_>) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    _ = write(&mut out, report);
    out
}

fn write(out: &mut String, report: &Report<'_>) -> Result {
    let explanation = &report.explanation;
    headline(out, report)?;
    if let Some(caller) = &explanation.caller {
        write_caller(out, caller)?;
    }
    if let Some(route) = &explanation.route {
        write_route(out, route)?;
    }
    if let Some(query) = &explanation.query {
        write_query(out, report, query)?;
    }
    policies::write(out, report)?;
    decision(out, report)?;
    missed(out, &explanation.missed)?;
    differ::write(out, report)?;
    para!(out, "filter   none: {WITHOUT}")?;
    line!(out, "policies {}  {}", report.explainer.bundle_hash(), report.folder.display())?;
    if let Some(file) = &report.file {
        let path = file.path.display().to_string();
        line!(out, "request  {}  {}#{}", file.sha256, one(&path), one(&report.entry.id))?;
    }
    match report.differs() {
        Some(expected) => line!(out, "The recording expects something else: {}", word(Some(expected))),
        None => Ok(()),
    }
}

fn headline(out: &mut String, report: &Report<'_>) -> Result {
    let field = |name: &str| {
        let found = report.entry.request.headers.iter().find(|(known, _)| known == name);
        let value = found.map(|(_, value)| String::from_utf8_lossy(&value.0).escape_debug().to_string());
        value.unwrap_or_default()
    };
    let at = rfc3339(report.at);
    line!(out, "{} {}://{}{}", field(":method"), field(":scheme"), field(":authority"), field(":path"))?;
    if !report.entry.is_whole() {
        line!(out, "  its body was not recorded whole: what was decided on it may be something else")?;
    }
    line!(out, "  as of      {at}")
}

fn write_caller(out: &mut String, caller: &Caller) -> Result {
    let by = if caller.anonymous { String::new() } else { format!("  by {}", caller.source) };
    line!(out, "  principal  {}{by}", caller.principal)?;
    for involved in caller.involved.iter().skip(1) {
        let role = serde_json::to_value(involved.role).ok();
        let role = role.as_ref().and_then(|role| role.as_str()).unwrap_or_default();
        line!(out, "  {role:9}  {}", involved.entity)?;
    }
    Ok(())
}

fn write_route(out: &mut String, route: &TakenRoute) -> Result {
    let Some(written) = &route.written else {
        return line!(out, "  route      none for this host: judged as plain HTTP");
    };
    line!(out, "  route      {}  {}", route.name, pattern(written))?;
    for (name, value) in &route.captured {
        line!(out, "             {name} = {value:?}")?;
    }
    Ok(())
}

fn pattern(route: &WrittenRoute) -> String {
    let methods = if route.methods.is_empty() { "any method".into() } else { route.methods.join(", ") };
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "anything".into());
    let headers = route.headers.iter().map(|(name, wanted)| format!("{name}: {}", value(wanted)));
    let query = route.query.iter().map(|(name, wanted)| format!("?{name}={}", value(wanted)));
    let body = (!route.content_types.is_empty()).then(|| route.content_types.join(" or "));
    let form = route.form.iter().map(|(name, wanted)| format!("form {name}={}", value(wanted)));
    let conditions: Vec<_> = headers.chain(query).chain(form).chain(body).collect();
    let with =
        if conditions.is_empty() { String::new() } else { format!(" with {}", conditions.join(" with ")) };
    format!("{methods} {}{}{with}", route.hosts.join(", "), route.path)
}

fn write_query(out: &mut String, report: &Report<'_>, query: &Query) -> Result {
    line!(out, "  action     {}", query.action)?;
    line!(out, "  resource   {}", query.resource)?;
    for parent in &query.parents {
        line!(out, "  in         {parent}")?;
    }
    let explanation = &report.explanation;
    let written = explanation.route.as_ref().and_then(|route| route.written.as_ref());
    let width = query.context.keys().map(String::len).max().unwrap_or_default();
    for (place, (name, member)) in query.context.iter().enumerate() {
        let title = if place == 0 { "context" } else { "" };
        let ty = explanation.types.get(name).map(String::as_str).unwrap_or_default();
        let from = written.and_then(|route| route.context.get(name));
        let from = from.map(|from| format!("  from {from}")).unwrap_or_default();
        line!(out, "  {title:9}  {name:width$}  {ty:8}  {}{from}", value(member))?;
    }
    Ok(())
}

fn decision(out: &mut String, report: &Report<'_>) -> Result {
    let Explanation { verdict, ruling, .. } = &report.explanation;
    match verdict {
        Decided::Allow => para!(out, "allow: it goes on, and nobody is asked")?,
        Decided::Ask => para!(out, "ask: people must countersign it")?,
        Decided::Deny { code, status, sentence, detail } => {
            para!(out, "deny: {sentence} ({code}, HTTP {status})")?;
            line!(out, "  {}", detail.escape_debug())?;
        }
    }
    match (verdict, ruling.as_ref().map(|ruling| &ruling.verdict)) {
        (Decided::Ask, Some(Verdict::NeedsApproval(required))) => terms(out, required),
        _ => Ok(()),
    }
}

fn terms(out: &mut String, required: &Required) -> Result {
    for gate in &required.gates {
        let reason = gate.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let alone =
            gate.break_glass.as_ref().map(|group| format!(" (or `{group}` alone)")).unwrap_or_default();
        line!(out, "  {} of `{}`{alone} for {}{reason}", gate.quorum, gate.group, gate.gate.id)?;
    }
    let terms = &required.terms;
    line!(
        out,
        "  held for {}; answered within {}; used within {}, {}",
        duration(terms.hold_ms),
        duration(terms.expires_ms),
        duration(terms.use_within_ms),
        if terms.uses == 1 { "once".into() } else { format!("{} times", terms.uses) },
    )?;
    let severity = serde_json::to_value(terms.severity).ok();
    let severity = severity.as_ref().and_then(|severity| severity.as_str()).unwrap_or_default();
    let second = if severity == "high" { ", so with a second factor" } else { "" };
    line!(out, "  severity {severity}{second}")
}

fn missed(out: &mut String, missed: &[(WrittenRoute, Miss)]) -> Result {
    for (route, miss) in missed.iter().take(MISSED) {
        let why = match miss {
            Miss::Header(name) => format!("has another `{name}`"),
            Miss::Query(name) => format!("has another `{name}` in its query"),
            Miss::Form(name) => format!("has another `{name}` in its form"),
            Miss::ContentType => "has another content type".into(),
            Miss::Method => "has another method".into(),
            Miss::Path => "has another path".into(),
            Miss::Host => "has another host".into(),
        };
        line!(out, "  {} {why}: {}", route.name, pattern(route))?;
    }
    match missed.len().saturating_sub(MISSED) {
        0 => Ok(()),
        more => line!(out, "  … and {more} more routes"),
    }
}
