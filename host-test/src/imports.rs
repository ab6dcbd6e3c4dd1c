//! The host functions that a filter may import, and how they are told to wasmtime.

mod bodies;
mod calls;
mod headers;
mod metrics;
mod properties;
mod shared;
mod streams;
mod system;
mod wasi;
mod wasi_files;

use wasmtime::{Caller, Engine, FuncType, IntoFunc, Linker, Result, Val, ValType, bail};

use crate::guest::{Errno, Fault, Guest, Status};
use crate::host::Host;
use crate::load::Abi;

/// The module name of proxy-wasm functions.
const PROXY: &str = "env";
/// The module names of WASI functions.
const WASI: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];

/// What Envoy lets a module call while it initialises; any other host function traps.
const WHILE_INITIALISING: [&str; 40] = [
    "proxy_log",
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_advise",
    "fd_allocate",
    "fd_datasync",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_fdstat_set_rights",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_pwrite",
    "fd_readdir",
    "fd_renumber",
    "fd_sync",
    "fd_tell",
    "fd_write",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "poll_oneoff",
    "random_get",
    "sock_accept",
    "sock_recv",
    "sock_send",
    "sock_shutdown",
];

/// Host functions under their names.
pub(crate) struct Imports(Linker<Host>);

/// All that a module of this ABI may import.
pub(crate) fn linker(engine: &Engine, abi: Abi) -> Result<Linker<Host>> {
    let mut imports = Imports(Linker::new(engine));
    system::link(&mut imports, abi)?;
    bodies::link(&mut imports, abi)?;
    headers::link(&mut imports)?;
    streams::link(&mut imports, abi)?;
    calls::link(&mut imports)?;
    properties::link(&mut imports)?;
    shared::link(&mut imports)?;
    metrics::link(&mut imports)?;
    wasi::link(&mut imports)?;
    wasi_files::link(&mut imports)?;
    Ok(imports.0)
}

/// Makes host functions of so many parameters, all of them `i32`.
pub(crate) trait Arity<const N: usize> {
    /// Defines `name`.
    fn define<F>(imports: &mut Imports, module: &'static str, name: &'static str, call: F) -> Result<()>
    where
        F: Fn(Caller<'_, Host>, [u64; N]) -> Result<i32> + Send + Sync + 'static;
}

macro_rules! arities {
    ($($count:literal: $($name:ident)*;)*) => {$(
        impl Arity<$count> for Imports {
            fn define<F>(imports: &mut Imports, module: &'static str, name: &'static str, call: F) -> Result<()>
            where
                F: Fn(Caller<'_, Host>, [u64; $count]) -> Result<i32> + Send + Sync + 'static,
            {
                imports.typed(module, name, move |caller: Caller<'_, Host>, $($name: u32),*| {
                    call(caller, [$(u64::from($name)),*])
                })
            }
        }
    )*};
}

arities! {
    0: ;
    1: a;
    2: a b;
    3: a b c;
    4: a b c d;
    5: a b c d e;
    6: a b c d e f;
    8: a b c d e f g h;
    9: a b c d e f g h i;
    10: a b c d e f g h i j;
    12: a b c d e f g h i j k l;
}

impl Imports {
    /// A proxy-wasm function, all of whose parameters are `i32`.
    fn proxy<const N: usize>(
        &mut self,
        name: &'static str,
        call: impl Fn(&mut Guest<'_>, [u64; N]) -> Result<(), Fault> + Send + Sync + 'static,
    ) -> Result<()>
    where
        Self: Arity<N>,
    {
        const MEMORY: i32 = Status::InvalidMemoryAccess as i32;
        <Self as Arity<N>>::define(self, PROXY, name, move |caller, parameters| {
            run(caller, PROXY, name, MEMORY, |guest| call(guest, parameters))
        })
    }

    /// A WASI function, all of whose parameters are `i32`, that answers with an error number.
    fn wasi<const N: usize>(
        &mut self,
        name: &'static str,
        call: impl Fn(&mut Guest<'_>, [u64; N]) -> Result<(), Fault> + Clone + Send + Sync + 'static,
    ) -> Result<()>
    where
        Self: Arity<N>,
    {
        for module in WASI {
            let call = call.clone();
            <Self as Arity<N>>::define(self, module, name, move |caller, parameters| {
                run(caller, module, name, Errno::Fault as i32, |guest| call(guest, parameters))
            })?;
        }
        Ok(())
    }

    /// A WASI function some of whose parameters are `i64` (`I`, the others `i`).
    fn wasi_of(
        &mut self,
        name: &'static str,
        parameters: &str,
        call: impl Fn(&mut Guest<'_>, &[u64]) -> Result<(), Fault> + Clone + Send + Sync + 'static,
    ) -> Result<()> {
        let kinds = parameters.chars().map(|kind| if kind == 'I' { ValType::I64 } else { ValType::I32 });
        let ty = FuncType::new(self.0.engine(), kinds, [ValType::I32]);
        for module in WASI {
            let call = call.clone();
            self.0.func_new(module, name, ty.clone(), move |caller, parameters, results| {
                let parameters: Vec<u64> = parameters.iter().map(number).collect();
                let code = run(caller, module, name, Errno::Fault as i32, |guest| call(guest, &parameters))?;
                results.iter_mut().for_each(|result| *result = Val::I32(code));
                Ok(())
            })?;
        }
        Ok(())
    }

    /// A function of any type.
    fn typed<P, R>(
        &mut self,
        module: &'static str,
        name: &'static str,
        function: impl IntoFunc<Host, P, R>,
    ) -> Result<()> {
        self.0.func_wrap(module, name, function).map(drop)
    }
}

/// An argument as it is written, whatever its size.
fn number(value: &Val) -> u64 {
    match value {
        Val::I32(value) => value.cast_unsigned().into(),
        Val::I64(value) => value.cast_unsigned(),
        _ => 0,
    }
}

/// Runs a host function, if it may be called now, and gives what the module gets.
fn run(
    caller: Caller<'_, Host>,
    module: &str,
    name: &str,
    memory: i32,
    call: impl FnOnce(&mut Guest<'_>) -> Result<(), Fault>,
) -> Result<i32> {
    let mut guest = Guest(caller);
    permit(&guest, module, name)?;
    call(&mut guest).map_or_else(|fault| fault.code(memory), |()| Ok(0))
}

/// Whether a host function may be called now.
fn permit(guest: &Guest<'_>, module: &str, name: &str) -> Result<()> {
    if guest.host().initialising && !WHILE_INITIALISING.contains(&name) {
        bail!("`{module}.{name}` must not be called while the module initialises");
    }
    Ok(())
}
