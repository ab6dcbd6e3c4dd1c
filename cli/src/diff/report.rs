//! How a change of policies is reported.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;

use super::{Cell, Change, Kind, Table};
use crate::replay::Recording;
use crate::replay::report::{Named, markdown_text};

/// Groups and policies that are shown for each cell.
const SHOWN: usize = 5;

/// The form of a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Terminal,
    /// One JSON object.
    Json,
    /// Annotations of GitHub Actions.
    Github,
    /// For a pull request.
    Markdown,
}

/// What a change of policies does, and what was replayed.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The filter and its hash.
    pub(super) filter: Named,
    /// The policies before.
    pub(super) old: Named,
    /// The policies after.
    pub(super) new: Named,
    /// The recordings and their hashes.
    pub(super) recordings: Vec<Recording>,
    /// What was decided.
    #[serde(flatten)]
    pub(super) table: Table,
    /// What went wrong with filter or harness, on either side.
    pub(super) faults: Vec<String>,
}

impl Report {
    /// The whole report as text.
    #[must_use]
    pub(super) fn render(&self, format: Format) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        _ = match format {
            Format::Terminal => self.terminal(&mut out),
            Format::Markdown => self.markdown(&mut out),
            Format::Github => self.github(&mut out),
            Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(self).unwrap_or_default()),
        };
        out
    }

    fn terminal(&self, out: &mut String) -> std::fmt::Result {
        let total = self.table.total();
        writeln!(out, "{total} requests: {}\n", self.summary())?;
        writeln!(out, "{:>10} | {}", "old \\ new", self.row(|kind| format!("{:>9}", kind.word())))?;
        for old in self.kinds() {
            let row = self.row(|new| format!("{:>9}", self.at(old, new)));
            writeln!(out, "{:>10} | {row}", old.word())?;
        }
        for (old, new, cell) in self.table.changed() {
            let change =
                Change::of(old, new).map(|change| format!(", {}", change.word())).unwrap_or_default();
            writeln!(out, "\n{} -> {}: {}{change}", old.word(), new.word(), cell.count)?;
            for line in lines(cell) {
                writeln!(out, "  {line}")?;
            }
        }
        if !self.table.asked.is_empty() {
            writeln!(out, "\nasked a day ({:.1} days of traffic)", self.table.days())?;
        }
        for (group, old, new) in self.asked() {
            writeln!(out, "  {group}: {old:.1} before, {new:.1} after ({:+.1})", new - old)?;
        }
        for fault in &self.faults {
            writeln!(out, "\nfault: {fault}")?;
        }
        writeln!(out, "\n  filter     {}  {}", self.filter.sha256, self.filter.path.display())?;
        writeln!(out, "  old        {}  {}", self.old.sha256, self.old.path.display())?;
        writeln!(out, "  new        {}  {}", self.new.sha256, self.new.path.display())?;
        let line = |recording: &Recording| {
            format!("  recording  {}  {}\n", recording.sha256, recording.path.display())
        };
        write!(out, "{}", self.recordings.iter().map(line).collect::<String>())
    }

    fn markdown(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "### Policy change: {}\n", self.summary())?;
        writeln!(out, "| old \\ new | {} |", self.kinds().map(Kind::word).collect::<Vec<_>>().join(" | "))?;
        writeln!(out, "|---|{}", "---:|".repeat(self.kinds().count()))?;
        for old in self.kinds() {
            let row: Vec<_> = self.kinds().map(|new| self.at(old, new).to_string()).collect();
            writeln!(out, "| **{}** | {} |", old.word(), row.join(" | "))?;
        }
        for (old, new, cell) in self.table.changed() {
            writeln!(out, "\n**{} → {}: {}**\n", old.word(), new.word(), cell.count)?;
            for line in lines(cell) {
                writeln!(out, "- {}", markdown_text(&line))?;
            }
        }
        if !self.table.asked.is_empty() {
            writeln!(out, "\n| reviewers | asked a day before | after |\n|---|---:|---:|")?;
        }
        for (group, old, new) in self.asked() {
            writeln!(out, "| {} | {old:.1} | {new:.1} |", markdown_text(group))?;
        }
        for fault in &self.faults {
            writeln!(out, "\n**Fault:** {}", markdown_text(fault))?;
        }
        writeln!(
            out,
            "\n<sub>filter `{}`, old `{}`, new `{}`</sub>",
            self.filter.sha256, self.old.sha256, self.new.sha256
        )
    }

    fn github(&self, out: &mut String) -> std::fmt::Result {
        for (old, new, cell) in self.table.changed() {
            let lines = lines(cell).join("%0A").replace(['\n', '\r'], " ");
            let level = match Change::of(old, new) {
                Some(Change::Gained | Change::Ungated | Change::Failed) => "warning",
                _ => "notice",
            };
            writeln!(
                out,
                "::{level} title={} to {}%3A {} requests::{lines}",
                old.word(),
                new.word(),
                cell.count
            )?;
        }
        self.faults.iter().try_for_each(|fault| writeln!(out, "::error::{}", fault.replace('\n', "%0A")))?;
        writeln!(out, "::notice title=policy change::{}", self.summary())
    }

    /// The result in one line.
    fn summary(&self) -> String {
        use Change::{Failed, Gained, Gated, Lost, Ungated};
        let words = [Gained, Ungated, Gated, Lost, Failed].into_iter().filter_map(|change| {
            let count = self.table.count(change);
            (count > 0).then(|| format!("{count} {}", change.word()))
        });
        let words: Vec<_> = words.collect();
        if words.is_empty() { "nothing changes".into() } else { words.join(", ") }
    }

    /// The decisions that have a row and a column: what went wrong only when it did.
    fn kinds(&self) -> impl Iterator<Item = Kind> {
        let used = |kind: &Kind| {
            let main = matches!(kind, Kind::Allow | Kind::Ask | Kind::Deny);
            main || self.table.cells.keys().any(|(old, new)| old == kind || new == kind)
        };
        Kind::ALL.into_iter().filter(used)
    }

    fn row(&self, cell: impl Fn(Kind) -> String) -> String {
        self.kinds().map(cell).collect::<Vec<_>>().join(" ")
    }

    fn at(&self, old: Kind, new: Kind) -> u64 {
        self.table.cells.get(&(old, new)).map_or(0, |cell| cell.count)
    }

    /// Reviewer groups with how often they are asked a day, before and after.
    fn asked(&self) -> impl Iterator<Item = (&str, f64, f64)> {
        let days = self.table.days();
        let daily = move |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / days;
        self.table.asked.iter().map(move |(group, (old, new))| (group.as_str(), daily(*old), daily(*new)))
    }

    /// A file or folder that was used.
    pub(super) fn named(path: &std::path::Path, sha256: countersign_protocol::Hash) -> Named {
        Named { path: PathBuf::from(path), sha256 }
    }
}

/// What is known of a cell: who does what, which policies decided, and samples.
fn lines(cell: &Cell) -> Vec<String> {
    let mut lines = Vec::new();
    let mut groups: Vec<_> = cell.groups.iter().collect();
    groups.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (about, count) in groups.iter().take(SHOWN) {
        lines.push(format!("{count} × {} {} {}", about.principal, about.action, about.resource));
    }
    if groups.len() > SHOWN {
        lines.push(format!("… and {} more", groups.len() - SHOWN));
    }
    let list = |ids: &[String]| if ids.is_empty() { "no policy".into() } else { ids.join(", ") };
    for ((old, new), count) in cell.policies.iter().take(SHOWN) {
        lines.push(format!("{count} × decided by {}, now by {}", list(old), list(new)));
    }
    if !cell.samples.is_empty() {
        lines.push(format!("such as {}", cell.samples.join(", ")));
    }
    lines
}
