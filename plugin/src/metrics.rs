//! Metrics through the gateway's own stats: a closed set of names, defined when the filter is configured.
//!
//! They are the gateway's, not a worker's: all workers share one counter of a name, and it outlives them. So
//! they are reached from anywhere, as the log is.

mod board;
mod metric;
mod reporter;
mod tally;

use std::collections::BTreeMap;

use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

pub(crate) use board::Levels;
pub(crate) use metric::{Answered, Metric};
pub(crate) use reporter::{REPORT, Reporter};
pub(crate) use tally::Tally;

thread_local! {
    /// The gateway's ids of the metrics. All are defined at once: a series that begins at 0 shows its first
    /// increment, and no request waits for a definition.
    static IDS: BTreeMap<Metric, u32> = define();
}

fn define() -> BTreeMap<Metric, u32> {
    let defined =
        |metric: Metric| Some((metric, hostcalls::define_metric(metric.kind(), &metric.name()).ok()?));
    Metric::all().into_iter().filter_map(defined).collect()
}

fn id(metric: Metric) -> Option<u32> {
    IDS.with(|ids| ids.get(&metric).copied())
}

/// Defines what is not defined yet.
pub(crate) fn prepare() {
    IDS.with(|_| ());
}

/// Adds to a counter. What the gateway does not take is lost: no request waits for a metric.
pub(crate) fn count(metric: Metric, more: u64) {
    let offset = i64::try_from(more).unwrap_or(i64::MAX);
    if offset > 0
        && let Some(id) = id(metric)
    {
        let _lost = hostcalls::increment_metric(id, offset);
    }
}

/// Sets a gauge, or adds a sample to a histogram.
fn record(metric: Metric, value: u64) {
    if let Some(id) = id(metric) {
        let _lost = hostcalls::record_metric(id, value);
    }
}

/// The gauges of the bundles that a worker saw, by the first 48 bits of their hashes. The gateway makes a new
/// id each time that one is defined, so they are kept.
#[derive(Debug, Default)]
struct Bundles(BTreeMap<u64, u32>);

impl Bundles {
    fn set(&mut self, hash: u64, used: bool) {
        let id = match self.0.get(&hash) {
            Some(id) => *id,
            None => match hostcalls::define_metric(MetricType::Gauge, &metric::bundle_info(hash)) {
                Ok(id) => *self.0.entry(hash).or_insert(id),
                Err(_) => return,
            },
        };
        let _lost = hostcalls::record_metric(id, used.into());
    }
}
