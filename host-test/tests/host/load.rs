//! What is refused before anything runs.

use countersign_host_test::{Filter, Gateway, LoadError, Request, Verdict};

use super::{PRELUDE, configure, load};

fn error(imports: &str, body: &str) -> String {
    load(imports, body).err().expect("it was loaded").to_string()
}

fn bare(module: &str) -> Option<LoadError> {
    Filter::load(&wat::parse_str(module).unwrap()).err()
}

#[test]
fn an_unknown_import_is_named() {
    let imports = r#"(import "env" "proxy_teleport" (func (param i32) (result i32)))"#;
    assert_eq!(error(imports, ""), "imports `env.proxy_teleport`, which the host does not have");
}

#[test]
fn an_import_with_another_type_is_named_with_both() {
    let imports = r#"(import "env" "proxy_log" (func (param i64) (result i32)))"#;
    assert_eq!(
        error(imports, ""),
        "imports `env.proxy_log` as (type (func (param i64) (result i32))), but the host has it as \
         (type (func (param i32 i32 i32) (result i32)))"
    );
    let imports = r#"(import "env" "proxy_log" (global i32))"#;
    assert!(error(imports, "").starts_with("imports `env.proxy_log` as a global, but"));
}

/// What the SDKs for Rust, C++, Go, TinyGo and AssemblyScript import, with the types that Envoy gives it.
const WASI: [(&str, &str); 44] = [
    ("args_get", "ii"),
    ("args_sizes_get", "ii"),
    ("clock_res_get", "ii"),
    ("clock_time_get", "iIi"),
    ("environ_get", "ii"),
    ("environ_sizes_get", "ii"),
    ("fd_advise", "iIIi"),
    ("fd_allocate", "iII"),
    ("fd_close", "i"),
    ("fd_datasync", "i"),
    ("fd_fdstat_get", "ii"),
    ("fd_fdstat_set_flags", "ii"),
    ("fd_fdstat_set_rights", "iII"),
    ("fd_filestat_get", "ii"),
    ("fd_filestat_set_size", "iI"),
    ("fd_filestat_set_times", "iIIi"),
    ("fd_pread", "iiiIi"),
    ("fd_prestat_dir_name", "iii"),
    ("fd_prestat_get", "ii"),
    ("fd_pwrite", "iiiIi"),
    ("fd_read", "iiii"),
    ("fd_readdir", "iiiIi"),
    ("fd_renumber", "ii"),
    ("fd_seek", "iIii"),
    ("fd_sync", "i"),
    ("fd_tell", "ii"),
    ("fd_write", "iiii"),
    ("path_create_directory", "iii"),
    ("path_filestat_get", "iiiii"),
    ("path_filestat_set_times", "iiiiIIi"),
    ("path_link", "iiiiii"),
    ("path_open", "iiiiiIIii"),
    ("path_readlink", "iiiiii"),
    ("path_remove_directory", "iii"),
    ("path_rename", "iiiiii"),
    ("path_symlink", "iiii"),
    ("path_unlink_file", "iii"),
    ("poll_oneoff", "iiii"),
    ("random_get", "ii"),
    ("sched_yield", ""),
    ("sock_accept", "iii"),
    ("sock_recv", "iiiiii"),
    ("sock_send", "iiiii"),
    ("sock_shutdown", "ii"),
];

fn params(types: &str) -> String {
    types.chars().map(|kind| if kind == 'I' { " i64" } else { " i32" }).collect()
}

