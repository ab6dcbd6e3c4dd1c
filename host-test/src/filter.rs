//! A filter: compiled once, then started and configured as often as one likes.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;

use wasmtime::{AsContextMut, Cache, CacheConfig, Config, Engine, Instance, InstancePre, Module, Result};

use crate::host::Host;
use crate::imports;
use crate::load::{Abi, LoadError, check_exports, check_imports};
use crate::outcome::{Trial, Verdict};
use crate::plugin::Plugin;
use crate::process::Process;
use crate::vm::Vm;

/// Bytes of a module from which on it takes longer to compile than to read from the disk.
const WORTH_KEEPING: usize = 64 << 10;

/// Where compiled modules are kept from one run to the next: in the user's cache directory, or nowhere when there is
/// none or it cannot be written.
fn cache() -> Option<Cache> {
    static KEPT: OnceLock<Option<Cache>> = OnceLock::new();
    KEPT.get_or_init(|| Cache::new(CacheConfig::new()).ok()).clone()
}

/// A filter that is ready to start. Clones share what was compiled.
#[derive(Clone)]
pub struct Filter {
    module: InstancePre<Host>,
    pub(crate) abi: Abi,
}

impl Filter {
    /// Compiles a filter, checks what it exports and resolves what it imports. What was compiled is kept in the user's
    /// cache directory, by the bytes of the module: the next time, loading takes a fraction of the time.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load(wasm: &[u8]) -> Result<Self, LoadError> {
        let mut config = Config::new();
        config.consume_fuel(true);
        if wasm.len() >= WORTH_KEEPING {
            config.cache(cache());
        }
        let engine = Engine::new(&config)?;
        let module = Module::from_binary(&engine, wasm)?;
        let abi = check_exports(&module)?;
        let linker = imports::linker(&engine, abi)?;
        check_imports(&module, &linker)?;
        Ok(Self { module: linker.instantiate_pre(&module)?, abi })
    }

    /// Starts the filter in a new VM and gives it a configuration, in the bytes that Envoy would hand over: the
    /// text of a `StringValue`, or an encoded `google.protobuf.Struct`.
    ///
    /// `at` is the time since the Unix epoch that the filter sees; it stands still. `seed` decides what it gets
    /// as randomness.
    #[must_use]
    pub fn configure(&self, configuration: &[u8], at: Duration, seed: u64) -> Trial {
        let process = Rc::new(RefCell::new(Process::new(at, seed)));
        let plugin = Plugin { configuration: configuration.into(), ..Plugin::default() };
        let started = Vm::start(self, 0, Rc::clone(&process)).map_err(Verdict::Trapped);
        let configured = started.and_then(|mut vm| vm.configure(&Rc::new(plugin)));
        let log = process.borrow_mut().take_log();
        Trial { verdict: configured.err().unwrap_or(Verdict::Accepted), log }
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.module.module().engine()
    }

    pub(crate) fn instantiate(&self, store: impl AsContextMut<Data = Host>) -> Result<Instance> {
        self.module.instantiate(store)
    }
}
