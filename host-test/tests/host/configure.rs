//! How a filter takes its configuration.

use countersign_host_test::{Level, Trial, Verdict};

use super::{AT, configure, load};

const LOG: &str = r#"(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))"#;
const BUFFER: &str =
    r#"(import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))"#;

fn trap(outcome: Trial) -> String {
    let Verdict::Trapped(why) = outcome.verdict else { panic!("{outcome:?}") };
    why
}

fn log(outcome: &Trial) -> Vec<(Level, &str)> {
    outcome.log.iter().map(|line| (line.level, line.text.as_str())).collect()
}

/// Logs the configuration as an error and accepts it when it begins with `y`.
const JUDGE: &str = r#"
    (func (export "proxy_on_configure") (param $context i32) (param $size i32) (result i32)
        (drop (call $buffer (i32.const 7) (i32.const 0) (local.get $size) (i32.const 0) (i32.const 4)))
        (drop (call $log (i32.const 4) (i32.load (i32.const 0)) (i32.load (i32.const 4))))
        (i32.eq (i32.load8_u (i32.load (i32.const 0))) (i32.const 121)))
"#;

#[test]
fn a_configuration_is_handed_over_and_judged() {
    let imports = format!("{LOG}{BUFFER}");
    let yes = configure(&imports, JUDGE, "yes, and more");
    assert_eq!((&yes.verdict, log(&yes)), (&Verdict::Accepted, vec![(Level::Error, "yes, and more")]));
    let no = configure(&imports, JUDGE, "no");
    assert_eq!((&no.verdict, log(&no)), (&Verdict::Refused, vec![(Level::Error, "no")]));
    assert_eq!(no.log[0].to_string(), "[error] no");
}

#[test]
fn callbacks_come_in_the_order_of_envoy_and_may_be_missing() {
    assert_eq!(configure("", "", "x"), Trial { verdict: Verdict::Accepted, log: vec![] });
    let say = |letter: usize| format!("(drop (call $log (i32.const 2) (i32.const {letter}) (i32.const 1)))");
    let body = format!(
        r#"(data (i32.const 0) "abcde")
        (func (export "proxy_on_configure") (param i32 i32) (result i32) {} (local.get 0))
        (func (export "proxy_on_vm_start") (param i32 i32) (result i32) {} (local.get 0))
        (func (export "proxy_on_context_create") (param i32 i32) {})
        (func (export "main") (param i32 i32) (result i32) {} (i32.const 0))
        (func (export "_initialize") {})"#,
        say(4),
        say(3),
        say(2),
        say(1),
        say(0),
    );
    let outcome = configure(LOG, &body, "x");
    let said: String = outcome.log.iter().map(|line| line.text.as_str()).collect();
    assert_eq!((outcome.verdict, said.as_str()), (Verdict::Accepted, "abcde"));
}

#[test]
fn a_vm_that_does_not_start_is_not_configured() {
    let body = r#"
        (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 0))
        (func (export "proxy_on_configure") (param i32 i32) (result i32) unreachable)"#;
    assert_eq!(configure("", body, "x").verdict, Verdict::Refused);
}

#[test]
fn a_trap_is_told_with_its_callback_and_the_log_until_then() {
    let body = r#"(data (i32.const 0) "help")
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
            (drop (call $log (i32.const 5) (i32.const 0) (i32.const 4))) unreachable)"#;
    let outcome = configure(LOG, body, "x");
    assert_eq!(log(&outcome), [(Level::Critical, "help")]);
    assert_eq!(trap(outcome), "`proxy_on_configure`: wasm trap: wasm `unreachable` instruction executed");
    let body = r#"(func (export "_initialize") unreachable)"#;
    assert!(trap(configure("", body, "x")).starts_with("`_initialize`: "));
    let body = r#"(func $deep (export "_initialize") (call $deep))"#;
    assert_eq!(trap(configure("", body, "x")), "`_initialize`: wasm trap: call stack exhausted");
}

#[test]
fn a_filter_that_runs_away_ends() {
    let ended = |imports, body| trap(configure(imports, body, "x"));
    let forever =
        r#"(func (export "proxy_on_vm_start") (param i32 i32) (result i32) (loop (br 0)) unreachable)"#;
    assert_eq!(ended("", forever), "`proxy_on_vm_start`: ran for more than 20000000000 instructions");
    let grow = r#"(func (export "_initialize") (loop (drop (memory.grow (i32.const 999))) (br 0)))"#;
    assert!(ended("", grow).contains("growing memory"), "{}", ended("", grow));
    let talk = r#"(func (export "_initialize")
        (loop (drop (call $log (i32.const 2) (i32.const 0) (i32.const 9999))) (br 0)))"#;
    assert!(ended(LOG, talk).contains("keeps at most 16777216 bytes"), "{}", ended(LOG, talk));
}

#[test]
fn two_runs_give_the_same_and_another_seed_does_not() {
    let imports = format!(
        r#"{LOG} (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (import "env" "proxy_get_current_time_nanoseconds" (func $now (param i32) (result i32)))"#
    );
    let body = r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
        (drop (call $now (i32.const 0)))
        (drop (call $random (i32.const 8) (i32.const 32)))
        (drop (call $log (i32.const 2) (i32.const 0) (i32.const 40)))
        (i32.const 1))"#;
    let filter = load(&imports, body).unwrap();
    let run = |seed| filter.configure(b"x", AT, seed);
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    assert_ne!(run(1), filter.configure(b"x", AT * 2, 1));
}

#[test]
fn nothing_is_left_of_the_run_before() {
    let body = r#"(global $runs (mut i32) (i32.const 0))
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
            (global.set $runs (i32.add (global.get $runs) (i32.const 1)))
            (i32.eq (global.get $runs) (i32.const 1)))"#;
    let filter = load("", body).unwrap();
    for _ in 0..2 {
        assert_eq!(filter.configure(b"x", AT, 1).verdict, Verdict::Accepted);
    }
}

#[test]
fn most_host_functions_are_closed_while_the_module_initialises() {
    let imports =
        r#"(import "env" "proxy_set_tick_period_milliseconds" (func $tick (param i32) (result i32)))"#;
    let body = r#"(func (export "_initialize") (drop (call $tick (i32.const 9))))"#;
    let closed = "`env.proxy_set_tick_period_milliseconds` must not be called while the module initialises";
    let why = trap(configure(imports, body, "x"));
    assert!(why.starts_with("`_initialize`: ") && why.contains(closed), "{why}");
}
