//! Log, clock and ticks.

use std::time::Duration;

use wasmtime::Result;

use super::Imports;
use crate::guest::Status;
use crate::load::Abi;
use crate::outcome::Level;

/// Envoy's default level, which `proxy_get_log_level` tells; every line is kept whatever its level.
const LOG_LEVEL: u32 = Level::Info as u32;

/// Envoy's foreign functions that would change what is not here: routes, and how long filter state lives.
const WITHOUT_EFFECT: [&[u8]; 2] = [b"clear_route_cache", b"declare_property"];

pub(super) fn link(imports: &mut Imports, abi: Abi) -> Result<()> {
    imports.proxy("proxy_log", |guest, [level, text, size]| {
        let level = Level::of(level).ok_or(Status::BadArgument)?;
        let text = guest.read(text, size)?;
        Ok(guest.process().log(level, &text)?)
    })?;
    if abi == Abi::V0_2_1 {
        imports.proxy("proxy_get_log_level", |guest, [level]| guest.write_u32(level, LOG_LEVEL))?;
    }
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
    imports.proxy(
        "proxy_call_foreign_function",
        |guest, [name, size, data, length, result, result_size]| {
            let name = guest.read(name, size)?;
            guest.check(data, length)?;
            if !WITHOUT_EFFECT.contains(&name.as_slice()) {
                return Err(Status::NotFound.into());
            }
            for at in [result, result_size].into_iter().filter(|at| *at != 0) {
                guest.write_u32(at, 0)?;
            }
            Ok(())
        },
    )?;
    // What a module that was compiled by Emscripten imports besides.
    imports.typed("env", "pthread_equal", |left: u32, right: u32| u32::from(left == right))?;
    imports.typed("env", "emscripten_notify_memory_growth", |_: u32| {})
}
