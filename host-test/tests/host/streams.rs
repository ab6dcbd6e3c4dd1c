//! Requests through modules in the raw ABI: what a filter's callbacks return is what Envoy makes of it.

use std::time::Duration;

use countersign_host_test::{Answer, Builder, Ended, Forwarded, Gateway, Request, Response};

use super::{AT, load};

const IMPORTS: &str = r#"
    (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
    (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
    (import "env" "proxy_set_effective_context" (func $become (param i32) (result i32)))
    (import "env" "proxy_set_tick_period_milliseconds" (func $ticks (param i32) (result i32)))
    (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_set_buffer_bytes" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_send_local_response"
        (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))"#;

/// Callbacks that say their letter and return a number, unless `more` has them.
#[derive(Default)]
struct Probe {
    headers: i32,
    body: i32,
    last: i32,
    trailers: i32,
    more: &'static str,
}

/// What callbacks say, in the order of the ABI: `c` context, `h b t` request, `H B T` response, `l d x` its end.
const LETTERS: &str = "chbtHBTldxk";

impl Probe {
    fn gateway(&self) -> Builder {
        let say = |letter: char| {
            let place = LETTERS.find(letter).unwrap();
            format!("(drop (call $log (i32.const 2) (i32.const {place}) (i32.const 1)))")
        };
        let Self { headers, body, last, trailers, more } = self;
        let module = format!(
            r#"(data (i32.const 0) "{LETTERS}") (data (i32.const 32) "addedbody")
            (func (export "proxy_on_context_create") (param i32 i32) {})
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {} (i32.const {headers}))
            (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) {}
                (select (i32.const {last}) (i32.const {body}) (local.get 2)))
            (func (export "proxy_on_request_trailers") (param i32 i32) (result i32) {} (i32.const {trailers}))
            (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) {} (i32.const 0))
            (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32) {} (i32.const 0))
            (func (export "proxy_on_response_trailers") (param i32 i32) (result i32) {} (i32.const 0))
            (func (export "proxy_on_log") (param i32) {})
            (func (export "proxy_on_done") (param i32) (result i32) {} (i32.const 1))
            (func (export "proxy_on_delete") (param i32) {})
            {more}"#,
            say('c'),
            say('h'),
            say('b'),
            say('t'),
            say('H'),
            say('B'),
            say('T'),
            say('l'),
            say('d'),
            say('x'),
        );
        Gateway::builder(&load(IMPORTS, &module).unwrap()).at(AT)
    }
}

fn said(gateway: &mut Gateway) -> String {
    gateway.take_log().into_iter().map(|line| line.text).collect()
}

fn started(builder: Builder) -> Gateway {
    let mut gateway = builder.start().unwrap();
    assert_eq!(said(&mut gateway), "cc", "a canary and one worker");
    gateway
}

fn post() -> Request {
    Request::new("POST", "api.example", "/v1").part("one ").part("two ").part("three")
}

fn answered(_: &Forwarded) -> (Duration, Answer) {
    (Duration::ZERO, Answer::Response(Response::new(201, "done").header("server", "upstream")))
}

#[test]
fn callbacks_come_in_the_order_of_envoy() {
    let mut gateway = started(Probe::default().gateway().upstream(answered));
    let outcome = gateway.send(post().trailer("x-sum", "12"));
    assert_eq!((outcome.ended.clone(), outcome.status()), (Ended::Upstream, 201));
    assert_eq!(outcome.response.body, b"done");
    let forwarded = outcome.forwarded.unwrap();
    assert_eq!((forwarded.complete, forwarded.body.as_slice()), (true, &b"one two three"[..]));
    assert_eq!(forwarded.trailers, [(b"x-sum".to_vec(), b"12".to_vec())]);
    assert_eq!(said(&mut gateway), "chbbbtHBldx");
}

#[test]
fn a_request_without_a_body_ends_with_its_header_fields() {
    let mut gateway = started(Probe::default().gateway());
    let outcome = gateway.send(Request::new("GET", "api.example", "/"));
    assert_eq!((outcome.status(), outcome.forwarded.unwrap().complete), (200, true));
    assert_eq!(said(&mut gateway), "chHldx");
}

#[test]
fn header_fields_that_pause_let_the_body_through_in_one_mode_only() {
    // Pauses until the last part of the body has come.
    let probe = Probe { headers: 1, body: 1, ..Probe::default() };
    let mut gateway = started(probe.gateway());
    let outcome = gateway.send(post());
    assert_eq!(outcome.forwarded.unwrap().body, b"one two three");
    assert_eq!(said(&mut gateway), "chbbbHldx");
    // The gateway withholds it: nothing comes any more.
    let mut gateway = started(probe.gateway().body_while_headers_pause(false));
    let outcome = gateway.send(post());
    assert_eq!(outcome.ended, Ended::Local("stream_idle_timeout".into()));
    assert_eq!((outcome.status(), outcome.forwarded), (504, None));
    assert_eq!(outcome.at - outcome.began, Duration::from_secs(300));
    assert_eq!(said(&mut gateway), "chHBldx");
}

