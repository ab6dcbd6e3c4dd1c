//! The floor of what a proxy-wasm filter costs: reads three headers of each request, and lets it go on.

#![expect(missing_docs, reason = "the exports of the ABI are made by a macro")]

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, MapType};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

struct Root;

struct Stream;

impl Context for Root {}

impl RootContext for Root {
    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        for name in [":method", ":authority", ":path"] {
            // Kept from the optimiser, which could leave out the copy into this filter's memory.
            std::hint::black_box(hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, name).ok());
        }
        Action::Continue
    }
}
