//! The callbacks of a filter, found once.

use wasmtime::{Instance, Result, Store, TypedFunc, WasmParams, WasmResults};

use crate::host::Host;
use crate::load::Abi;
use crate::stream::Direction;

type Callback<P, R> = Option<TypedFunc<P, R>>;

/// A context and one number.
type One = (u32, u32);
/// A context and two numbers.
type Two = (u32, u32, u32);

/// Callbacks, each with the name that messages use. What is missing is passed over.
pub(super) struct Exports {
    pub(super) context_create: Callback<One, ()>,
    pub(super) vm_start: Callback<One, u32>,
    pub(super) configure: Callback<One, u32>,
    pub(super) tick: Callback<u32, ()>,
    pub(super) queue_ready: Callback<One, ()>,
    pub(super) call_response: Callback<(u32, u32, u32, u32, u32), ()>,
    pub(super) done: Callback<u32, u32>,
    pub(super) log: Callback<u32, ()>,
    pub(super) delete: Callback<u32, ()>,
    request: Way,
    response: Way,
}

/// The callback for header fields.
#[derive(Clone)]
pub(super) enum Headers {
    /// ABI 0.1.0: it is not told whether more comes.
    Old(Callback<One, u32>),
    New(Callback<Two, u32>),
}

/// The callbacks of one direction.
struct Way {
    headers: Headers,
    body: Callback<Two, u32>,
    trailers: Callback<One, u32>,
}

impl Exports {
    /// # Errors
    /// When one has another type than the ABI gives it; the types were checked when the filter was loaded.
    pub(super) fn find(store: &mut Store<Host>, instance: Instance, abi: Abi) -> Result<Self> {
        let mut finder = Finder { store, instance, abi };
        Ok(Self {
            context_create: finder.get("proxy_on_context_create")?,
            vm_start: finder.get("proxy_on_vm_start")?,
            configure: finder.get("proxy_on_configure")?,
            tick: finder.get("proxy_on_tick")?,
            queue_ready: finder.get("proxy_on_queue_ready")?,
            call_response: finder.get("proxy_on_http_call_response")?,
            done: finder.get("proxy_on_done")?,
            log: finder.get("proxy_on_log")?,
            delete: finder.get("proxy_on_delete")?,
            request: Way {
                headers: finder.headers("proxy_on_request_headers")?,
                body: finder.get("proxy_on_request_body")?,
                trailers: finder.get("proxy_on_request_trailers")?,
            },
            response: Way {
                headers: finder.headers("proxy_on_response_headers")?,
                body: finder.get("proxy_on_response_body")?,
                trailers: finder.get("proxy_on_response_trailers")?,
            },
        })
    }

    pub(super) fn headers(&self, direction: Direction) -> (&'static str, Headers) {
        match direction {
            Direction::Request => ("proxy_on_request_headers", self.request.headers.clone()),
            Direction::Response => ("proxy_on_response_headers", self.response.headers.clone()),
        }
    }

    pub(super) fn body(&self, direction: Direction) -> (&'static str, Callback<Two, u32>) {
        match direction {
            Direction::Request => ("proxy_on_request_body", self.request.body.clone()),
            Direction::Response => ("proxy_on_response_body", self.response.body.clone()),
        }
    }

    pub(super) fn trailers(&self, direction: Direction) -> (&'static str, Callback<One, u32>) {
        match direction {
            Direction::Request => ("proxy_on_request_trailers", self.request.trailers.clone()),
            Direction::Response => ("proxy_on_response_trailers", self.response.trailers.clone()),
        }
    }
}

struct Finder<'a> {
    store: &'a mut Store<Host>,
    instance: Instance,
    abi: Abi,
}

impl Finder<'_> {
    fn headers(&mut self, name: &str) -> Result<Headers> {
        Ok(match self.abi {
            Abi::V0_1_0 => Headers::Old(self.get(name)?),
            Abi::V0_2_0 | Abi::V0_2_1 => Headers::New(self.get(name)?),
        })
    }

    fn get<P: WasmParams, R: WasmResults>(&mut self, name: &str) -> Result<Callback<P, R>> {
        let function = self.instance.get_func(&mut *self.store, name);
        function.map(|function| function.typed(&mut *self.store)).transpose()
    }
}
