//! What host functions answer during the configuration, while there is no request.

use countersign_host_test::{Trial, Verdict};

use super::configure;

/// The functions whose second parameter is an `i64`.
const WIDE: [&str; 2] = ["proxy_increment_metric", "proxy_record_metric"];

const LOG: &str = r#"(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))"#;

/// Calls one function with these arguments and gives the status that it answers. Pointers to results go to 64.
fn status(name: &str, arguments: &[i64]) -> u8 {
    let kind = |place| if place == 1 && WIDE.contains(&name) { "i64" } else { "i32" };
    let (mut params, mut values) = (String::new(), String::new());
    for (place, value) in arguments.iter().enumerate() {
        params += &format!(" {}", kind(place));
        values += &format!("({}.const {value})", kind(place));
    }
    let imports = format!(r#"(import "env" "{name}" (func $call (param{params}) (result i32))) {LOG}"#);
    let body = format!(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
            (i32.store8 (i32.const 0) (i32.add (call $call {values}) (i32.const 65)))
            (drop (call $log (i32.const 2) (i32.const 0) (i32.const 1)))
            (i32.const 1))"#
    );
    let Trial { verdict, log } = configure(&imports, &body, "abc");
    assert_eq!(verdict, Verdict::Accepted, "{name}");
    log[0].text.as_bytes()[0] - b'A'
}

#[test]
fn what_belongs_to_a_request_answers_as_envoy_does_without_one() {
    for (name, arguments, expected) in [
        ("proxy_get_header_map_value", &[0, 8, 1, 64, 68][..], 2),
        ("proxy_get_header_map_pairs", &[0, 64, 68], 0),
        ("proxy_get_header_map_pairs", &[8, 64, 68], 2),
        ("proxy_get_header_map_size", &[0, 64], 2),
        ("proxy_set_header_map_pairs", &[0, 8, 4], 2),
        ("proxy_add_header_map_value", &[0, 8, 1, 9, 1], 2),
        ("proxy_replace_header_map_value", &[0, 8, 1, 9, 1], 2),
        ("proxy_remove_header_map_value", &[0, 8, 1], 2),
        ("proxy_continue_stream", &[0], 0),
        ("proxy_continue_stream", &[3], 12),
        ("proxy_continue_stream", &[4], 2),
        ("proxy_close_stream", &[3], 0),
        ("proxy_close_stream", &[4], 2),
        ("proxy_send_local_response", &[200, 8, 1, 8, 1, 8, 1, 0], 0),
        ("proxy_http_call", &[8, 1, 8, 1, 8, 1, 8, 1, 100, 64], 2),
        ("proxy_grpc_call", &[8, 1, 8, 1, 8, 1, 8, 1, 8, 1, 100, 64], 4),
        ("proxy_grpc_stream", &[8, 1, 8, 1, 8, 1, 8, 1, 64], 4),
        ("proxy_grpc_send", &[2, 8, 1, 0], 1),
        ("proxy_grpc_send", &[1, 8, 1, 0], 2),
        ("proxy_grpc_cancel", &[1], 1),
        ("proxy_grpc_close", &[4], 2),
        ("proxy_get_status", &[64, 68, 72], 0),
        ("proxy_get_property", &[8, 1, 64, 68], 1),
        ("proxy_set_property", &[8, 1, 8, 1], 1),
        ("proxy_done", &[], 1),
        ("proxy_call_foreign_function", &[8, 1, 8, 1, 64, 68], 1),
        ("proxy_set_effective_context", &[1], 0),
        ("proxy_set_effective_context", &[2], 2),
    ] {
        assert_eq!(status(name, arguments), expected, "{name} {arguments:?}");
    }
}

#[test]
fn buffers_shared_state_and_metrics_answer_as_envoy_does() {
    for (name, arguments, expected) in [
        ("proxy_get_buffer_bytes", &[7, 0, 3, 64, 68][..], 0),
        ("proxy_get_buffer_bytes", &[0, 0, 3, 64, 68], 0),
        ("proxy_get_buffer_bytes", &[4, 0, 3, 64, 68], 1),
        ("proxy_get_buffer_bytes", &[9, 0, 3, 64, 68], 2),
        ("proxy_get_buffer_bytes", &[7, -1, 2, 64, 68], 0),
        ("proxy_get_buffer_bytes", &[5, 0, 2, 64, 68], 0),
        ("proxy_get_buffer_bytes", &[6, 0, 2, 64, 68], 0),
        ("proxy_get_buffer_bytes", &[8, 0, 2, 64, 68], 0),
        ("proxy_get_buffer_status", &[7, 64, 68], 0),
        ("proxy_set_buffer_bytes", &[7, 0, 1, 8, 1], 2),
        ("proxy_set_buffer_bytes", &[4, 0, 1, 8, 1], 1),
        ("proxy_get_shared_data", &[8, 1, 64, 68, 72], 1),
        ("proxy_set_shared_data", &[8, 1, 9, 1, 0], 0),
        ("proxy_register_shared_queue", &[8, 1, 64], 0),
        ("proxy_resolve_shared_queue", &[8, 0, 8, 1, 64], 1),
        ("proxy_enqueue_shared_queue", &[1, 8, 1], 1),
        ("proxy_dequeue_shared_queue", &[0, 64, 68], 1),
        ("proxy_define_metric", &[2, 8, 1, 64], 0),
        ("proxy_define_metric", &[3, 8, 1, 64], 2),
        ("proxy_increment_metric", &[4, 1], 1),
        ("proxy_increment_metric", &[6, 1], 2),
        ("proxy_record_metric", &[5, 1], 1),
        ("proxy_get_metric", &[6, 64], 2),
    ] {
        assert_eq!(status(name, arguments), expected, "{name} {arguments:?}");
    }
}

