//! The report as one HTML file: tables, and a plot of decisions over time.

use askama::Template;

use super::super::tally::{Decisions, Failure};
use super::{Report, hashes};
use crate::output::word;

/// The plot's size.
const PLOT: (f64, f64) = (960.0, 160.0);

#[derive(Template)]
#[template(path = "replay.html")]
struct Page<'a> {
    report: &'a Report,
    verdict: String,
    entries: u64,
    bars: Vec<Bar>,
    failures: Vec<Row>,
    faults: Vec<String>,
    more: u64,
    memory: String,
    begin: String,
    end: String,
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

/// A part of one column of the plot.
struct Bar {
    class: &'static str,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    title: String,
}

pub(super) fn render(report: &Report) -> String {
    let times: Vec<_> = report.tally.over_time.keys().copied().collect();
    let time = |at: Option<&i64>| at.map(|at| countersign_core::clock::rfc3339(*at)).unwrap_or_default();
    let page = Page {
        report,
        verdict: report.verdict(),
        entries: report.tally.decisions.total(),
        bars: bars(report),
        failures: report.tally.failures.iter().map(|failure| Row::new(report, failure)).collect(),
        faults: report.tally.faults.iter().map(|fault| word(fault).into_owned()).collect(),
        more: report.tally.failing - report.shown(),
        memory: report.memory(),
        begin: time(times.first()),
        end: time(times.last()),
        hashes: hashes([("filter", &report.filter), ("policies", &report.bundle)], &report.recordings),
    };
    // A template that compiles and writes to a string does not fail.
    page.render().unwrap_or_default()
}

fn bars(report: &Report) -> Vec<Bar> {
    let spans = &report.tally.over_time;
    let most = spans.values().map(|decisions| decisions.total()).max().unwrap_or(1).max(1);
    let (width, height) = (PLOT.0 / real(spans.len() as u64).max(1.0), PLOT.1 / real(most));
    let mut bars = Vec::new();
    for (column, (at, decisions)) in spans.iter().enumerate() {
        let mut top = PLOT.1;
        for (class, count) in parts(*decisions).into_iter().filter(|(_, count)| *count > 0) {
            let tall = real(count) * height;
            top -= tall;
            let title = format!("{}: {count} {class}", countersign_core::clock::rfc3339(*at));
            let x = real(column as u64) * width;
            bars.push(Bar { class, x, y: top, width: (width - 0.5).max(0.5), height: tall, title });
        }
    }
    bars
}

fn parts(decisions: Decisions) -> [(&'static str, u64); 4] {
    let Decisions { allow, ask, deny, unknown } = decisions;
    [("allow", allow), ("ask", ask), ("deny", deny), ("unknown", unknown)]
}

#[expect(clippy::cast_precision_loss, reason = "a plot does not show the difference")]
fn real(count: u64) -> f64 {
    count as f64
}
