//! Log, clock, ticks, buffers and contexts: what a root context uses by itself.

use wasmtime::Result;

use super::Imports;
use crate::filter::ROOT;
use crate::guest::{Fault, Guest, Status};
use crate::outcome::Level;

/// Envoy's default level, which `proxy_get_log_level` tells; every line is kept whatever its level.
const LOG_LEVEL: u32 = Level::Info as u32;

/// The buffer types of ABI 0.2.1, `proxy_buffer_type_t`.
const HTTP_CALL_RESPONSE_BODY: u64 = 4;
const PLUGIN_CONFIGURATION: u64 = 7;
const LAST_BUFFER: u64 = 8;

pub(super) fn link(imports: &mut Imports) -> Result<()> {
    imports.proxy("proxy_log", |guest, [level, text, size]| {
        let level = Level::of(level).ok_or(Status::BadArgument)?;
        let text = guest.read(text, size)?;
        Ok(guest.host_mut().log(level, &text)?)
    })?;
    imports.proxy("proxy_get_log_level", |guest, [level]| guest.write_u32(level, LOG_LEVEL))?;
    imports.proxy("proxy_get_current_time_nanoseconds", |guest, [time]| {
        guest.write(time, &guest.host().now().to_le_bytes())
    })?;
    // A tick comes after the configuration, if at all.
    imports.proxy("proxy_set_tick_period_milliseconds", |_, [_]| Ok(()))?;
    imports.proxy("proxy_get_buffer_bytes", get_buffer)?;
    imports.proxy("proxy_get_buffer_status", |guest, [kind, length, flags]| {
        let size = u32::try_from(buffer(guest, kind)?.len()).map_err(|_| Fault::Memory)?;
        guest.write_u32(length, size)?;
        guest.write_u32(flags, 0)
    })?;
    imports.proxy("proxy_set_buffer_bytes", |guest, [kind, _, _, data, size]| {
        buffer(guest, kind)?;
        guest.check(data, size)?;
        Err(Status::BadArgument.into())
    })?;
    imports.proxy("proxy_set_effective_context", |_, [context]| {
        if context > u64::from(ROOT) { Err(Status::BadArgument.into()) } else { Ok(()) }
    })?;
    // Only a context that is shutting down can be done.
    imports.proxy("proxy_done", |_, []| Err(Status::NotFound.into()))?;
    imports.proxy("proxy_call_foreign_function", |guest, [name, size, data, length, _, _]| {
        guest.check(name, size)?;
        guest.check(data, length)?;
        Err(Status::NotFound.into())
    })
}

fn get_buffer(guest: &mut Guest<'_>, params: [u64; 5]) -> Result<(), Fault> {
    let [kind, start, length, pointer, size] = params;
    if start + length > u32::MAX.into() {
        return Err(Status::BadArgument.into());
    }
    let start = usize::try_from(start).map_err(|_| Fault::Memory)?;
    let length = usize::try_from(length).map_err(|_| Fault::Memory)?;
    let part: Vec<u8> = buffer(guest, kind)?.iter().skip(start).take(length).copied().collect();
    guest.give(&part, pointer, size)
}

/// The content of a buffer. Those of requests are empty; an answer to a call and the configuration outside of
/// its callbacks are not there at all. The VM has no configuration of its own.
fn buffer<'a>(guest: &'a Guest<'_>, kind: u64) -> Result<&'a [u8], Fault> {
    match kind {
        HTTP_CALL_RESPONSE_BODY => Err(Status::NotFound.into()),
        PLUGIN_CONFIGURATION => Ok(guest.host().configuration().ok_or(Status::NotFound)?),
        0..=LAST_BUFFER => Ok(&[]),
        _ => Err(Status::BadArgument.into()),
    }
}
