//! The report as one HTML file: tables, and a plot of decisions over time.

use askama::Template;

use super::super::tally::Failure;
use super::plot::Plot;
use super::{Report, hashes};
use crate::output::word;

#[derive(Template)]
#[template(path = "replay.html")]
struct Page<'a> {
    report: &'a Report,
    verdict: String,
    entries: u64,
    plot: Plot,
    failures: Vec<Row>,
    faults: Vec<String>,
    more: u64,
    memory: String,
    hashes: Vec<(&'static str, String, String)>,
}

/// A failure, each of its parts in one line.
struct Row {
    id: String,
    recording: String,
    findings: Vec<String>,
    came: String,
    detail: String,
    policies: Vec<String>,
}

impl Row {
    fn new(report: &Report, failure: &Failure) -> Self {
        let one = |text: &str| word(text).into_owned();
        let reason = failure.reason.as_ref().map(|reason| format!(", {reason}")).unwrap_or_default();
        Self {
            id: one(&failure.id),
            recording: one(&failure.recording.display().to_string()),
            findings: failure.findings.iter().map(|finding| one(&finding.to_string())).collect(),
            came: one(&format!("{}, status {}{reason}", failure.decision, failure.status)),
            detail: one(failure.detail.as_deref().unwrap_or_default()),
            policies: failure.policies.iter().map(|id| one(&report.places.named(id))).collect(),
        }
    }
}

pub(super) fn render(report: &Report) -> String {
    let page = Page {
        report,
        verdict: report.verdict(),
        entries: report.tally.decisions.total(),
        plot: Plot::of(&report.tally.over_time),
        failures: report.tally.failures.iter().map(|failure| Row::new(report, failure)).collect(),
        faults: report.tally.faults.iter().map(|fault| word(fault).into_owned()).collect(),
        more: report.tally.failing - report.shown(),
        memory: report.memory(),
        hashes: hashes([("filter", &report.filter), ("policies", &report.bundle)], &report.recordings),
    };
    // A template that compiles and writes to a string does not fail.
    page.render().unwrap_or_default()
}
