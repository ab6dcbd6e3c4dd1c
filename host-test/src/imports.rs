//! The host functions that a filter may import, and how they are told to wasmtime.

pub(crate) mod metrics;
mod request;
pub(crate) mod shared;
mod system;
mod wasi;

use wasmtime::{Engine, FuncType, Linker, Result, Val, ValType, bail};

use crate::guest::{Errno, Fault, Guest, Status};
use crate::host::{Host, Phase};

/// The module name of proxy-wasm functions.
const PROXY: &str = "env";
/// The module name of WASI functions.
const WASI: &str = "wasi_snapshot_preview1";

/// What Envoy lets a module call while it initialises; any other host function traps.
const WHILE_INITIALISING: [&str; 11] = [
    "proxy_log",
    "args_get",
    "args_sizes_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_fdstat_get",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_write",
    "random_get",
];

/// Host functions under their names.
pub(crate) struct Imports(Linker<Host>);

/// All of them.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<Host>> {
    let mut imports = Imports(Linker::new(engine));
    system::link(&mut imports)?;
    request::link(&mut imports)?;
    shared::link(&mut imports)?;
    metrics::link(&mut imports)?;
    wasi::link(&mut imports)?;
    Ok(imports.0)
}

impl Imports {
    /// A proxy-wasm function, all of whose parameters are `i32`.
    fn proxy<const N: usize>(
        &mut self,
        name: &'static str,
        call: impl Fn(&mut Guest<'_>, [u64; N]) -> Result<(), Fault> + Send + Sync + 'static,
    ) -> Result<()> {
        self.proxy_with(name, [const { ValType::I32 }; N], call)
    }

    fn proxy_with<const N: usize>(
        &mut self,
        name: &'static str,
        params: [ValType; N],
        call: impl Fn(&mut Guest<'_>, [u64; N]) -> Result<(), Fault> + Send + Sync + 'static,
    ) -> Result<()> {
        self.define(PROXY, name, params, Status::InvalidMemoryAccess as i32, call)
    }

    /// A WASI function that answers with an error number.
    fn wasi<const N: usize>(
        &mut self,
        name: &'static str,
        params: [ValType; N],
        call: impl Fn(&mut Guest<'_>, [u64; N]) -> Result<(), Fault> + Send + Sync + 'static,
    ) -> Result<()> {
        self.define(WASI, name, params, Errno::Fault as i32, call)
    }

    fn define<const N: usize>(
        &mut self,
        module: &'static str,
        name: &'static str,
        params: [ValType; N],
        memory: i32,
        call: impl Fn(&mut Guest<'_>, [u64; N]) -> Result<(), Fault> + Send + Sync + 'static,
    ) -> Result<()> {
        let function = FuncType::new(self.0.engine(), params, [ValType::I32]);
        self.0.func_new(module, name, function, move |caller, params, results| {
            let mut guest = Guest(caller);
            permit(&guest, module, name)?;
            let params = std::array::from_fn(|number| params.get(number).map_or(0, unsigned));
            let code = call(&mut guest, params).map_or_else(|fault| fault.code(memory), |()| Ok(0))?;
            results.fill(Val::I32(code));
            Ok(())
        })?;
        Ok(())
    }
}

/// Whether a host function may be called now.
fn permit(guest: &Guest<'_>, module: &str, name: &str) -> Result<()> {
    if guest.host().phase == Phase::Initialise && !WHILE_INITIALISING.contains(&name) {
        bail!("`{module}.{name}` must not be called while the module initialises");
    }
    Ok(())
}

/// An integer of the ABI: addresses, sizes and enumerations are unsigned there.
fn unsigned(value: &Val) -> u64 {
    match value {
        Val::I32(value) => value.cast_unsigned().into(),
        Val::I64(value) => value.cast_unsigned(),
        _ => 0,
    }
}