#[test]
fn what_sdks_import_is_there() {
    for module in ["wasi_snapshot_preview1", "wasi_unstable"] {
        let imports: String = WASI
            .iter()
            .map(|(name, types)| {
                format!(r#"(import "{module}" "{name}" (func (param{}) (result i32)))"#, params(types))
            })
            .collect();
        let exit = format!(r#"(import "{module}" "proc_exit" (func (param i32)))"#);
        load(&format!("{imports}{exit}"), "").unwrap_or_else(|error| panic!("{module} {error}"));
    }
    let emscripten = r#"
        (import "env" "emscripten_notify_memory_growth" (func (param i32)))
        (import "env" "pthread_equal" (func (param i32 i32) (result i32)))"#;
    load(emscripten, "").unwrap_or_else(|error| panic!("{error}"));
}

/// What a WASI function answers when everything that it is given is 1.
fn answer(name: &str, types: &str) -> i32 {
    let ones: String =
        types.chars().map(|kind| if kind == 'I' { "(i64.const 1)" } else { "(i32.const 1)" }).collect();
    let imports = format!(
        r#"(import "wasi_snapshot_preview1" "{name}" (func $call (param{}) (result i32)))"#,
        params(types)
    );
    for code in 0..80 {
        let body = format!(
            r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
                (i32.eq (call $call {ones}) (i32.const {code})))"#
        );
        if configure(&imports, &body, "x").verdict == Verdict::Accepted {
            return code;
        }
    }
    panic!("{name} answers something else");
}

#[test]
fn files_and_sockets_answer_that_there_are_none() {
    for (name, code) in [
        ("fd_advise", 0),
        ("fd_close", 0),
        ("fd_seek", 0),
        ("fd_sync", 0),
        ("fd_tell", 0),
        ("fd_filestat_set_times", 0),
        ("fd_filestat_get", 8),
        ("fd_prestat_get", 8),
        ("fd_readdir", 20),
        ("path_open", 44),
        ("fd_read", 52),
        ("fd_pread", 52),
        ("fd_fdstat_set_flags", 52),
        ("fd_prestat_dir_name", 52),
        ("fd_renumber", 58),
        ("path_unlink_file", 58),
        ("path_filestat_set_times", 58),
        ("path_readlink", 58),
        ("sock_recv", 58),
        ("sock_shutdown", 58),
        ("poll_oneoff", 0),
        ("clock_res_get", 0),
        ("sched_yield", 0),
    ] {
        let types = WASI.iter().find(|(known, _)| *known == name).unwrap().1;
        assert_eq!(answer(name, types), code, "{name}");
    }
}

/// A module of another version of the ABI.
fn older(version: &str, imports: &str, body: &str) -> Result<Filter, LoadError> {
    let prelude = PRELUDE.replace("proxy_abi_version_0_2_1", version);
    Filter::load(&wat::parse_str(format!("(module {imports} {prelude} {body})")).unwrap())
}

#[test]
fn older_versions_are_spoken_too() {
    let log_level = r#"(import "env" "proxy_get_log_level" (func (param i32) (result i32)))"#;
    assert!(load(log_level, "").is_ok());
    let error = older("proxy_abi_version_0_2_0", log_level, "").err().unwrap().to_string();
    assert_eq!(error, "imports `env.proxy_get_log_level`, which the host does not have");
    let resume = r#"(import "env" "proxy_continue_request" (func (result i32)))"#;
    assert!(older("proxy_abi_version_0_1_0", resume, "").is_ok());
    assert!(older("proxy_abi_version_0_2_0", resume, "").is_err());
    let headers = r#"(func (export "proxy_on_request_headers") (param i32 i32) (result i32) (i32.const 0))"#;
    assert!(older("proxy_abi_version_0_2_0", "", headers).is_err());
    assert!(older("proxy_abi_version_0_1_0", "", headers).is_ok());
}

#[test]
fn a_filter_of_version_0_1_0_serves() {
    let imports = r#"
        (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
        (import "env" "proxy_get_configuration" (func $configuration (param i32 i32) (result i32)))
        (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))"#;
    let body = r#"(data (i32.const 0) "x-missing")
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
            (drop (call $configuration (i32.const 64) (i32.const 68)))
            (drop (call $log (i32.const 2) (i32.load (i32.const 64)) (i32.load (i32.const 68))))
            (i32.const 1))
        (func (export "proxy_on_request_headers") (param i32 i32) (result i32)
            (if (call $get (i32.const 0) (i32.const 0) (i32.const 9) (i32.const 64) (i32.const 68))
                (then unreachable))
            (i32.load (i32.const 68)))"#;
    let filter = older("proxy_abi_version_0_1_0", imports, body).unwrap();
    let mut gateway = Gateway::builder(&filter).configuration("hello").start().unwrap();
    assert_eq!(gateway.take_log()[0].text, "hello");
    assert_eq!(gateway.send(Request::new("GET", "api.example", "/")).status(), 200);
}

#[test]
fn a_callback_with_another_type_is_named() {
    let body = r#"(func (export "proxy_on_configure") (param i32) (result i32) (i32.const 1))"#;
    assert_eq!(
        error("", body),
        "exports `proxy_on_configure` as (type (func (param i32) (result i32))), but it must be \
         (type (func (param i32 i32) (result i32)))"
    );
}

#[test]
fn what_the_host_needs_must_be_exported() {
    let version = r#"(func (export "proxy_abi_version_0_2_1"))"#;
    let memory = r#"(memory (export "memory") 1)"#;
    assert_eq!(bare("(module)"), Some(LoadError::AbiVersion));
    assert_eq!(bare(r#"(module (func (export "proxy_abi_version_0_3_0")))"#), Some(LoadError::AbiVersion));
    assert_eq!(bare(&format!("(module {version})")), Some(LoadError::Memory));
    assert_eq!(bare(&format!("(module {version} {memory})")), Some(LoadError::Allocator));
}

#[test]
fn bytes_that_are_no_module_are_refused() {
    for bytes in [&b""[..], b"(module)", b"\0asm\x01\0\0\0\xff"] {
        assert!(matches!(Filter::load(bytes), Err(LoadError::Module(_))), "{bytes:?}");
    }
}
