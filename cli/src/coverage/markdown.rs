//! The coverage for a pull request: how much, and what was never exercised.

use std::fmt::{Result, Write as _};

use super::Report;
use crate::replay::report::{WITHOUT, markdown_text as escaped};

pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    _ = write(&mut out, report);
    out
}

fn write(out: &mut String, report: &Report) -> Result {
    let requests = report.tally.decisions.total();
    let below = report.too_little();
    let failed = if below.is_empty() { "" } else { ": too little" };
    writeln!(
        out,
        "### Coverage by {requests} requests{failed}\n\n| | exercised | of | |\n|---|---:|---:|---:|"
    )?;
    for covered in &report.covered {
        let Some(percent) = covered.percent() else { continue };
        let (kind, exercised, of) = (covered.kind.word(), covered.exercised, covered.of);
        writeln!(out, "| {kind} | {exercised} | {of} | {percent:.1} % |")?;
    }
    below.iter().try_for_each(|line| writeln!(out, "\n**{line}**"))?;
    let missing = missing(report);
    if !missing.is_empty() {
        writeln!(out, "\n| never exercised | | where |\n|---|---|---|")?;
    }
    for [what, how, place] in missing {
        writeln!(out, "| {} | {} | {} |", escaped(&what), escaped(&how), escaped(&place))?;
    }
    for found in &report.disagreements {
        writeln!(out, "\n**{}:** {} here, {} by the filter", escaped(&found.id), found.here, found.filter)?;
    }
    if report.tally.partial > 0 {
        writeln!(out, "\n{} more were left out: their bodies were not recorded whole", report.tally.partial)?;
    }
    for fault in &report.faults {
        writeln!(out, "\n**Fault:** {}", escaped(fault))?;
    }
    writeln!(out, "\n<details><summary>What was judged</summary>\n\n- policies `{}`", report.bundle.sha256)?;
    match &report.filter {
        Some(filter) => writeln!(out, "- filter `{}`", filter.sha256)?,
        None => writeln!(out, "- filter none: {WITHOUT}")?,
    }
    for recording in &report.recordings {
        writeln!(out, "- {} `{}`", escaped(&recording.path.display().to_string()), recording.sha256)?;
    }
    writeln!(out, "\n</details>")
}

/// What, how, and where.
pub(super) fn missing(report: &Report) -> Vec<[String; 3]> {
    let mut missing = Vec::new();
    for policy in &report.tally.policies {
        if policy.fired == 0 {
            let how = if policy.matched == 0 { "its scope never matched" } else { "it never held" };
            missing.push([policy.id.clone(), how.into(), policy.place.clone()]);
        }
        for conjunct in &policy.conjuncts {
            if let Some(never) = conjunct.never() {
                missing.push([conjunct.text.clone(), never.into(), conjunct.place.clone()]);
            }
        }
    }
    let routes = report.tally.routes.iter().filter(|route| route.taken == 0);
    missing.extend(routes.map(|route| [route.pattern.clone(), "never taken".into(), route.place.clone()]));
    missing
}
