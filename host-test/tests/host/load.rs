//! What is refused before anything runs.

use countersign_host_test::{Filter, LoadError};

use super::load;

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

#[test]
fn files_are_not_there() {
    let imports =
        r#"(import "wasi_snapshot_preview1" "path_unlink_file" (func (param i32 i32 i32) (result i32)))"#;
    assert!(error(imports, "").starts_with("imports `wasi_snapshot_preview1.path_unlink_file`, which"));
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
    assert_eq!(bare(r#"(module (func (export "proxy_abi_version_0_1_0")))"#), Some(LoadError::AbiVersion));
    assert_eq!(bare(&format!("(module {version})")), Some(LoadError::Memory));
    assert_eq!(bare(&format!("(module {version} {memory})")), Some(LoadError::Allocator));
}

#[test]
fn bytes_that_are_no_module_are_refused() {
    for bytes in [&b""[..], b"(module)", b"\0asm\x01\0\0\0\xff"] {
        assert!(matches!(Filter::load(bytes), Err(LoadError::Module(_))), "{bytes:?}");
    }
}
