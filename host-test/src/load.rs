//! Whether a module is a filter: what it must export, and what it may import.

use wasmtime::{ExternType, FuncType, Linker, Module, Store, ValType};

use crate::host::Host;

/// Why bytes are not a filter that this host can run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The engine does not take it.
    #[error("is no WebAssembly module that can be compiled: {0}")]
    Module(String),
    /// It speaks another version of proxy-wasm, or none.
    #[error(
        "does not speak proxy-wasm 0.1.0, 0.2.0 or 0.2.1: it exports no function such as `proxy_abi_version_0_2_1`"
    )]
    AbiVersion,
    /// It has no memory under this name.
    #[error("exports no memory `memory`")]
    Memory,
    /// The host cannot hand anything over.
    #[error("exports neither `malloc` nor `proxy_on_memory_allocate`")]
    Allocator,
    /// A callback is there with another type.
    #[error("exports `{name}` as {found}, but it must be {wanted}")]
    Export {
        /// The callback's name.
        name: &'static str,
        /// Its type, or that it is no function.
        found: String,
        /// The type that proxy-wasm gives it.
        wanted: String,
    },
    /// The host has no such function.
    #[error("imports `{0}`, which the host does not have")]
    UnknownImport(String),
    /// The host has it with another type.
    #[error("imports `{name}` as {wanted}, but the host has it as {found}")]
    ImportType {
        /// The import's module and name, with a full stop between them.
        name: String,
        /// The type that the module wants.
        wanted: String,
        /// The type that the host has.
        found: String,
    },
}

impl From<wasmtime::Error> for LoadError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Module(format!("{error:#}"))
    }
}

/// The version of proxy-wasm that a module speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Abi {
    /// Without streams as parameters; header callbacks do not tell whether more comes.
    V0_1_0,
    V0_2_0,
    V0_2_1,
}

const ABIS: [(&str, Abi); 3] = [
    ("proxy_abi_version_0_1_0", Abi::V0_1_0),
    ("proxy_abi_version_0_2_0", Abi::V0_2_0),
    ("proxy_abi_version_0_2_1", Abi::V0_2_1),
];

/// The callbacks whose parameters ABI 0.1.0 has fewer of.
const HEADERS: [&str; 2] = ["proxy_on_request_headers", "proxy_on_response_headers"];

/// What the host calls, with the number of parameters and of results; all of them are `i32`. Envoy passes over
/// those that are missing, but not over an allocator.
const CALLBACKS: [(&str, usize, usize); 21] = [
    ("_initialize", 0, 0),
    ("_start", 0, 0),
    ("main", 2, 1),
    ("__main_void", 0, 1),
    ("malloc", 1, 1),
    ("proxy_on_memory_allocate", 1, 1),
    ("proxy_on_context_create", 2, 0),
    ("proxy_on_vm_start", 2, 1),
    ("proxy_on_configure", 2, 1),
    ("proxy_on_tick", 1, 0),
    ("proxy_on_queue_ready", 2, 0),
    ("proxy_on_http_call_response", 5, 0),
    ("proxy_on_done", 1, 1),
    ("proxy_on_log", 1, 0),
    ("proxy_on_delete", 1, 0),
    ("proxy_on_request_headers", 3, 1),
    ("proxy_on_request_body", 3, 1),
    ("proxy_on_request_trailers", 2, 1),
    ("proxy_on_response_headers", 3, 1),
    ("proxy_on_response_body", 3, 1),
    ("proxy_on_response_trailers", 2, 1),
];

/// Checks what a module exports, and gives the version that it speaks: the first that it names.
pub(crate) fn check_exports(module: &Module) -> Result<Abi, LoadError> {
    let function = |name: &str| matches!(module.get_export(name), Some(ExternType::Func(_)));
    let known = |name: &str| ABIS.into_iter().find(|(known, _)| *known == name);
    let abi = module.exports().find_map(|export| Some(known(export.name())?.1));
    let abi = abi.ok_or(LoadError::AbiVersion)?;
    if !matches!(module.get_export("memory"), Some(ExternType::Memory(_))) {
        return Err(LoadError::Memory);
    }
    if !function("malloc") && !function("proxy_on_memory_allocate") {
        return Err(LoadError::Allocator);
    }
    for (name, params, results) in CALLBACKS {
        let params = if abi == Abi::V0_1_0 && HEADERS.contains(&name) { params - 1 } else { params };
        let i32s = |number| std::iter::repeat_n(ValType::I32, number);
        let wanted = FuncType::new(module.engine(), i32s(params), i32s(results));
        match module.get_export(name) {
            None => {}
            Some(ExternType::Func(found)) if FuncType::eq(&found, &wanted) => {}
            Some(found) => {
                return Err(LoadError::Export { name, found: shown(&found), wanted: wanted.to_string() });
            }
        }
    }
    Ok(abi)
}

pub(crate) fn check_imports(module: &Module, linker: &Linker<Host>) -> Result<(), LoadError> {
    let mut store = Store::new(module.engine(), Host::idle());
    for import in module.imports() {
        let name = format!("{}.{}", import.module(), import.name());
        let Ok(found) = linker.get(&mut store, import.module(), import.name()) else {
            return Err(LoadError::UnknownImport(name));
        };
        match (import.ty(), found.ty(&store)) {
            (ExternType::Func(wanted), ExternType::Func(found)) if FuncType::eq(&wanted, &found) => {}
            (wanted, found) => {
                return Err(LoadError::ImportType { name, wanted: shown(&wanted), found: shown(&found) });
            }
        }
    }
    Ok(())
}

fn shown(ty: &ExternType) -> String {
    match ty {
        ExternType::Func(function) => function.to_string(),
        ExternType::Memory(_) => "a memory".into(),
        ExternType::Table(_) => "a table".into(),
        ExternType::Global(_) => "a global".into(),
        ExternType::Tag(_) => "a tag".into(),
    }
}
