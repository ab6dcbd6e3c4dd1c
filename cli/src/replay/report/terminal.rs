//! The report for people.

use std::fmt::Write as _;

use super::super::tally::Failure;
use super::Report;

pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    _ = write(&mut out, report);
    out
}

fn write(out: &mut String, report: &Report) -> std::fmt::Result {
    for failure in &report.tally.failures {
        write_failure(out, report, failure)?;
    }
    if report.tally.failing > report.shown() {
        writeln!(out, "… and {} more\n", report.tally.failing - report.shown())?;
    }
    for fault in &report.tally.faults {
        writeln!(out, "fault: {fault}\n")?;
    }
    let decisions = report.tally.decisions;
    writeln!(
        out,
        "{} requests in {:.2} s: {} allowed, {} asked about, {} denied, {} unknown",
        report.entries(),
        report.seconds,
        decisions.allow,
        decisions.ask,
        decisions.deny,
        decisions.unknown
    )?;
    writeln!(out, "  filter     {}  {}", report.filter.sha256, report.filter.path.display())?;
    writeln!(out, "  policies   {}  {}", report.bundle.sha256, report.bundle.path.display())?;
    for recording in &report.recordings {
        writeln!(out, "  recording  {}  {}", recording.sha256, recording.path.display())?;
    }
    let memory: Vec<_> = report.tally.memory.iter().map(|bytes| format!("{} KB", bytes / 1_000)).collect();
    writeln!(out, "  memory     {}", memory.join(", "))?;
    writeln!(out, "{}", report.verdict())
}

fn write_failure(out: &mut String, report: &Report, failure: &Failure) -> std::fmt::Result {
    writeln!(out, "{}, `{}`", failure.recording.display(), failure.id)?;
    for finding in &failure.findings {
        writeln!(out, "  {finding}")?;
    }
    writeln!(out, "  came: {}, status {}{}", failure.decision, failure.status, why(failure))?;
    let policies: Vec<_> = failure.policies.iter().map(|id| report.places.named(id)).collect();
    if !policies.is_empty() {
        writeln!(out, "  decided by {}", policies.join(", "))?;
    }
    writeln!(
        out,
        "  evidence: {}\n",
        if failure.records.is_empty() { "none".into() } else { failure.records.join(", ") }
    )
}

fn why(failure: &Failure) -> String {
    let reason = failure.reason.as_ref().map(|reason| format!(", {reason}")).unwrap_or_default();
    let detail = failure.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
    reason + &detail
}
