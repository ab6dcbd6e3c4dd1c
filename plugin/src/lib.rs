//! The Countersign filter: host calls of a proxy-wasm gateway to core and back, and nothing that decides.

#![expect(missing_docs, reason = "the exports of the ABI are made by a macro")]

mod answer;
mod calls;
mod configuration;
mod current;
mod facts;
mod host;
mod keys;
mod metrics;
mod quiet;
mod root;
mod stream;
mod worker;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(proxy_wasm::types::LogLevel::Info);
    proxy_wasm::set_root_context(|id| Box::new(root::Root::new(id)));
}}
