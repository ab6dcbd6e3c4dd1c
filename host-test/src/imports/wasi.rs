//! The WASI functions that a filter can use: output, clock, randomness, and an environment that is empty.
//!
//! Envoy links those for files and sockets too, and they all fail there. Here a filter that imports them is
//! refused: it has neither.

use wasmtime::ValType::{I32, I64};
use wasmtime::{FuncType, Result};

use super::{Imports, WASI, permit};
use crate::guest::{Errno, Fault, Guest};
use crate::outcome::Level;

/// Bytes that one `random_get` gives at most.
const RANDOM: u64 = 64 << 10;

pub(super) fn link(imports: &mut Imports) -> Result<()> {
    imports.wasi("fd_write", [I32, I32, I32, I32], write)?;
    imports.wasi("fd_read", [I32, I32, I32, I32], |_, _| Err(Errno::NoSystemCall.into()))?;
    imports.wasi("fd_seek", [I32, I64, I32, I32], |_, _| Ok(()))?;
    imports.wasi("fd_close", [I32], |_, _| Ok(()))?;
    imports.wasi("fd_fdstat_get", [I32, I32], |guest, [file, stat]| {
        level(file)?;
        // All zero but the right to write, the 7th bit of the second word.
        guest.write(stat, &[[0; 8], 64_u64.to_le_bytes(), [0; 8]].concat())
    })?;
    imports.wasi("fd_prestat_get", [I32, I32], |_, _| Err(Errno::BadFile.into()))?;
    imports.wasi("fd_prestat_dir_name", [I32, I32, I32], |_, _| Err(Errno::NoSystemCall.into()))?;
    for name in ["args_get", "environ_get"] {
        imports.wasi(name, [I32, I32], |_, _| Ok(()))?;
    }
    for name in ["args_sizes_get", "environ_sizes_get"] {
        imports.wasi(name, [I32, I32], |guest, [count, size]| {
            guest.write_u32(count, 0)?;
            guest.write_u32(size, 0)
        })?;
    }
    imports.wasi("clock_time_get", [I32, I64, I32], |guest, [clock, _, time]| match clock {
        0 | 1 => guest.write(time, &guest.host().now().to_le_bytes()),
        _ => Err(Errno::NotSupported.into()),
    })?;
    imports.wasi("random_get", [I32, I32], random)?;
    imports.wasi("sched_yield", [], |_, _| Ok(()))?;
    exit(imports)
}

/// Envoy lets the module go on after it; what a compiler puts there is `unreachable`.
fn exit(imports: &mut Imports) -> Result<()> {
    let function = FuncType::new(imports.0.engine(), [I32], []);
    imports
        .0
        .func_new(WASI, "proc_exit", function, |caller, _, _| permit(&Guest(caller), WASI, "proc_exit"))?;
    Ok(())
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
        guest.host_mut().log(level, text.strip_suffix(b"\n").unwrap_or(&text))?;
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
    let random = &mut guest.host_mut().random;
    let bytes: Vec<u8> = (0..size).map(|_| random.u8(..)).collect();
    guest.write(at, &bytes)
}
