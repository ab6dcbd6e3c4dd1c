//! A filter: compiled once, then started and configured as often as one likes.

use std::time::Duration;

use wasmtime::{Config, Engine, Instance, InstancePre, Module, Result, Store, Trap, WasmParams, WasmResults};

use crate::host::{Host, Phase};
use crate::imports;
use crate::load::{LoadError, check_exports, check_imports};
use crate::outcome::{Outcome, Verdict};

/// Instructions that start and configuration may take together, some ten seconds of them. Copying a byte counts
/// as one.
const FUEL: u64 = 20_000_000_000;
/// The root context. 0 is the VM itself.
pub(crate) const ROOT: u32 = 1;

/// A filter that is ready to start.
pub struct Filter(InstancePre<Host>);

impl Filter {
    /// Compiles a filter, checks what it exports and resolves what it imports.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load(wasm: &[u8]) -> Result<Self, LoadError> {
        let engine = Engine::new(Config::new().consume_fuel(true))?;
        let module = Module::from_binary(&engine, wasm)?;
        check_exports(&module)?;
        let linker = imports::linker(&engine)?;
        check_imports(&module, &linker)?;
        Ok(Self(linker.instantiate_pre(&module)?))
    }

    /// Starts the filter in a new VM and gives it a configuration, in the bytes that Envoy would hand over: the
    /// text of a `StringValue`, or an encoded `google.protobuf.Struct`.
    ///
    /// `at` is the time since the Unix epoch that the filter sees; it stands still. `seed` decides what it gets
    /// as randomness.
    #[must_use]
    pub fn configure(&self, configuration: &[u8], at: Duration, seed: u64) -> Outcome {
        let mut store = Store::new(self.0.module().engine(), Host::new(configuration, at, seed));
        store.limiter(|host| &mut host.limits);
        let verdict = match self.start(&mut store, configuration.len()) {
            Ok(true) => Verdict::Accepted,
            Ok(false) => Verdict::Refused,
            Err(error) => Verdict::Trapped(format!("`{}`: {}", store.data().phase.callback(), why(&error))),
        };
        Outcome { verdict, log: store.into_data().log }
    }

    /// Envoy's order: `WasmBase::startVm`, then `ContextBase::onStart` and `onConfigure`.
    fn start(&self, store: &mut Store<Host>, size: usize) -> Result<bool> {
        store.set_fuel(FUEL)?;
        let instance = self.0.instantiate(&mut *store)?;
        let mut vm = Vm { store, instance };
        vm.initialise()?;
        vm.callback::<_, ()>(Phase::ContextCreate, (ROOT, 0))?;
        if vm.callback::<_, u32>(Phase::VmStart, (ROOT, 0))? == Some(0) {
            return Ok(false);
        }
        let size = u32::try_from(size)?;
        Ok(vm.callback::<_, u32>(Phase::Configure, (ROOT, size))? != Some(0))
    }
}

/// An instance of a filter, with its memory.
struct Vm<'a> {
    store: &'a mut Store<Host>,
    instance: Instance,
}

impl Vm<'_> {
    /// A WASI reactor begins with `_initialize`, and `main` when it has one; a command with `_start`.
    fn initialise(&mut self) -> Result<()> {
        if self.call::<_, ()>("_initialize", ())?.is_none() {
            self.call::<_, ()>("_start", ())?;
        } else if self.call::<_, u32>("main", (0_u32, 0_u32))?.is_none() {
            self.call::<_, u32>("__main_void", ())?;
        }
        Ok(())
    }

    fn callback<P: WasmParams, R: WasmResults>(&mut self, phase: Phase, params: P) -> Result<Option<R>> {
        self.store.data_mut().phase = phase;
        self.call(phase.callback(), params)
    }

    /// Nothing when the filter does not export it.
    fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, params: P) -> Result<Option<R>> {
        let Some(function) = self.instance.get_func(&mut *self.store, name) else { return Ok(None) };
        function.typed::<P, R>(&*self.store)?.call(&mut *self.store, params).map(Some)
    }
}

fn why(error: &wasmtime::Error) -> String {
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => format!("ran for more than {FUEL} instructions"),
        Some(trap) => trap.to_string(),
        None => format!("{error:#}"),
    }
}
