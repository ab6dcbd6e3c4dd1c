//! Metrics: counters, gauges and histograms that filters define, one for each kind and name in a gateway.

use std::collections::BTreeMap;

use crate::guest::Status;

/// The kinds of ABI 0.2.1, `proxy_metric_type_t`; a metric's id carries its kind in the low bits.
pub(crate) const COUNTER: u64 = 0;
pub(crate) const GAUGE: u64 = 1;
pub(crate) const HISTOGRAM: u64 = 2;
pub(crate) const KINDS: u64 = 4;

/// Metrics by kind and name. A histogram has no value; its last sample is kept in its place.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    places: BTreeMap<(u64, Vec<u8>), usize>,
    values: Vec<u64>,
}

impl Metrics {
    /// The id of a metric: two definitions of one name are one metric.
    pub(crate) fn define(&mut self, kind: u64, name: Vec<u8>) -> Option<u32> {
        let place = *self.places.entry((kind, name)).or_insert_with(|| {
            self.values.push(0);
            self.values.len()
        });
        u32::try_from(kind + KINDS * place as u64).ok()
    }

    /// The value that an id stands for.
    pub(crate) fn value(&mut self, id: u64) -> Result<&mut u64, Status> {
        let place = usize::try_from(id / KINDS).ok().and_then(|place| place.checked_sub(1));
        place.and_then(|place| self.values.get_mut(place)).ok_or(Status::NotFound)
    }

    /// All of them, by name: counters, then gauges, then histograms.
    pub(crate) fn all(&self) -> impl Iterator<Item = (String, u64)> {
        self.places.iter().filter_map(|((_, name), place)| {
            let value = self.values.get(place.checked_sub(1)?)?;
            Some((String::from_utf8_lossy(name).into_owned(), *value))
        })
    }
}
