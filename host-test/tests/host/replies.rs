//! Answers of the filter itself, from wherever it gives them.

use std::time::Duration;

use countersign_host_test::{Answer, Ended, Forwarded, Gateway, Request, Response};

use super::AT;
use super::module::{Module, field, forwarded, said, say};

const GO_ON: &str = "(i32.const 0)";
const PAUSE: &str = "(i32.const 1)";

fn post() -> Request {
    Request::new("POST", "api.example", "/v1").part("one ").part("two").trailer("x-sum", "7")
}

fn local(details: &str) -> Ended {
    Ended::Local(details.into())
}

/// A filter that answers in this callback and then returns that it goes on.
fn answering(callback: &str) -> Gateway {
    let mut module = Module::default();
    let reply = module.reply(403, "no");
    module.on(callback, format!("{reply} {GO_ON}"));
    if callback != "response_headers" {
        module.on("response_headers", format!("{} {GO_ON}", say('H')));
    }
    module.on("log", say('l')).on("delete", say('x'));
    let upstream = |_: &Forwarded| {
        let response = Response { trailers: vec![(b"x".into(), b"y".into())], ..Response::new(200, "done") };
        (Duration::ZERO, Answer::Response(response))
    };
    module.gateway().upstream(upstream).start().unwrap()
}

#[test]
fn an_answer_ends_the_request_whatever_the_callback_returns() {
    for (callback, forwards) in
        [("request_headers", false), ("request_body", true), ("request_trailers", true)]
    {
        let mut gateway = answering(callback);
        let outcome = gateway.send(post());
        assert_eq!((outcome.ended.clone(), outcome.status()), (local("by_403"), 403), "{callback}");
        assert_eq!(
            (outcome.response.body.as_slice(), field(&outcome, "content-length")),
            (&b"no"[..], Some("2"))
        );
        assert!(!outcome.forwarded.is_some_and(|all| all.complete), "{callback}");
        assert_eq!(forwarded(&gateway.send(post())).is_some(), forwards, "{callback}");
        assert_eq!(said(&mut gateway), "HlxHlx", "{callback}");
    }
}

#[test]
fn an_answer_in_place_of_a_response_passes_the_filter_by() {
    let mut gateway = answering("response_headers");
    let outcome = gateway.send(post());
    assert_eq!((outcome.ended.clone(), outcome.status()), (local("by_403"), 403));
    assert_eq!((outcome.response.body.as_slice(), said(&mut gateway)), (&b"no"[..], "lx".into()));
}

#[test]
fn a_response_that_has_begun_is_broken_off() {
    for callback in ["response_body", "response_trailers"] {
        let mut gateway = answering(callback);
        let outcome = gateway.send(post());
        assert_eq!((outcome.ended.clone(), outcome.status()), (Ended::Reset, 200), "{callback}");
    }
}

#[test]
fn an_answer_that_is_held_itself_is_replaced_by_the_next_one() {
    let mut module = Module::default();
    let (first, second) = (module.reply(403, "first"), module.reply(409, "second"));
    module
        .on("configure", "(drop (call $ticks (i32.const 10))) (i32.const 1)")
        .on("request_headers", format!("{first} {GO_ON}"))
        .on("response_headers", format!("{} {PAUSE}", say('H')))
        .on("tick", format!("(if (i32.eqz (call $become (i32.const 2))) (then {second}))"));
    let mut gateway = module.gateway().body_while_headers_pause(false).start().unwrap();
    let outcome = gateway.send(post());
    assert_eq!((outcome.status(), outcome.response.body.as_slice()), (409, &b"second"[..]));
    assert_eq!((said(&mut gateway), outcome.at - outcome.began), ("H".into(), Duration::from_millis(10)));
}

#[test]
fn an_answer_held_for_ever_ends_with_the_idle_timeout() {
    let mut module = Module::default();
    let reply = module.reply(403, "no");
    module.on("request_headers", format!("{reply} {GO_ON}")).on("response_headers", PAUSE);
    let outcome = module.gateway().body_while_headers_pause(false).start().unwrap().send(Request::new(
        "GET",
        "api.example",
        "/",
    ));
    assert_eq!((outcome.ended.clone(), outcome.status()), (local("stream_idle_timeout"), 504));
}

#[test]
fn a_request_that_is_answered_does_not_go_on_in_the_same_callback() {
    let mut module = Module::default();
    let reply = module.reply(403, "no");
    module.on("request_headers", format!("{reply} (drop (call $continue (i32.const 0))) {PAUSE}"));
    let outcome = module.gateway().start().unwrap().send(Request::new("GET", "api.example", "/"));
    assert_eq!((outcome.status(), outcome.forwarded), (403, None));
}

