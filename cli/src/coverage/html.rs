//! The coverage as one HTML file.

use askama::Template;

use super::{Report, markdown::missing};
use crate::output::word;

#[derive(Template)]
#[template(path = "coverage.html")]
struct Page {
    requests: u64,
    partial: u64,
    fails: bool,
    below: Vec<String>,
    covered: Vec<(&'static str, u64, u64, String)>,
    missing: Vec<[String; 3]>,
    faults: Vec<String>,
    hashes: Vec<(&'static str, String, String)>,
}

pub(super) fn render(report: &Report) -> String {
    let one = |text: &String| word(text).into_owned();
    let covered = report.covered.iter().filter_map(|covered| {
        let percent = format!("{:.1}", covered.percent()?);
        Some((covered.kind.word(), covered.exercised, covered.of, percent))
    });
    let faults: Vec<_> = report.wrong().iter().map(one).collect();
    let below = report.too_little();
    let page = Page {
        requests: report.tally.decisions.total(),
        partial: report.tally.partial,
        fails: !faults.is_empty() || !below.is_empty(),
        below,
        covered: covered.collect(),
        missing: missing(report).iter().map(|line| line.each_ref().map(one)).collect(),
        faults,
        hashes: report.hashes(),
    };
    // A template that compiles and writes to a string does not fail.
    page.render().unwrap_or_default()
}
