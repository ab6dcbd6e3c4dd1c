//! The WASI functions for files and sockets: there are none, and each says so as in proxy-wasm-cpp-host.

use wasmtime::Result;

use super::Imports;
use super::wasi::write;
use crate::guest::{Errno, Fault, Guest};

/// What answers always the same: name, parameters, answer.
const REFUSED: [(&str, &str, Errno); 16] = [
    ("fd_fdstat_set_flags", "ii", Errno::NoSystemCall),
    ("fd_filestat_get", "ii", Errno::BadFile),
    ("fd_pread", "iiiIi", Errno::NoSystemCall),
    ("fd_prestat_dir_name", "iii", Errno::NoSystemCall),
    ("fd_prestat_get", "ii", Errno::BadFile),
    ("fd_read", "iiii", Errno::NoSystemCall),
    ("path_create_directory", "iii", Errno::NotSupported),
    ("path_filestat_get", "iiiii", Errno::NotSupported),
    ("path_filestat_set_times", "iiiiIIi", Errno::NotSupported),
    ("path_link", "iiiiii", Errno::NotSupported),
    ("path_open", "iiiiiIIii", Errno::NoEntry),
    ("path_remove_directory", "iii", Errno::NotSupported),
    ("path_rename", "iiiiii", Errno::NotSupported),
    ("path_symlink", "iiii", Errno::NotSupported),
    ("path_unlink_file", "iii", Errno::NotSupported),
    ("sock_shutdown", "ii", Errno::NotSupported),
];

/// What succeeds without doing anything.
const PASSED_OVER: [(&str, &str); 3] = [("fd_advise", "iIIi"), ("fd_close", "i"), ("fd_seek", "iIii")];

/// What succeeds without doing anything on standard output and standard error, the only files.
const OUTPUT_ONLY: [(&str, &str); 6] = [
    ("fd_allocate", "iII"),
    ("fd_datasync", "i"),
    ("fd_fdstat_set_rights", "iII"),
    ("fd_filestat_set_size", "iI"),
    ("fd_filestat_set_times", "iIIi"),
    ("fd_sync", "i"),
];

/// Parameters that are addresses, and how many bytes of zeros are written there.
type Places = &'static [(usize, usize)];

/// What is not supported, and first writes zeros.
const ZEROED: [(&str, &str, Places); 4] = [
    ("path_readlink", "iiiiii", &[(5, 4)]),
    ("sock_accept", "iii", &[(2, 8)]),
    ("sock_recv", "iiiiii", &[(4, 4), (5, 2)]),
    ("sock_send", "iiiii", &[(4, 4)]),
];

pub(super) fn link(imports: &mut Imports) -> Result<()> {
    for (name, parameters, answer) in REFUSED {
        imports.wasi_of(name, parameters, move |_, _| Err(answer.into()))?;
    }
    for (name, parameters) in PASSED_OVER {
        imports.wasi_of(name, parameters, |_, _| Ok(()))?;
    }
    for (name, parameters) in OUTPUT_ONLY {
        imports.wasi_of(name, parameters, |_, parameters| output(parameters.first()))?;
    }
    for (name, parameters, places) in ZEROED {
        imports.wasi_of(name, parameters, move |guest, parameters| {
            for (place, bytes) in places {
                zero(guest, parameters.get(*place), *bytes)?;
            }
            Err(Errno::NotSupported.into())
        })?;
    }
    positions(imports)
}

/// What looks at more than one parameter.
fn positions(imports: &mut Imports) -> Result<()> {
    imports.wasi_of("fd_tell", "ii", |guest, parameters| {
        output(parameters.first())?;
        zero(guest, parameters.get(1), 8)
    })?;
    imports.wasi_of("fd_renumber", "ii", |_, parameters| {
        output(parameters.first())?;
        output(parameters.get(1))?;
        Err(Errno::NotSupported.into())
    })?;
    imports.wasi_of("fd_readdir", "iiiIi", |guest, parameters| {
        zero(guest, parameters.get(4), 4)?;
        Err(Errno::NoDirectory.into())
    })?;
    imports.wasi_of("fd_pwrite", "iiiIi", |guest, parameters| match *parameters {
        [file, vectors, count, _, written] => write(guest, [file, vectors, count, written]),
        _ => Err(Errno::Invalid.into()),
    })
}

fn output(file: Option<&u64>) -> Result<(), Fault> {
    if matches!(file, Some(1 | 2)) { Ok(()) } else { Err(Errno::BadFile.into()) }
}

fn zero(guest: &mut Guest<'_>, at: Option<&u64>, bytes: usize) -> Result<(), Fault> {
    guest.write(*at.ok_or(Errno::Invalid)?, &vec![0; bytes])
}
