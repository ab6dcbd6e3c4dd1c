//! Which policies, gates, clauses and routes recorded traffic exercised.

pub mod command;
mod cross;
mod markdown;
mod tally;
mod terminal;

pub use cross::{Cross, Disagreement};
pub use tally::{ConjunctCount, Covered, Kind, PolicyCount, RouteCount, Tally};

use serde::Serialize;

use crate::replay::Recording;
use crate::replay::report::Named;

/// What traffic exercised, and what it was.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The policy folder and the hash of its bundle.
    pub bundle: Named,
    /// The filter, when it was asked too.
    pub filter: Option<Named>,
    /// The recordings and their hashes.
    pub recordings: Vec<Recording>,
    /// How much of each kind.
    pub covered: Vec<Covered>,
    /// What was exercised how often.
    #[serde(flatten)]
    pub tally: Tally,
    /// Where the filter decided otherwise.
    pub disagreements: Vec<Disagreement>,
    /// What went wrong with filter or harness.
    pub faults: Vec<String>,
    /// Whether the filter trapped.
    pub trapped: bool,
}

impl Report {
    /// For people.
    #[must_use]
    pub fn terminal(&self) -> String {
        terminal::render(self)
    }

    /// For a pull request.
    #[must_use]
    pub fn markdown(&self) -> String {
        markdown::render(self)
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The kinds of which less than `least` percent were exercised.
    pub fn below(&self, least: f64) -> impl Iterator<Item = &Covered> {
        self.covered.iter().filter(move |covered| covered.percent().is_some_and(|percent| percent < least))
    }
}
