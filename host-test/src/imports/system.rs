//! Log, clock and ticks.

use std::time::Duration;

use wasmtime::Result;

use super::Imports;
use crate::guest::Status;
use crate::outcome::Level;

/// Envoy's default level, which `proxy_get_log_level` tells; every line is kept whatever its level.
const LOG_LEVEL: u32 = Level::Info as u32;

pub(super) fn link(imports: &mut Imports) -> Result<()> {
    imports.proxy("proxy_log", |guest, [level, text, size]| {
        let level = Level::of(level).ok_or(Status::BadArgument)?;
        let text = guest.read(text, size)?;
        Ok(guest.process().log(level, &text)?)
    })?;
    imports.proxy("proxy_get_log_level", |guest, [level]| guest.write_u32(level, LOG_LEVEL))?;
    imports.proxy("proxy_get_current_time_nanoseconds", |guest, [time]| {
        let now = guest.process().nanoseconds();
        guest.write(time, &now.to_le_bytes())
    })?;
    // The timer of the root context begins anew.
    imports.proxy("proxy_set_tick_period_milliseconds", |guest, [period]| {
        let (root, now) = (guest.host().root(), guest.process().now);
        if let Some(root) = guest.host_mut().roots.get_mut(&root) {
            root.period = Duration::from_millis(period);
            root.tick_at = (period > 0).then(|| now + root.period);
        }
        Ok(())
    })?;
    imports.proxy("proxy_call_foreign_function", |guest, [name, size, data, length, _, _]| {
        guest.check(name, size)?;
        guest.check(data, length)?;
        Err(Status::NotFound.into())
    })
}
