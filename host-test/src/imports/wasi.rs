//! The WASI functions that a filter can use: output, clock, randomness, and an environment that is empty.
//!
//! Envoy links those for files and sockets too, and they all fail there. Here a filter that imports them is
//! refused: it has neither.

use wasmtime::{Caller, Result};

use super::{Imports, WASI, permit, run};
use crate::guest::{Errno, Fault, Guest};
use crate::host::Host;
use crate::outcome::Level;

const FAULT: i32 = Errno::Fault as i32;

/// Bytes that one `random_get` gives at most.
const RANDOM: u64 = 64 << 10;

pub(super) fn link(imports: &mut Imports) -> Result<()> {
    files(imports)?;
    for name in ["args_get", "environ_get"] {
        imports.wasi(name, |_, [_, _]| Ok(()))?;
    }
    for name in ["args_sizes_get", "environ_sizes_get"] {
        imports.wasi(name, |guest, [count, size]| {
            guest.write_u32(count, 0)?;
            guest.write_u32(size, 0)
        })?;
    }
    clocks(imports)?;
    imports.wasi("random_get", random)?;
    imports.wasi("sched_yield", |_, []| Ok(()))?;
    exit(imports)
}

fn files(imports: &mut Imports) -> Result<()> {
    imports.wasi("fd_write", write)?;
    imports.wasi("fd_read", |_, [_, _, _, _]| Err(Errno::NoSystemCall.into()))?;
    imports.typed(WASI, "fd_seek", |caller: Caller<'_, Host>, _: u32, _: i64, _: u32, _: u32| {
        run(caller, WASI, "fd_seek", FAULT, |_| Ok(()))
    })?;
    imports.wasi("fd_close", |_, [_]| Ok(()))?;
    imports.wasi("fd_fdstat_get", |guest, [file, stat]| {
        level(file)?;
        // All zero but the right to write, the 7th bit of the second word.
        guest.write(stat, &[[0; 8], 64_u64.to_le_bytes(), [0; 8]].concat())
    })?;
    imports.wasi("fd_prestat_get", |_, [_, _]| Err(Errno::BadFile.into()))?;
    imports.wasi("fd_prestat_dir_name", |_, [_, _, _]| Err(Errno::NoSystemCall.into()))
}

fn clocks(imports: &mut Imports) -> Result<()> {
    imports.wasi("clock_res_get", |_, [_, _]| Err(Errno::NoSystemCall.into()))?;
    imports.wasi("poll_oneoff", |_, [_, _, _, _]| Err(Errno::NoSystemCall.into()))?;
    imports.typed(WASI, "clock_time_get", |caller: Caller<'_, Host>, clock: u32, _: i64, time: u32| {
        run(caller, WASI, "clock_time_get", FAULT, |guest| {
            let now = guest.process().nanoseconds();
            match clock {
                0 | 1 => guest.write(time.into(), &now.to_le_bytes()),
                _ => Err(Errno::NotSupported.into()),
            }
        })
    })
}

/// Envoy lets the module go on after it; what a compiler puts there is `unreachable`.
fn exit(imports: &mut Imports) -> Result<()> {
    imports.typed(WASI, "proc_exit", |caller: Caller<'_, Host>, _: u32| {
        permit(&Guest(caller), WASI, "proc_exit")
    })
}

/// One line of the log, without its line feed.
fn write(guest: &mut Guest<'_>, [file, vectors, count, written]: [u64; 4]) -> Result<(), Fault> {
    let level = level(file)?;
    let mut text = Vec::new();
    for number in 0..count {
        let vector = guest.read(vectors + number * 8, 8)?;
        let (at, size) = vector.split_at(4);
        text.extend(guest.read(word(at), word(size))?);
    }
    if !text.is_empty() {
        guest.process().log(level, text.strip_suffix(b"\n").unwrap_or(&text))?;
    }
    guest.write_u32(written, u32::try_from(text.len()).map_err(|_| Errno::Invalid)?)
}

fn level(file: u64) -> Result<Level, Fault> {
    match file {
        1 => Ok(Level::Info),
        2 => Ok(Level::Error),
        _ => Err(Errno::BadFile.into()),
    }
}

fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

fn random(guest: &mut Guest<'_>, [at, size]: [u64; 2]) -> Result<(), Fault> {
    if size > RANDOM {
        return Err(Errno::Invalid.into());
    }
    let size = usize::try_from(size).map_err(|_| Errno::Invalid)?;
    let mut bytes = vec![0; size];
    guest.process().random.fill(&mut bytes);
    guest.write(at, &bytes)
}
