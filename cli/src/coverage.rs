//! Which policies, gates, clauses and routes recorded traffic exercised.

pub mod command;
mod cross;
mod github;
mod html;
mod junit;
mod markdown;
mod tally;
mod terminal;

pub use cross::{Cross, Disagreement};
pub use tally::{ConjunctCount, Covered, Kind, PolicyCount, RouteCount, Tally};

use serde::Serialize;

use crate::replay::Recording;
use crate::replay::report::{Named, WITHOUT, hashes};

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
    /// Below so many percent of a kind is a failure.
    pub min: Option<f64>,
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

    /// For continuous integration.
    #[must_use]
    pub fn junit(&self) -> String {
        junit::render(self)
    }

    /// For GitHub Actions.
    #[must_use]
    pub fn github(&self) -> String {
        github::render(self)
    }

    /// For a browser.
    #[must_use]
    pub fn html(&self) -> String {
        html::render(self)
    }

    /// All that is not as it must be, but for what was not exercised.
    fn wrong(&self) -> Vec<String> {
        let found = |found: &Disagreement| {
            format!("`{}`: {} here, {} by the filter", found.id, found.here, found.filter)
        };
        self.disagreements.iter().map(found).chain(self.faults.iter().cloned()).collect()
    }

    /// All that was used: what it is, where, and its hash; that there was no filter, too.
    fn hashes(&self) -> Vec<(&'static str, String, String)> {
        let without = self.filter.is_none().then(|| ("filter", "none".to_owned(), WITHOUT.to_owned()));
        let filter = self.filter.iter().map(|filter| ("filter", filter));
        let all = hashes(filter.chain([("policies", &self.bundle)]), &self.recordings);
        without.into_iter().chain(all).collect()
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Of which kinds too little was exercised, in a line each.
    fn too_little(&self) -> Vec<String> {
        let line = |least: f64| {
            move |covered: &Covered| {
                let (percent, kind) = (covered.percent().unwrap_or_default(), covered.kind.word());
                format!("{percent:.1} % of {kind} were exercised, less than {least} %")
            }
        };
        self.min.into_iter().flat_map(|least| self.below(least).map(line(least))).collect()
    }

    /// The kinds of which less than `least` percent were exercised.
    pub fn below(&self, least: f64) -> impl Iterator<Item = &Covered> {
        self.covered.iter().filter(move |covered| covered.percent().is_some_and(|percent| percent < least))
    }
}
