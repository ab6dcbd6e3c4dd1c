//! The host from outside: modules in the raw ABI, without an SDK, and the filter that is released.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, its helpers too"
)]

#[path = "host/answers.rs"]
mod answers;
#[path = "host/calls.rs"]
mod calls;
#[path = "host/configure.rs"]
mod configure;
#[path = "host/cost.rs"]
mod cost;
#[path = "host/excess.rs"]
mod excess;
#[path = "host/failures.rs"]
mod failures;
#[path = "host/load.rs"]
mod load;
#[path = "host/maps.rs"]
mod maps;
#[path = "host/module.rs"]
mod module;
#[path = "host/released.rs"]
mod released;
#[path = "host/replies.rs"]
mod replies;
#[path = "host/roots.rs"]
mod roots;
#[path = "host/service_keys.rs"]
mod service_keys;
#[path = "host/streams.rs"]
mod streams;
#[path = "host/tokens.rs"]
mod tokens;

use std::time::Duration;

use countersign_host_test::{Filter, LoadError, Trial};

/// A Sunday at noon, UTC.
const AT: Duration = Duration::from_secs(1_795_348_800);

/// What every module here begins with: the ABI's version, a memory, and an allocator that only ever advances.
const PRELUDE: &str = r#"
    (memory (export "memory") 2)
    (global $free (mut i32) (i32.const 0x10000))
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
        (local $at i32)
        (local.set $at (global.get $free))
        (global.set $free (i32.add (global.get $free) (local.get $size)))
        (local.get $at))
"#;

/// A module with these imports and this body.
fn load(imports: &str, body: &str) -> Result<Filter, LoadError> {
    Filter::load(&wat::parse_str(format!("(module {imports} {PRELUDE} {body})")).unwrap())
}

fn configure(imports: &str, body: &str, configuration: &str) -> Trial {
    load(imports, body).unwrap().configure(configuration.as_bytes(), AT, 7)
}
