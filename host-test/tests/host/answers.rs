//! What host functions answer during the configuration, while there is no request.

use countersign_host_test::{Outcome, Verdict};

use super::configure;

/// Calls one function with these arguments and gives the status that it answers. Pointers to results go to 64.
fn status(name: &str, arguments: &[i64]) -> u8 {
    let types = |wide: bool| if wide { "i64" } else { "i32" };
    let wide = |place| name.ends_with("t_metric") && name != "proxy_get_metric" && place == 1;
    let wide = |place| wide(place) || name == "proxy_record_metric" && place == 1;
    let params: String = (0..arguments.len()).map(|place| format!(" {}", types(wide(place)))).collect();
    let values: String =
        arguments.iter().enumerate().map(|(place, value)| format!("({}.const {value})", types(wide(place)))).collect();
    let imports = format!(
        r#"(import "env" "{name}" (func $call (param{params}) (result i32)))
        (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))"#
    );
    let body = format!(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
            (i32.store8 (i32.const 0) (i32.add (call $call {values}) (i32.const 65)))
            (call $log (i32.const 2) (i32.const 0) (i32.const 1)))"#
    );
    let Outcome { verdict, log } = configure(&imports, &body, "abc");
    // `proxy_log` answered `Ok`, which is 0 and here a refusal.
    assert_eq!(verdict, Verdict::Refused, "{name}");
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
        ("proxy_get_buffer_bytes", &[7, -1, 2, 64, 68], 2),
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
        if name != "proxy_log" {
            assert_eq!(status(name, arguments), 6, "{name} {arguments:?}");
        }
    }
}
