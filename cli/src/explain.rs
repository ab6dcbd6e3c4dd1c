//! Explains what is decided on one request, and what would have to differ.

pub mod command;
mod curl;
mod flags;
mod input;
mod json;
mod shell;
mod terminal;
mod url;
mod written;

pub use curl::CurlError;
pub use input::{Asked, InputError, Source};
pub use shell::ShellError;
pub use url::UrlError;
pub(crate) use written::{duration, one_line, place};

use std::path::PathBuf;

use countersign_core::explain::{Explainer, Explanation, Obstacles};
use countersign_protocol::UnixMillis;
use countersign_protocol::recording::{Decision, Entry};

use crate::replay::report::Named;
use crate::replay::request::facts;
use crate::replay::word;

/// One request, explained.
pub struct Report<'a> {
    /// The policies.
    pub explainer: &'a Explainer,
    /// The policy folder.
    pub folder: PathBuf,
    /// What was asked.
    pub entry: &'a Entry,
    /// The file that it is in, and its hash.
    pub file: Option<Named>,
    /// As of when.
    pub at: UnixMillis,
    /// What is decided, and why.
    pub explanation: Explanation,
    /// What would have to differ.
    pub obstacles: Option<Obstacles>,
}

impl<'a> Report<'a> {
    /// Explains an entry as of `at`.
    #[must_use]
    pub fn new(explainer: &'a Explainer, folder: PathBuf, entry: &'a Entry, at: UnixMillis) -> Self {
        let explanation = explainer.explain(&facts(entry), at);
        let obstacles = explainer.obstacles(&explanation);
        Self { explainer, folder, entry, file: None, at, explanation, obstacles }
    }

    /// The same of an entry that is in this file.
    #[must_use]
    pub fn of(self, file: Option<Named>) -> Self {
        Self { file, ..self }
    }

    /// What the recording expects, if that is something else.
    #[must_use]
    pub fn differs(&self) -> Option<Decision> {
        let expected = self.entry.expect.as_ref()?.decision?;
        (expected != self.explanation.verdict.decision()).then_some(expected)
    }

    /// For people.
    #[must_use]
    pub fn terminal(&self) -> String {
        terminal::render(self)
    }

    /// For a pull request: in a fence that nothing in it ends.
    #[must_use]
    pub fn markdown(&self) -> String {
        let text = self.terminal();
        let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or_default();
        let fence = "`".repeat(longest.max(2) + 1);
        let decision = word(Some(self.explanation.verdict.decision()));
        format!("### Explained: {decision}\n\n{fence}text\n{text}{fence}\n")
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        json::render(self)
    }
}
