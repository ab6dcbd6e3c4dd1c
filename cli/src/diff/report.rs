//! How a change of policies is reported.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;

use super::{Cell, Change, Kind, Table, groups, html, junit};
use crate::output::{line, para};
use crate::replay::Recording;
use crate::replay::report::{Named, Places, github_property, github_text, hashes, markdown_text};

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
    /// `JUnit` XML: a test case for each kind of change.
    Junit,
    /// Annotations of GitHub Actions.
    Github,
    /// For a pull request.
    Markdown,
    /// One HTML file that needs nothing else.
    Html,
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
    /// How long the traffic is, seconds.
    pub(super) seconds: u64,
    /// How often a day each group of reviewers was asked before, and would be asked after; nothing where no day can be told.
    pub(super) asked_daily: Option<BTreeMap<String, (f64, f64)>>,
    /// What was decided.
    #[serde(flatten)]
    pub(super) table: Table,
    /// Requests that were left out: their bodies were not recorded whole.
    pub(super) partial: u64,
    /// What went wrong with filter or harness, on either side.
    pub(super) faults: Vec<String>,
    /// Whether the filter trapped.
    pub(super) trapped: bool,
    /// Changes that are a failure.
    pub(super) fail_on: Vec<Change>,
    /// Where policies are found: the new ones, then the old ones.
    #[serde(skip)]
    pub(super) places: [Places; 2],
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
            Format::Junit => return junit::render(self),
            Format::Html => return html::render(self),
            Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(self).unwrap_or_default()),
        };
        out
    }

    fn terminal(&self, out: &mut String) -> std::fmt::Result {
        let total = self.table.total();
        line!(out, "{total} requests: {}", self.summary())?;
        line!(out)?;
        line!(out, "{:>10} | {}", "old \\ new", self.row(|kind| format!("{:>9}", kind.word())))?;
        for old in self.kinds() {
            let row = self.row(|new| format!("{:>9}", self.table.at(old, new)));
            line!(out, "{:>10} | {row}", old.word())?;
        }
        for (old, new, change, cell) in self.table.changed() {
            let change = change.map(|change| format!(", {}", change.word())).unwrap_or_default();
            para!(out, "{} -> {}: {}{change}", old.word(), new.word(), cell.count)?;
            for line in lines(cell) {
                line!(out, "  {line}")?;
            }
        }
        if !self.table.asked.is_empty() {
            para!(out, "asked {}", self.how_often())?;
        }
        for (group, old, new) in self.asked() {
            line!(out, "  {group}: {}", self.often(old, new))?;
        }
        for fault in &self.faults {
            para!(out, "fault: {fault}")?;
        }
        para!(out, "  filter     {}  {}", self.filter.sha256, self.filter.path.display())?;
        line!(out, "  old        {}  {}", self.old.sha256, self.old.path.display())?;
        line!(out, "  new        {}  {}", self.new.sha256, self.new.path.display())?;
        for recording in &self.recordings {
            line!(out, "  recording  {}  {}", recording.sha256, recording.path.display())?;
        }
        Ok(())
    }

    fn markdown(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "### Policy change: {}\n", self.summary())?;
        writeln!(out, "| old \\ new | {} |", self.kinds().map(Kind::word).collect::<Vec<_>>().join(" | "))?;
        writeln!(out, "|---|{}", "---:|".repeat(self.kinds().count()))?;
        for old in self.kinds() {
            let row: Vec<_> = self.kinds().map(|new| self.table.at(old, new).to_string()).collect();
            writeln!(out, "| **{}** | {} |", old.word(), row.join(" | "))?;
        }
        for (old, new, change, cell) in self.table.changed() {
            let change = change.map(|change| format!(", {}", change.word())).unwrap_or_default();
            writeln!(out, "\n**{} → {}: {}{change}**\n", old.word(), new.word(), cell.count)?;
            for line in lines(cell) {
                writeln!(out, "- {}", markdown_text(&line))?;
            }
        }
        if !self.table.asked.is_empty() {
            writeln!(out, "\n| reviewers | asked {} |\n|---|---|", self.how_often())?;
        }
        for (group, old, new) in self.asked() {
            writeln!(out, "| {} | {} |", markdown_text(group), self.often(old, new))?;
        }
        for fault in &self.faults {
            writeln!(out, "\n**Fault:** {}", markdown_text(fault))?;
        }
        writeln!(
            out,
            "\n<details><summary>What was replayed</summary>\n\n- filter `{}`\n- old `{}`\n- new `{}`",
            self.filter.sha256, self.old.sha256, self.new.sha256
        )?;
        for recording in &self.recordings {
            writeln!(
                out,
                "- {} `{}`",
                markdown_text(&recording.path.display().to_string()),
                recording.sha256
            )?;
        }
        writeln!(out, "\n</details>")
    }

    fn github(&self, out: &mut String) -> std::fmt::Result {
        for (old, new, change, cell) in self.table.changed() {
            let lines = github_text(&lines(cell).join("\n"));
            let level = if change.is_some_and(Change::is_grave) { "warning" } else { "notice" };
            let (old, new, count) = (old.word(), new.word(), cell.count);
            writeln!(out, "::{level} {}title={old} to {new}%3A {count} requests::{lines}", self.place(cell))?;
        }
        self.faults.iter().try_for_each(|fault| writeln!(out, "::error::{}", github_text(fault)))?;
        let Self { filter, old, new, .. } = self;
        let (filter, old, new) = (filter.sha256, old.sha256, new.sha256);
        let recordings = self.recordings.iter().map(|recording| format!(", recording {}", recording.sha256));
        let recordings: String = recordings.collect();
        let hashes = format!("filter {filter}, old {old}, new {new}{recordings}");
        writeln!(out, "::notice title=policy change::{}%0A{hashes}", github_text(&self.summary()))
    }

    /// Where the policies of most requests of a cell are: the first that decides now, or that decided before and is gone.
    fn place(&self, cell: &Cell) -> String {
        let most = cell.policies.iter().max_by_key(|(_, count)| **count).map(|(policies, _)| policies);
        let [now, before] = &self.places;
        let place = most.and_then(|(old, new)| {
            let found = |places: &Places, ids: &[String]| ids.iter().find_map(|id| places.find(id));
            found(now, new).or_else(|| found(before, old))
        });
        place.map_or_else(String::new, |(file, line)| {
            format!("file={},line={line},", github_property(&file.display().to_string()))
        })
    }

    /// The result in one line.
    pub(super) fn summary(&self) -> String {
        let words = Change::ALL.into_iter().filter_map(|change| {
            let count = self.table.count(change);
            (count > 0).then(|| format!("{count} {}", change.word()))
        });
        let words: Vec<_> = words.collect();
        let partial = match self.partial {
            0 => String::new(),
            partial => format!(" ({partial} more were left out: their bodies were not recorded whole)"),
        };
        if words.is_empty() { "nothing changes".to_owned() + &partial } else { words.join(", ") + &partial }
    }

    /// The decisions that have a row and a column: what went wrong only when it did.
    pub(super) fn kinds(&self) -> impl Iterator<Item = Kind> {
        let used = |kind: &Kind| {
            let main = matches!(kind, Kind::Allow | Kind::Ask | Kind::Deny);
            main || self.table.cells.keys().any(|(old, new, _)| old == kind || new == kind)
        };
        Kind::ALL.into_iter().filter(used)
    }

    fn row(&self, cell: impl Fn(Kind) -> String) -> String {
        self.kinds().map(cell).collect::<Vec<_>>().join(" ")
    }

    /// Reviewer groups with how often they were asked before, and would be after.
    pub(super) fn asked(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        self.table.asked.iter().map(|(group, (old, new))| (group.as_str(), *old, *new))
    }

    /// What the numbers of [`Self::often`] rest on.
    pub(super) fn how_often(&self) -> String {
        let seconds = self.table.seconds();
        let span = match seconds {
            86_400.. => format!("{}.{} days", seconds / 86_400, seconds % 86_400 / 8_640),
            3_600.. => format!("{}.{} hours", seconds / 3_600, seconds % 3_600 / 360),
            _ => format!("{} minutes", seconds.div_ceil(60)),
        };
        match seconds {
            86_400.. => format!("a day (in {span} of traffic)"),
            3_600.. => format!("a day, if every hour of it is like these {span} of traffic"),
            _ => format!("in all (in {span} of traffic, too little to tell of a day)"),
        }
    }

    /// A rate before and after, or the count where no rate can be told.
    pub(super) fn often(&self, old: u64, new: u64) -> String {
        match (self.table.daily(old), self.table.daily(new)) {
            (Some(old), Some(new)) => format!("{old:.1} before, {new:.1} after ({:+.1})", new - old),
            _ => format!("{old} before, {new} after"),
        }
    }

    /// All that was used: what it is, where, and its hash.
    pub(super) fn hashes(&self) -> Vec<(&'static str, String, String)> {
        hashes([("filter", &self.filter), ("old", &self.old), ("new", &self.new)], &self.recordings)
    }

    /// A file or folder that was used.
    pub(super) fn named(path: &std::path::Path, sha256: countersign_protocol::Hash) -> Named {
        Named { path: PathBuf::from(path), sha256 }
    }
}

/// What is known of a cell: who does what, which policies decided, and samples.
pub(super) fn lines(cell: &Cell) -> Vec<String> {
    let groups = groups::lines(&cell.groups);
    let mut lines: Vec<_> = groups.iter().take(SHOWN).cloned().collect();
    if groups.len() > SHOWN {
        lines.push(format!("… and {} more", groups.len() - SHOWN));
    }
    let list = |ids: &[String]| if ids.is_empty() { "no policy".into() } else { ids.join(", ") };
    for ((old, new), count) in cell.policies.iter().take(SHOWN) {
        lines.push(format!("{count} × decided by {}, now by {}", list(old), list(new)));
    }
    for (terms, count) in cell.terms.iter().take(SHOWN) {
        lines.push(format!("{count} × {terms}"));
    }
    lines.extend(cell.samples.iter().map(|sample| format!("such as {sample}")));
    lines
}