#[test]
fn a_pointer_out_of_memory_is_refused() {
    for (name, arguments) in [
        ("proxy_log", &[2, 0x1ffff, 2][..]),
        ("proxy_log", &[2, -1, -1]),
        ("proxy_get_log_level", &[0x1fffd]),
        ("proxy_get_buffer_bytes", &[7, 0, 3, 64, 0x20000]),
        ("proxy_add_header_map_value", &[0, 8, 1, 8, 0x20000]),
        ("proxy_set_shared_data", &[8, 1, 0x20000, 1, 0]),
    ] {
        assert_eq!(status(name, arguments), 6, "{name} {arguments:?}");
    }
}

/// Runs these calls one after another; each must answer what it is given with.
fn answers(imports: &str, calls: &[(&str, i32)]) -> Trial {
    let checks: String = calls
        .iter()
        .map(|(call, code)| format!("(if (i32.ne {call} (i32.const {code})) (then unreachable))"))
        .collect();
    let body = format!(
        r#"(data (i32.const 0) "keyvalue") (data (i32.const 16) "\00\00\00\00\08\00\00\00")
        (func (export "proxy_on_configure") (param i32 i32) (result i32) {checks} (i32.const 1))"#
    );
    configure(&format!("{imports} {LOG}"), &body, "abc")
}

#[test]
fn shared_data_is_kept_with_its_version() {
    let imports = r#"
        (import "env" "proxy_set_shared_data" (func $set (param i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_get_shared_data" (func $get (param i32 i32 i32 i32 i32) (result i32)))"#;
    let set = |version| {
        format!("(call $set (i32.const 0) (i32.const 3) (i32.const 3) (i32.const 5) (i32.const {version}))")
    };
    let get = "(call $get (i32.const 0) (i32.const 3) (i32.const 64) (i32.const 68) (i32.const 72))";
    let log = "(call $log (i32.const 2) (i32.load (i32.const 64)) (i32.load (i32.const 68)))";
    let calls =
        [(&*set(0), 0), (get, 0), ("(i32.load (i32.const 72))", 1), (log, 0), (&set(9), 8), (&set(1), 0)];
    let outcome = answers(imports, &calls);
    assert_eq!((outcome.verdict, outcome.log[0].text.as_str()), (Verdict::Accepted, "value"));
}

#[test]
fn a_queue_gives_back_what_it_was_given() {
    let imports = r#"
        (import "env" "proxy_register_shared_queue" (func $register (param i32 i32 i32) (result i32)))
        (import "env" "proxy_enqueue_shared_queue" (func $put (param i32 i32 i32) (result i32)))
        (import "env" "proxy_dequeue_shared_queue" (func $take (param i32 i32 i32) (result i32)))"#;
    let take = "(call $take (i32.const 1) (i32.const 64) (i32.const 68))";
    let calls = [
        ("(call $register (i32.const 0) (i32.const 3) (i32.const 64))", 0),
        ("(i32.load (i32.const 64))", 1),
        ("(call $put (i32.const 1) (i32.const 3) (i32.const 5))", 0),
        (take, 0),
        ("(i32.load (i32.const 68))", 5),
        (take, 7),
    ];
    assert_eq!(answers(imports, &calls).verdict, Verdict::Accepted);
}

#[test]
fn a_metric_is_one_under_its_name() {
    let imports = r#"
        (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_increment_metric" (func $add (param i32 i64) (result i32)))
        (import "env" "proxy_get_metric" (func $get (param i32 i32) (result i32)))"#;
    let define = |at| format!("(call $define (i32.const 0) (i32.const 0) (i32.const 3) (i32.const {at}))");
    let calls = [
        (&*define(64), 0),
        (&define(68), 0),
        ("(call $add (i32.load (i32.const 64)) (i64.const 2))", 0),
        ("(call $add (i32.load (i32.const 68)) (i64.const 3))", 0),
        ("(call $add (i32.load (i32.const 68)) (i64.const -1))", 2),
        ("(call $get (i32.load (i32.const 64)) (i32.const 72))", 0),
        ("(i32.load (i32.const 72))", 5),
    ];
    assert_eq!(answers(imports, &calls).verdict, Verdict::Accepted);
}

#[test]
fn standard_error_is_the_log() {
    let imports = r#"(import "wasi_snapshot_preview1" "fd_write"
        (func $write (param i32 i32 i32 i32) (result i32)))"#;
    let write =
        |file| format!("(call $write (i32.const {file}) (i32.const 16) (i32.const 1) (i32.const 64))");
    let calls = [(&*write(2), 0), ("(i32.load (i32.const 64))", 8), (&write(3), 8)];
    let outcome = answers(imports, &calls);
    assert_eq!(outcome.verdict, Verdict::Accepted);
    assert_eq!(outcome.log[0].to_string(), "[error] keyvalue");
}
