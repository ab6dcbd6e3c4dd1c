//! The coverage for people.

use std::fmt::Result;

use countersign_core::policy::ClauseKind;

use super::{Kind, PolicyCount, Report};
use crate::output::{line, para};
use crate::replay::report::WITHOUT;

pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    _ = write(&mut out, report);
    out
}

fn write(out: &mut String, report: &Report) -> Result {
    for (kind, title) in [(Kind::Policies, "Policies"), (Kind::Gates, "Gates")] {
        let of: Vec<_> = report.tally.policies.iter().filter(|policy| policy.kind == kind).collect();
        if !of.is_empty() {
            line!(out, "{title:13}fired  matched  failed")?;
        }
        of.into_iter().try_for_each(|policy| write_policy(out, policy))?;
    }
    if !report.tally.routes.is_empty() {
        line!(out, "Routes       taken")?;
    }
    for route in &report.tally.routes {
        line!(out, "{} {:>16}  {}  {}", mark(route.taken > 0), route.taken, route.name, route.pattern)?;
    }
    summary(out, report)
}

/// What was never exercised stands out.
fn mark(exercised: bool) -> char {
    if exercised { ' ' } else { '!' }
}

fn write_policy(out: &mut String, policy: &PolicyCount) -> Result {
    let PolicyCount { id, shadow, place, matched, fired, failed, conjuncts, .. } = policy;
    let shadow = if *shadow { " (shadow)" } else { "" };
    line!(out, "{} {fired:>16}  {matched:>7}  {failed:>6}  {id}{shadow}  {place}", mark(*fired > 0))?;
    for conjunct in conjuncts {
        let kind = match conjunct.clause {
            ClauseKind::When => "when",
            ClauseKind::Unless => "unless",
        };
        let never = conjunct.never().map(|never| format!("  {never}")).unwrap_or_default();
        let others = [(conjunct.error, "failed"), (conjunct.not_evaluated, "not evaluated")];
        let others = others.into_iter().filter(|(count, _)| *count > 0);
        let others: String = others.map(|(count, what)| format!(", {count} {what}")).collect();
        line!(
            out,
            "{}     {} true, {} false{others}  {kind} {}  {}{never}",
            mark(conjunct.never().is_none()),
            conjunct.yes,
            conjunct.no,
            conjunct.text,
            conjunct.place
        )?;
    }
    Ok(())
}

fn summary(out: &mut String, report: &Report) -> Result {
    for found in &report.disagreements {
        line!(out, "`{}`: {} here, {} by the filter", found.id, found.here, found.filter)?;
    }
    for fault in &report.faults {
        line!(out, "fault: {fault}")?;
    }
    let decisions = &report.tally.decisions;
    let requests = decisions.total();
    para!(
        out,
        "{requests} requests: {} allowed, {} asked about, {} denied",
        decisions.allow,
        decisions.ask,
        decisions.deny
    )?;
    if report.tally.partial > 0 {
        line!(out, "  {} more were left out: their bodies were not recorded whole", report.tally.partial)?;
    }
    for covered in &report.covered {
        let Some(percent) = covered.percent() else { continue };
        let (kind, exercised, of) = (covered.kind.word(), covered.exercised, covered.of);
        line!(out, "  {kind:9} {percent:5.1} %  {exercised} of {of}")?;
    }
    match &report.filter {
        Some(filter) => line!(out, "  filter     {}  {}", filter.sha256, filter.path.display())?,
        None => line!(out, "  filter     none: {WITHOUT}")?,
    }
    line!(out, "  bundle     {}  {}", report.bundle.sha256, report.bundle.path.display())?;
    for recording in &report.recordings {
        line!(out, "  recording  {}  {}", recording.sha256, recording.path.display())?;
    }
    Ok(())
}
