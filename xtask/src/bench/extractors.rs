//! What it costs to take facts from each kind of place: the released filter in the harness.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::stats::Spread;
use crate::workspace::{Workspace, output};

/// Requests with three facts of one kind.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Extractor {
    name: String,
    /// Microseconds of a processor for one request.
    with: Spread,
    /// The same for a route that reads nothing of it.
    without: Spread,
}

/// A line of the benchmark in the harness.
#[derive(Debug, Deserialize)]
struct Line {
    extractor: String,
    with: f64,
    without: f64,
}

/// Runs the benchmark in the harness.
///
/// # Errors
/// When it does not build or run, or prints something else.
pub(super) fn measure(workspace: &Workspace, filter: &Path) -> Result<Vec<Extractor>> {
    let mut cargo = workspace.cargo();
    cargo.args(["bench", "--quiet", "--workspace", "--bench", "extractors"]);
    extractors(&output(cargo.env("COUNTERSIGN_WASM", filter))?)
}

fn extractors(text: &str) -> Result<Vec<Extractor>> {
    let mut rounds: Vec<(String, Vec<f64>, Vec<f64>)> = Vec::new();
    for line in text.lines() {
        let Line { extractor, with, without } =
            serde_json::from_str(line).with_context(|| format!("the benchmark says `{line}`"))?;
        match rounds.iter_mut().find(|(name, ..)| *name == extractor) {
            Some((_, all, plain)) => {
                all.push(with);
                plain.push(without);
            }
            None => rounds.push((extractor, vec![with], vec![without])),
        }
    }
    let extractor = |(name, with, without)| {
        let (with, without) = Spread::of(with).zip(Spread::of(without)).context("a round is missing")?;
        Ok(Extractor { name, with, without })
    };
    rounds.into_iter().map(extractor).collect()
}

/// The section of the page.
pub(super) fn render(extractors: &[Extractor]) -> String {
    let mut text = "## Extractors\n\n\
        The released filter in the harness: what three facts from a place cost a request that has about 2 KB there, more than the\n\
        same request at a route that reads nothing. Of a token it is what it costs more than a caller named by a header; but for\n\
        the last, its signature does not hold, so that it is verified each time and denied. Microseconds of a processor,\n\
        median of the rounds.\n\n\
        | facts from | µs | of the whole request |\n|---|---:|---:|\n"
        .to_owned();
    for Extractor { name, with, without } in extractors {
        let more = with.median - without.median;
        // Writing to a string cannot fail.
        writeln!(text, "| {name} | {more:.0} | {:.0} |", with.median).ok();
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn some() -> Vec<Extractor> {
        let line = |with: f64| format!("{{\"extractor\":\"JSON\",\"with\":{with},\"without\":60}}\n");
        extractors(&[line(90.0), line(110.0), line(100.0)].concat()).unwrap()
    }

    #[test]
    fn what_an_extractor_costs_is_the_difference_of_medians() {
        assert!(render(&some()).contains("| JSON | 40 | 100 |\n"));
        assert!(extractors("warm-up").is_err());
    }
}
