//! How a replay is reported: for people in a terminal, and for programs.

mod github;
mod html;
mod junit;
mod markdown;
mod plot;
mod terminal;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueEnum;
use countersign_core::engine::Rules;
use countersign_protocol::Hash;
use serde::Serialize;

pub(crate) use github::{data as github_text, property as github_property};
pub(crate) use markdown::escaped as markdown_text;
pub(crate) use plot::Plot;

use super::reader::Recording;
use super::{Setting, Tally};
use crate::output::word;

/// What a report says in place of a filter's hash when no filter was asked.
pub(crate) const WITHOUT: &str = "judged without a filter";

/// The form of a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Terminal,
    /// One JSON object.
    Json,
    /// `JUnit` XML: a test case for each entry that has expectations.
    Junit,
    /// Annotations of GitHub Actions, at the policies that decided.
    Github,
    /// For a pull request.
    Markdown,
    /// One HTML file that needs nothing else.
    Html,
}

/// What a replay came to, and what was replayed.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The filter and its hash.
    pub filter: Named,
    /// The policy folder and the hash of its bundle.
    pub bundle: Named,
    /// The recordings and their hashes.
    pub recordings: Vec<Recording>,
    /// How long it took, seconds.
    pub seconds: f64,
    /// What came of it.
    #[serde(flatten)]
    pub tally: Tally,
    /// Where policies are found, by id.
    #[serde(skip)]
    pub places: Places,
}

/// A file or folder, and the SHA-256 of what it holds.
#[derive(Debug, Clone, Serialize)]
pub struct Named {
    /// Where it is.
    pub path: PathBuf,
    /// Its hash.
    pub sha256: Hash,
}

/// Where policies are found.
#[derive(Debug, Clone, Default)]
pub struct Places {
    folder: PathBuf,
    of: BTreeMap<String, (String, usize)>,
}

impl Places {
    /// Those of a folder's policies.
    #[must_use]
    pub fn of(folder: &std::path::Path, rules: &Rules) -> Self {
        let place = |policy: &countersign_core::policy::PolicyInfo| {
            (policy.notes.id.clone(), (policy.file.clone(), policy.line))
        };
        Self { folder: folder.into(), of: rules.policies().map(place).collect() }
    }

    /// The file and line of a policy.
    pub(crate) fn find(&self, id: &str) -> Option<(PathBuf, usize)> {
        let (file, line) = self.of.get(id)?;
        Some((self.folder.join(file), *line))
    }

    /// A policy and its place, in words.
    pub(super) fn named(&self, id: &str) -> String {
        match self.find(id) {
            Some((file, line)) => format!("{id} ({}:{line})", file.display()),
            None => id.into(),
        }
    }
}

/// All that was used: what it is, where, and its hash.
pub(crate) fn hashes<'a>(
    named: impl IntoIterator<Item = (&'static str, &'a Named)>,
    recordings: &'a [Recording],
) -> Vec<(&'static str, String, String)> {
    let named = named.into_iter().map(|(what, named)| (what, &named.path, named.sha256));
    let recordings = recordings.iter().map(|recording| ("recording", &recording.path, recording.sha256));
    let all = named.chain(recordings);
    all.map(|(what, path, hash)| (what, word(&path.display().to_string()).into_owned(), hash.to_string()))
        .collect()
}

impl Report {
    /// The report of a replay with this setting.
    #[must_use]
    pub fn new(
        setting: &Setting,
        paths: (PathBuf, PathBuf),
        recordings: Vec<Recording>,
        tally: Tally,
    ) -> Self {
        let (filter, bundle) = paths;
        Self {
            filter: Named { path: filter, sha256: setting.filter_hash },
            bundle: Named { path: bundle, sha256: setting.bundle_hash },
            recordings,
            seconds: 0.0,
            tally,
            places: Places::default(),
        }
    }

    /// The whole report as text.
    #[must_use]
    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Terminal => terminal::render(self),
            Format::Json => serde_json::to_string_pretty(self).unwrap_or_default() + "\n",
            Format::Junit => junit::render(self),
            Format::Github => github::render(self),
            Format::Markdown => markdown::render(self),
            Format::Html => html::render(self),
        }
    }

    /// Entries in all recordings.
    fn entries(&self) -> u64 {
        self.recordings.iter().map(|recording| recording.entries).sum()
    }

    /// The result in one line.
    fn verdict(&self) -> String {
        let Tally { expected, failing, .. } = &self.tally;
        match (failing, expected, self.tally.faults.len()) {
            (0, 0, 0) => "nothing was expected, and nothing is broken".into(),
            (0, _, 0) => format!("all {expected} expectations hold"),
            (0, _, faults) => format!("{faults} faults of filter or harness"),
            _ => format!("{failing} of {} requests are not as they must be", self.entries()),
        }
    }

    /// Linear memory of each worker.
    fn memory(&self) -> String {
        let memory: Vec<_> = self.tally.memory.iter().map(|bytes| format!("{} KB", bytes / 1_000)).collect();
        if memory.is_empty() { "not known".into() } else { memory.join(", ") }
    }

    fn shown(&self) -> u64 {
        self.tally.failures.len() as u64
    }
}
