//! A plot of decisions over time, as `plot.html` draws it.

use std::collections::BTreeMap;

use countersign_core::clock::rfc3339;
use countersign_protocol::UnixMillis;

use crate::replay::{Decisions, OverTime};

/// The plot's size.
const PLOT: (f64, f64) = (960.0, 160.0);

/// Columns of decisions, from a moment to another.
pub(crate) struct Plot {
    pub(crate) bars: Vec<Bar>,
    pub(crate) begin: String,
    pub(crate) end: String,
}

/// A part of one column of the plot.
pub(crate) struct Bar {
    pub(crate) class: &'static str,
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) title: String,
}

impl Plot {
    pub(crate) fn of(over_time: &OverTime) -> Self {
        let time = |at: Option<&UnixMillis>| at.map(|at| rfc3339(*at)).unwrap_or_default();
        let mut times = over_time.spans.keys();
        let (begin, end) = (time(times.clone().next()), time(times.next_back()));
        Self { bars: bars(&over_time.spans), begin, end }
    }
}

fn bars(spans: &BTreeMap<UnixMillis, Decisions>) -> Vec<Bar> {
    let most = spans.values().map(|decisions| decisions.total()).max().unwrap_or(1).max(1);
    let (width, height) = (PLOT.0 / real(spans.len() as u64).max(1.0), PLOT.1 / real(most));
    let mut bars = Vec::new();
    for (column, (at, decisions)) in spans.iter().enumerate() {
        let mut top = PLOT.1;
        for (class, count) in parts(*decisions).into_iter().filter(|(_, count)| *count > 0) {
            let tall = real(count) * height;
            top -= tall;
            let title = format!("{}: {count} {class}", rfc3339(*at));
            let x = real(column as u64) * width;
            bars.push(Bar { class, x, y: top, width: (width - 0.5).max(0.5), height: tall, title });
        }
    }
    bars
}

fn parts(decisions: Decisions) -> [(&'static str, u64); 4] {
    let Decisions { allow, ask, deny, unknown } = decisions;
    [("allow", allow), ("ask", ask), ("deny", deny), ("unknown", unknown)]
}

#[expect(clippy::cast_precision_loss, reason = "a plot does not show the difference")]
fn real(count: u64) -> f64 {
    count as f64
}
