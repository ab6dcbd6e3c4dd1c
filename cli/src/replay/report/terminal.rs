//! The report for people.

use super::super::Sum;
use super::super::tally::Failure;
use super::Report;
use crate::output::line;

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
        line!(out, "… and {} more", report.tally.failing - report.shown())?;
        line!(out)?;
    }
    for fault in &report.tally.faults {
        line!(out, "fault: {fault}")?;
        line!(out)?;
    }
    let decisions = report.tally.decisions;
    line!(
        out,
        "{} requests in {:.2} s: {} allowed, {} asked about, {} denied, {} unknown",
        decisions.total(),
        report.seconds,
        decisions.allow,
        decisions.ask,
        decisions.deny,
        decisions.unknown
    )?;
    if report.tally.partial > 0 {
        line!(out, "  {} more were left out: their bodies were not recorded whole", report.tally.partial)?;
    }
    line!(out, "  filter     {}  {}", report.filter.sha256, report.filter.path.display())?;
    line!(out, "  policies   {}  {}", report.bundle.sha256, report.bundle.path.display())?;
    for recording in &report.recordings {
        line!(out, "  recording  {}  {}", recording.sha256, recording.path.display())?;
    }
    for Sum { records, sha256 } in &report.tally.evidence {
        line!(out, "  evidence   {sha256}  {records} records")?;
    }
    line!(out, "  memory     {}", report.memory())?;
    line!(out, "{}", report.verdict())
}

fn write_failure(out: &mut String, report: &Report, failure: &Failure) -> std::fmt::Result {
    line!(out, "{}, `{}`", failure.recording.display(), failure.id)?;
    for finding in &failure.findings {
        line!(out, "  {finding}")?;
    }
    line!(out, "  came: {}, status {}{}", failure.decision, failure.status, why(failure))?;
    let policies: Vec<_> = failure.policies.iter().map(|id| report.places.named(id)).collect();
    if !policies.is_empty() {
        line!(out, "  decided by {}", policies.join(", "))?;
    }
    let records = if failure.records.is_empty() { "none".into() } else { failure.records.join(", ") };
    line!(out, "  evidence: {records}")?;
    line!(out)
}

fn why(failure: &Failure) -> String {
    let reason = failure.reason.as_ref().map(|reason| format!(", {reason}")).unwrap_or_default();
    let detail = failure.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
    reason + &detail
}
