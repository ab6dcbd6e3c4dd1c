//! Metrics: counters, gauges and histograms that a filter defines.

use wasmtime::{Caller, Result};

use super::shared::kept;
use super::{Imports, PROXY, run};
use crate::guest::{Fault, Guest, Status};
use crate::host::Host;
use crate::metrics::{COUNTER, GAUGE, HISTOGRAM, KINDS};

const MEMORY: i32 = Status::InvalidMemoryAccess as i32;

pub(super) fn link(imports: &mut Imports) -> Result<()> {
    imports.proxy("proxy_define_metric", |guest, [kind, name, size, id]| {
        let name = kept(guest, name, size)?;
        if kind > HISTOGRAM {
            return Err(Status::BadArgument.into());
        }
        let defined = guest.process().metrics.define(kind, name).ok_or(Status::BadArgument)?;
        guest.write_u32(id, defined)
    })?;
    imports.typed(PROXY, "proxy_increment_metric", |caller: Caller<'_, Host>, id: u32, offset: i64| {
        run(caller, PROXY, "proxy_increment_metric", MEMORY, |guest| increment(guest, id.into(), offset))
    })?;
    imports.typed(PROXY, "proxy_record_metric", |caller: Caller<'_, Host>, id: u32, value: u64| {
        run(caller, PROXY, "proxy_record_metric", MEMORY, |guest| record(guest, id.into(), value))
    })?;
    imports.proxy("proxy_get_metric", |guest, [id, at]| {
        if id % KINDS >= HISTOGRAM {
            return Err(Status::BadArgument.into());
        }
        let value = *guest.process().metrics.value(id)?;
        guest.write(at, &value.to_le_bytes())
    })
}

fn increment(guest: &mut Guest<'_>, id: u64, offset: i64) -> Result<(), Fault> {
    if id % KINDS > GAUGE {
        return Err(Status::BadArgument.into());
    }
    let mut process = guest.process();
    let metric = process.metrics.value(id)?;
    if id % KINDS == COUNTER && offset <= 0 {
        return Err(Status::BadArgument.into());
    }
    *metric = metric.wrapping_add_signed(offset);
    Ok(())
}

fn record(guest: &mut Guest<'_>, id: u64, value: u64) -> Result<(), Fault> {
    let mut process = guest.process();
    let metric = process.metrics.value(id)?;
    *metric = if id % KINDS == COUNTER { metric.wrapping_add(value) } else { value };
    Ok(())
}
