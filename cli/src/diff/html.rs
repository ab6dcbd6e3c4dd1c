//! What a change of policies does, as one HTML file.

use askama::Template;

use super::Change;
use super::report::{Report, lines};
use crate::output::word;
use crate::replay::report::Plot;

#[derive(Template)]
#[template(path = "diff.html")]
struct Page {
    summary: String,
    grave: bool,
    kinds: Vec<&'static str>,
    rows: Vec<(&'static str, Vec<u64>)>,
    plots: Vec<(&'static str, Plot)>,
    changes: Vec<(String, Vec<String>)>,
    how_often: String,
    asked: Vec<(String, String)>,
    faults: Vec<String>,
    hashes: Vec<(&'static str, String, String)>,
}

pub(super) fn render(report: &Report) -> String {
    let one = |text: &str| word(text).into_owned();
    let kinds: Vec<_> = report.kinds().collect();
    let row = |old: &super::Kind| kinds.iter().map(|new| report.table.at(*old, *new)).collect();
    let changes = report.table.changed().map(|(old, new, change, cell)| {
        let change = change.map(|change| format!(", {}", change.word())).unwrap_or_default();
        let title = format!("{} to {}: {}{change}", old.word(), new.word(), cell.count);
        (title, lines(cell).iter().map(|line| one(line)).collect())
    });
    let page = Page {
        summary: report.summary(),
        grave: !report.faults.is_empty()
            || report.table.changed().any(|(_, _, change, _)| change.is_some_and(Change::is_grave)),
        kinds: kinds.iter().map(|kind| kind.word()).collect(),
        rows: kinds.iter().map(|old| (old.word(), row(old))).collect(),
        plots: ["before", "after"].into_iter().zip(report.table.over_time.each_ref().map(Plot::of)).collect(),
        changes: changes.collect(),
        how_often: report.how_often(),
        asked: report.asked().map(|(group, old, new)| (one(group), report.often(old, new))).collect(),
        faults: report.faults.iter().map(|fault| one(fault)).collect(),
        hashes: report.hashes(),
    };
    // A template that compiles and writes to a string does not fail.
    page.render().unwrap_or_default()
}