#[test]
fn a_request_that_goes_on_and_is_answered_after_that_has_reached_the_upstream() {
    let mut module = Module::default();
    let reply = module.reply(403, "no");
    module.on("request_headers", format!("(drop (call $continue (i32.const 0))) {reply} {PAUSE}"));
    let outcome = module.gateway().start().unwrap().send(post());
    let all = outcome.forwarded.clone().unwrap();
    assert_eq!((outcome.status(), all.complete, all.headers.len()), (403, false, 4));
}

#[test]
fn going_on_within_a_callback_comes_before_what_it_returns() {
    let go = "(drop (call $continue (i32.const 0)))";
    let mut module = Module::default();
    module.on("request_headers", PAUSE).on("request_body", format!("{go} {PAUSE}"));
    let outcome = module.gateway().start().unwrap().send(post());
    // The header fields went on with the first part, which was held back after that.
    let all = outcome.forwarded.clone().unwrap();
    assert_eq!((outcome.status(), all.complete, all.body.as_slice()), (200, true, &b"one two"[..]));
}

#[test]
fn a_body_that_is_let_go_on_twice_is_lost() {
    // Where the last part carries the end, as in HTTP/2: the header fields go on as the end of the request, and
    // nothing can come after them. With an empty last part, as in HTTP/1.1, the body goes on.
    let go = "(drop (call $continue (i32.const 0)))";
    let mut module = Module::default();
    module.on("request_headers", PAUSE).on("request_body", format!("{go} {GO_ON}"));
    let request = Request::new("POST", "api.example", "/v1").part("lost");
    let outcome = module.gateway().start().unwrap().send(request);
    assert_eq!((outcome.status(), forwarded(&outcome)), (200, Some(&b""[..])));
}

#[test]
fn a_root_context_answers_from_a_tick() {
    let mut module = Module::default();
    let reply = module.reply(429, "later");
    module
        .on("configure", "(drop (call $ticks (i32.const 250))) (i32.const 1)")
        .on("request_headers", PAUSE)
        .on("request_body", PAUSE)
        .on("request_trailers", PAUSE)
        .on(
            "tick",
            format!("(call $code (call $become (i32.const 2))) {reply} (drop (call $ticks (i32.const 0)))"),
        );
    let mut gateway = module.gateway().start().unwrap();
    let outcome = gateway.send(post().part("more"));
    assert_eq!((outcome.status(), outcome.forwarded), (429, None));
    assert_eq!((said(&mut gateway), gateway.now()), ("A".into(), AT + Duration::from_millis(250)));
}

#[test]
fn a_filter_breaks_the_connection() {
    let mut module = Module::default();
    module.on("request_headers", format!("(drop (call $close (i32.const 0))) {PAUSE}")).on("log", say('l'));
    let mut gateway = module.gateway().start().unwrap();
    let outcome = gateway.send(post());
    assert_eq!((outcome.ended.clone(), outcome.status(), outcome.forwarded.clone()), (Ended::Reset, 0, None));
    assert_eq!(said(&mut gateway), "l");
}

#[test]
fn a_grpc_client_and_one_that_sent_head_get_no_body() {
    let mut module = Module::default();
    let reply = module.reply(403, "no 50%");
    module.on("request_headers", format!("{reply} {PAUSE}"));
    let mut gateway = module.gateway().start().unwrap();
    let outcome = gateway.send(post().header("content-type", "application/grpc"));
    assert_eq!((outcome.status(), field(&outcome, "grpc-status")), (200, Some("7")));
    assert_eq!((field(&outcome, "grpc-message"), outcome.response.body.len()), (Some("no 50%25"), 0));
    let outcome = gateway.send(Request::new("HEAD", "api.example", "/"));
    assert_eq!((outcome.status(), field(&outcome, "content-length")), (403, Some("6")));
    assert_eq!(outcome.response.body.len(), 0);
}

#[test]
fn a_response_without_a_status_is_replaced() {
    let mut module = Module::default();
    let status = module.text(":status");
    module.on("response_headers", format!("(drop (call $remove (i32.const 2) {status})) {GO_ON}"));
    let outcome = module.gateway().start().unwrap().send(post());
    assert_eq!(
        (outcome.status(), outcome.response.body.as_slice()),
        (502, &b"missing required header: :status"[..])
    );
}