#[test]
fn trailers_may_release_what_was_held_back() {
    let mut gateway = started(Probe { headers: 1, body: 1, last: 1, ..Probe::default() }.gateway());
    let outcome = gateway.send(post().trailer("x-sum", "12"));
    let forwarded = outcome.forwarded.unwrap();
    assert_eq!((forwarded.body.as_slice(), forwarded.trailers.len()), (&b"one two three"[..], 1));
    assert_eq!(said(&mut gateway), "chbbbtHldx");
}

/// Ticks every 100 ms and lets the request of context 2 go on with the third tick.
const RELEASE: &str = r#"
    (global $ticked (mut i32) (i32.const 0))
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (drop (call $ticks (i32.const 100))) (i32.const 1))
    (func (export "proxy_on_tick") (param i32)
        (global.set $ticked (i32.add (global.get $ticked) (i32.const 1)))
        (if (i32.eq (global.get $ticked) (i32.const 3)) (then
            (drop (call $become (i32.const 2)))
            (drop (call $continue (i32.const 0))))))"#;

#[test]
fn a_root_context_lets_a_request_go_on() {
    let probe = Probe { headers: 1, body: 1, last: 1, more: RELEASE, ..Probe::default() };
    let mut gateway = started(probe.gateway());
    let outcome = gateway.send(post());
    let forwarded = outcome.forwarded.unwrap();
    assert_eq!(forwarded.body, b"one two three");
    assert_eq!(forwarded.at, AT + Duration::from_millis(300));
    assert_eq!(said(&mut gateway), "chbbbHldx");
}

#[test]
fn a_filter_that_stopped_everything_sees_the_body_once_it_goes_on() {
    let probe = Probe { headers: 1, more: RELEASE, ..Probe::default() };
    let mut gateway = started(probe.gateway().body_while_headers_pause(false));
    let outcome = gateway.send(post());
    assert_eq!(outcome.forwarded.unwrap().body, b"one two three");
    assert_eq!(said(&mut gateway), "chbHldx");
}

#[test]
fn what_is_held_back_has_a_limit() {
    let probe = Probe { headers: 1, body: 1, last: 1, ..Probe::default() };
    for (limit, status) in [(13, 504), (12, 413)] {
        let mut gateway = started(probe.gateway().buffer_limit(limit));
        let outcome = gateway.send(post());
        assert_eq!((outcome.status(), outcome.forwarded), (status, None), "{limit}");
    }
}

#[test]
fn a_client_that_leaves_ends_its_request() {
    let mut gateway = started(Probe { headers: 1, body: 1, last: 1, ..Probe::default() }.gateway());
    let leaves = Some(Duration::from_secs(2));
    let outcome = gateway.send(Request { leaves, ..post() });
    assert_eq!((outcome.status(), outcome.forwarded), (0, None));
    assert_eq!(outcome.ended, Ended::Left);
    assert_eq!(outcome.at - outcome.began, Duration::from_secs(2));
    assert_eq!(said(&mut gateway), "chbbbldx");
}

#[test]
fn the_end_may_be_told_before_the_log() {
    let order = countersign_host_test::Teardown::DoneFirst;
    let mut gateway = started(Probe::default().gateway().teardown(order));
    gateway.send(post());
    assert_eq!(said(&mut gateway), "chbbbHdlx");
}

#[test]
fn a_part_that_comes_later_comes_later() {
    let mut gateway = started(Probe { headers: 1, body: 1, ..Probe::default() }.gateway());
    let outcome = gateway.send(Request { gap: Duration::from_secs(1), ..post() });
    assert_eq!(outcome.forwarded.unwrap().at, AT + Duration::from_secs(2));
}

#[test]
fn an_upstream_that_takes_too_long_is_given_up() {
    let slow = |_: &Forwarded| (Duration::from_secs(20), Answer::Response(Response::new(200, "")));
    let mut gateway = started(Probe::default().gateway().upstream(slow));
    let outcome = gateway.send(post());
    assert_eq!((outcome.ended, outcome.response.status()), (Ended::Local("response_timeout".into()), 504));
    assert_eq!(
        (outcome.at, outcome.response.body.as_slice()),
        (AT + Duration::from_secs(15), &b"upstream request timeout"[..])
    );
    assert_eq!(said(&mut gateway), "chbbbHBldx");
    let mut gateway = started(Probe::default().gateway().upstream(slow).route_timeout(None));
    assert_eq!(gateway.send(post()).status(), 200);
}

#[test]
fn a_held_request_outlives_the_timeout_of_its_route() {
    let probe = Probe { headers: 1, body: 1, last: 1, more: RELEASE, ..Probe::default() };
    let short = Some(Duration::from_millis(100));
    let mut gateway = started(probe.gateway().route_timeout(short));
    assert_eq!(gateway.send(post()).status(), 200);
}

#[test]
fn without_a_timeout_a_request_that_nobody_answers_ends_all_the_same() {
    let ticking = Probe { headers: 1, body: 1, last: 1, more: TICKING, ..Probe::default() };
    let mut gateway = started(ticking.gateway().idle_timeout(None));
    assert_eq!(gateway.send(post()).ended, Ended::Left);
}

/// Ticks once a minute, for ever.
const TICKING: &str = r#"
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (drop (call $ticks (i32.const 60000))) (i32.const 1))
    (func (export "proxy_on_tick") (param i32))"#;
