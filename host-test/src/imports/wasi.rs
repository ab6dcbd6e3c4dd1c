//! The WASI functions that a filter can use: output, clock, randomness, and an environment that is empty.

use wasmtime::{Caller, Result};

use super::{Imports, WASI, permit};
use crate::guest::{Errno, Fault, Guest};
use crate::host::Host;
use crate::outcome::Level;

/// Bytes that one `random_get` gives at most.
const RANDOM: u64 = 64 << 10;

pub(super) fn link(imports: &mut Imports) -> Result<()> {
    imports.wasi("fd_write", write)?;
    imports.wasi("fd_fdstat_get", |guest, [file, stat]| {
        level(file)?;
        // All zero but the right to write, the 7th bit of the second word.
        guest.write(stat, &[[0; 8], 64_u64.to_le_bytes(), [0; 8]].concat())
    })?;
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

fn clocks(imports: &mut Imports) -> Result<()> {
    imports.wasi("clock_res_get", |guest, [clock, resolution]| {
        guest.write(known(clock, resolution)?, &1_u64.to_le_bytes())
    })?;
    // A runtime that waits for nothing must get an answer: no event came.
    imports.wasi("poll_oneoff", |guest, [_, _, _, count]| guest.write_u32(count, 0))?;
    imports.wasi_of("clock_time_get", "iIi", |guest, parameters| match *parameters {
        [clock, _, time] => {
            let now = guest.process().nanoseconds();
            guest.write(known(clock, time)?, &now.to_le_bytes())
        }
        _ => Err(Errno::Invalid.into()),
    })
}

/// The clocks are the one of the day and the one that never goes back; here they are the same.
fn known(clock: u64, at: u64) -> Result<u64, Fault> {
    if clock <= 1 { Ok(at) } else { Err(Errno::NotSupported.into()) }
}

/// Envoy lets the module go on after it; what a compiler puts there is `unreachable`.
fn exit(imports: &mut Imports) -> Result<()> {
    for module in WASI {
        imports.typed(module, "proc_exit", |caller: Caller<'_, Host>, _: u32| {
            permit(&Guest(caller), module, "proc_exit")
        })?;
    }
    Ok(())
}

/// One line of the log, without its line feed.
pub(super) fn write(guest: &mut Guest<'_>, [file, vectors, count, written]: [u64; 4]) -> Result<(), Fault> {
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
