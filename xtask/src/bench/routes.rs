//! What the number of routes costs: a lookup in core alone, measured on this machine without a gateway.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::stats::Spread;
use crate::workspace::{Workspace, output};

/// The lookup of one request's route.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Lookup {
    /// What the routes differ in.
    pub(super) shape: String,
    pub(super) routes: usize,
    /// The request is read and its route found, nanoseconds.
    pub(super) both: Spread,
    /// It is read only, nanoseconds.
    pub(super) reading: Spread,
}

/// A line of the benchmark in core.
#[derive(Debug, Deserialize)]
struct Line {
    shape: String,
    routes: usize,
    both: f64,
    reading: f64,
}

/// Runs the benchmark in core.
///
/// # Errors
/// When it does not build or run, or prints something else.
pub(super) fn measure(workspace: &Workspace) -> Result<Vec<Lookup>> {
    let mut cargo = workspace.cargo();
    cargo.args(["bench", "--quiet", "--workspace", "--bench", "routes"]);
    lookups(&output(&mut cargo)?)
}

fn lookups(text: &str) -> Result<Vec<Lookup>> {
    let mut rounds: BTreeMap<(String, usize), (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for line in text.lines() {
        let line: Line =
            serde_json::from_str(line).with_context(|| format!("the benchmark says `{line}`"))?;
        let (both, reading) = rounds.entry((line.shape, line.routes)).or_default();
        both.push(line.both);
        reading.push(line.reading);
    }
    let lookup = |((shape, routes), (both, reading))| {
        let (both, reading) = Spread::of(both).zip(Spread::of(reading)).context("a round is missing")?;
        Ok(Lookup { shape, routes, both, reading })
    };
    rounds.into_iter().map(lookup).collect()
}

/// How much longer a request takes with 5,000 routes than with 50, where that is most.
pub(super) fn growth(lookups: &[Lookup]) -> Option<f64> {
    let many = lookups.iter().filter(|lookup| lookup.routes == 5_000);
    let ratio = |many: &Lookup| {
        let few = lookups.iter().find(|few| few.routes == 50 && few.shape == many.shape)?;
        Some(many.both.over(&few.both)?.median)
    };
    many.filter_map(ratio).reduce(f64::max)
}

/// The section of the page.
pub(super) fn render(lookups: &[Lookup]) -> String {
    let mut text = "## Routes\n\n\
        Native code of core on one processor: a request's head is read and its route found; the route is in the middle of\n\
        all. Median (smallest – largest) of the rounds, in microseconds.\n\n\
        | routes that differ in | number | reading and lookup | reading alone |\n|---|---:|---|---|\n"
        .to_owned();
    for Lookup { shape, routes, both, reading } in lookups {
        let micro = |spread: &Spread| {
            format!("{:.2} ({:.2} – {:.2})", spread.median / 1e3, spread.min / 1e3, spread.max / 1e3)
        };
        // Writing to a string cannot fail.
        writeln!(text, "| {shape} | {routes} | {} | {} |", micro(both), micro(reading)).ok();
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What just meets the goal.
    pub(in super::super) fn some() -> Vec<Lookup> {
        let line = |routes, both| {
            format!("{{\"shape\":\"paths\",\"routes\":{routes},\"both\":{both},\"reading\":800}}\n")
        };
        lookups(&[line(50, 1000), line(5_000, 1250)].concat()).unwrap()
    }

    #[test]
    fn growth_is_the_worst_of_all_shapes() {
        let mut all = some();
        all.extend(lookups("{\"shape\":\"hosts\",\"routes\":5000,\"both\":9,\"reading\":8}").unwrap());
        assert_eq!(growth(&all), Some(1.25));
        assert!(render(&all).contains("| paths | 5000 | 1.25 (1.25 – 1.25) | 0.80 (0.80 – 0.80) |"));
        assert!(lookups("warm-up").is_err());
    }
}
