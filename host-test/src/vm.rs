//! A VM: one instance of a filter with its memory, and how its callbacks are called.

mod exports;
mod flow;
mod life;
mod roots;

use std::cell::RefCell;
use std::rc::Rc;

use wasmtime::{Instance, Result, Store, Trap, TypedFunc, WasmParams, WasmResults};

use crate::cluster::Time;
use crate::filter::Filter;
use crate::guest::ALLOCATORS;
use crate::host::{Deferred, Host, VM};
use crate::process::Process;
use exports::Exports;
pub use life::Teardown;

/// Instructions that one callback may take, some seconds of them. Copying a byte counts as one.
const FUEL: u64 = 20_000_000_000;

/// One instance of a filter.
pub(crate) struct Vm {
    store: Store<Host>,
    exports: Exports,
    /// Instructions that its callbacks took so far.
    pub(crate) spent: u64,
    /// Most bytes of a body that are held back.
    pub(crate) buffer_limit: usize,
    pub(crate) teardown: Teardown,
}

impl Vm {
    /// Instantiates a filter and runs its own start: `_initialize` and `main` for a WASI reactor, `_start` for a
    /// command (proxy-wasm-cpp-host, `WasmBase::startVm`).
    ///
    /// # Errors
    /// Why it trapped.
    pub(crate) fn start(filter: &Filter, serial: u64, process: Rc<RefCell<Process>>) -> Result<Self, String> {
        let mut store = Store::new(filter.engine(), Host::new(serial, filter.abi, process));
        store.limiter(|host| &mut host.limits);
        let started = Self::initialise(&mut store, filter);
        let exports = started.map_err(|error| format!("`_initialize`: {}", why(&error)))?;
        store.data_mut().initialising = false;
        Ok(Self { store, exports, spent: 0, buffer_limit: 1 << 20, teardown: Teardown::default() })
    }

    fn initialise(store: &mut Store<Host>, filter: &Filter) -> Result<Exports> {
        store.set_fuel(FUEL)?;
        let instance = filter.instantiate(&mut *store)?;
        let memory = instance.get_memory(&mut *store, "memory");
        let allocator = ALLOCATORS.into_iter().find_map(|name| instance.get_func(&mut *store, name));
        let allocator = allocator.map(|function| function.typed(&mut *store)).transpose()?;
        store.data_mut().memory = memory;
        store.data_mut().allocate = allocator;
        if run::<(), ()>(store, instance, "_initialize", ())?.is_none() {
            run::<(), ()>(store, instance, "_start", ())?;
        } else if run::<_, u32>(store, instance, "main", (0_u32, 0_u32))?.is_none() {
            run::<(), u32>(store, instance, "__main_void", ())?;
        }
        Exports::find(store, instance, filter.abi)
    }

    pub(crate) fn host(&self) -> &Host {
        self.store.data()
    }

    pub(crate) fn host_mut(&mut self) -> &mut Host {
        self.store.data_mut()
    }

    pub(crate) fn now(&self) -> Time {
        self.host().process.borrow().now
    }

    /// Bytes of linear memory.
    pub(crate) fn memory(&self) -> usize {
        self.host().memory.map_or(0, |memory| memory.data_size(&self.store))
    }

    pub(crate) fn is_failed(&self) -> bool {
        self.host().failed.is_some()
    }

    /// The filter brings about more and more at one moment: it would never come to the next.
    pub(crate) fn give_up(&mut self) {
        let why = "calls or queues are answered by more of them without end, and no time goes by";
        self.host_mut().failed.get_or_insert_with(|| why.to_owned());
    }

    /// Calls a callback of a context. Nothing when the filter does not have it, or when the VM fails.
    fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        context: u32,
        (name, function): (&'static str, Option<TypedFunc<P, R>>),
        parameters: P,
    ) -> Option<R> {
        let function = function?;
        if self.is_failed() {
            return None;
        }
        let host = self.store.data_mut();
        let before = (host.current, host.effective);
        (host.current, host.effective) = (context, VM);
        let called = self.store.set_fuel(FUEL).and_then(|()| function.call(&mut self.store, parameters));
        self.spent += FUEL.saturating_sub(self.store.get_fuel().unwrap_or_default());
        let host = self.store.data_mut();
        (host.current, host.effective) = before;
        called.map_err(|error| host.failed = Some(format!("`{name}`: {}", why(&error)))).ok()
    }

    /// Does what the callback that is over asked for (proxy-wasm-cpp-host, `DeferAfterCallActions`).
    fn after_call(&mut self) {
        self.host_mut().stop_next = false;
        while let Some(deferred) = self.host_mut().next_deferred() {
            match deferred {
                Deferred::Continue(id, direction) => self.proceed(id, direction),
                Deferred::Reply(id, reply) => self.reply(id, reply),
                Deferred::Reset(id) => self.reset(id),
                Deferred::Delete(root) => self.delete_root(root),
            }
        }
    }
}

/// Nothing when the filter does not export it.
fn run<P: WasmParams, R: WasmResults>(
    store: &mut Store<Host>,
    instance: Instance,
    name: &str,
    parameters: P,
) -> Result<Option<R>> {
    let Some(function) = instance.get_func(&mut *store, name) else { return Ok(None) };
    function.typed::<P, R>(&*store)?.call(&mut *store, parameters).map(Some)
}

fn why(error: &wasmtime::Error) -> String {
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => format!("ran for more than {FUEL} instructions"),
        Some(trap) => trap.to_string(),
        None => format!("{error:#}"),
    }
}
