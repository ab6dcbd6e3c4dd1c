//! Metrics: counters, gauges and histograms that a filter defines.

use std::collections::BTreeMap;

use wasmtime::{Result, ValType};

use super::Imports;
use super::shared::kept;
use crate::guest::{Fault, Guest, Status};

/// The kinds of ABI 0.2.1, `proxy_metric_type_t`; a metric's id carries its kind in the low bits.
const COUNTER: u64 = 0;
const GAUGE: u64 = 1;
const HISTOGRAM: u64 = 2;
const KINDS: u64 = 4;

/// Metrics by id; two definitions of one name are one metric.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    names: BTreeMap<u64, Vec<u8>>,
    values: BTreeMap<(u64, Vec<u8>), u64>,
}

impl Metrics {
    fn define(&mut self, kind: u64, name: Vec<u8>) -> Option<u32> {
        let id = kind + KINDS * (self.names.len() as u64 + 1);
        self.names.insert(id, name);
        u32::try_from(id).ok()
    }

    /// The value that an id stands for. A histogram has none; its last sample is kept in its place.
    fn value(&mut self, id: u64) -> Result<&mut u64, Status> {
        let name = self.names.get(&id).ok_or(Status::NotFound)?;
        Ok(self.values.entry((id % KINDS, name.clone())).or_default())
    }
}

pub(super) fn link(imports: &mut Imports) -> Result<()> {
    imports.proxy("proxy_define_metric", |guest, [kind, name, size, id]| {
        let name = kept(guest, name, size)?;
        if kind > HISTOGRAM {
            return Err(Status::BadArgument.into());
        }
        let defined = guest.host_mut().metrics.define(kind, name).ok_or(Status::BadArgument)?;
        guest.write_u32(id, defined)
    })?;
    imports.proxy_with("proxy_increment_metric", [ValType::I32, ValType::I64], increment)?;
    imports.proxy_with("proxy_record_metric", [ValType::I32, ValType::I64], |guest, [id, value]| {
        let metric = guest.host_mut().metrics.value(id)?;
        *metric = if id % KINDS == COUNTER { metric.wrapping_add(value) } else { value };
        Ok(())
    })?;
    imports.proxy("proxy_get_metric", |guest, [id, at]| {
        if id % KINDS >= HISTOGRAM {
            return Err(Status::BadArgument.into());
        }
        let value = *guest.host_mut().metrics.value(id)?;
        guest.write(at, &value.to_le_bytes())
    })
}

fn increment(guest: &mut Guest<'_>, [id, offset]: [u64; 2]) -> Result<(), Fault> {
    if id % KINDS > GAUGE {
        return Err(Status::BadArgument.into());
    }
    let metric = guest.host_mut().metrics.value(id)?;
    let offset = offset.cast_signed();
    if id % KINDS == COUNTER && offset <= 0 {
        return Err(Status::BadArgument.into());
    }
    *metric = metric.wrapping_add_signed(offset);
    Ok(())
}
