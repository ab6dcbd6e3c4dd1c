//! VMs that fail: what becomes of the request at hand, of others, and of those that come after.

use std::time::Duration;

use countersign_host_test::{Ended, FailurePolicy, Gateway, Request};

use super::module::{Module, said, say};

const GO_ON: &str = "(i32.const 0)";
const PAUSE: &str = "(i32.const 1)";
const FAILED: &str = "wasm_fail_stream";

fn request(path: &str) -> Request {
    Request::new("POST", "api.example", path).part("body").trailer("x-sum", "7")
}

fn local(details: &str) -> Ended {
    Ended::Local(details.into())
}

/// A filter that traps in this callback for a request that has the field `x-trap`; at its root context, always.
fn trapping(callback: &str) -> Module {
    let mut module = Module::default();
    let root = ["tick", "configure", "queue_ready"].contains(&callback);
    let trap = if root {
        "unreachable".into()
    } else {
        let path = module.text("request\0path");
        let trap = "(if (i32.eq (i32.load8_u offset=1 (i32.load (i32.const 64))) (i32.const 116)) (then unreachable))";
        format!("(if (i32.eqz (call $property {path} (i32.const 64) (i32.const 68))) (then {trap}))")
    };
    let result = if ["log", "delete", "tick", "context_create"].contains(&callback) { "" } else { GO_ON };
    module.on(callback, format!("{trap} {result}"));
    if callback != "request_headers" {
        // Header fields that are held can be read later.
        module.on("request_headers", PAUSE);
    }
    module
}

#[test]
fn a_trap_in_a_request_s_callback_is_its_answer() {
    for callback in ["request_headers", "request_body", "request_trailers"] {
        let mut gateway = trapping(callback).gateway().start().unwrap();
        let outcome = gateway.send(request("/trap"));
        assert_eq!((outcome.ended.clone(), outcome.status()), (local(FAILED), 503), "{callback}");
        assert_eq!((outcome.response.body.len(), outcome.response.headers.len()), (0, 1));
        let why = format!("`proxy_on_{callback}`: wasm trap: wasm `unreachable` instruction executed");
        assert_eq!(gateway.failures(), [why]);
        // The VM is gone for those that come after, too.
        assert_eq!(gateway.send(request("/other")).ended, local(FAILED), "{callback}");
    }
}

#[test]
fn a_trap_in_a_response_s_callback_replaces_it() {
    for (callback, ended) in [("response_headers", local(FAILED)), ("response_body", Ended::Reset)] {
        let mut module = Module::default();
        module.on(callback, "unreachable");
        let upstream = |_: &countersign_host_test::Forwarded| {
            let response = countersign_host_test::Response::new(200, "done");
            (Duration::ZERO, countersign_host_test::Answer::Response(response))
        };
        let mut gateway = module.gateway().upstream(upstream).start().unwrap();
        assert_eq!(gateway.send(request("/")).ended, ended, "{callback}");
    }
}

#[test]
fn a_trap_after_the_response_changes_nothing_for_its_client() {
    for callback in ["log", "delete"] {
        let mut module = Module::default();
        module.on(callback, "unreachable");
        let mut gateway = module.gateway().start().unwrap();
        assert_eq!(gateway.send(request("/")).ended, Ended::Upstream, "{callback}");
        assert_eq!(gateway.send(request("/")).ended, local(FAILED), "{callback}");
    }
}

#[test]
fn requests_that_a_failed_vm_held_wait_for_their_next_event() {
    let mut module = Module::default();
    module
        .on("configure", "(drop (call $ticks (i32.const 1000))) (i32.const 1)")
        .on("tick", "unreachable")
        .on("request_headers", PAUSE)
        .on("log", say('l'));
    let mut gateway: Gateway = module.gateway().body_while_headers_pause(false).start().unwrap();
    let held = gateway.begin(request("/"));
    gateway.run_for(Duration::from_secs(200));
    assert_eq!((gateway.failures().len(), gateway.open()), (1, 1));
    gateway.run_for(Duration::from_secs(101));
    // The idle timeout's own answer passes the filter, which has failed: Envoy answers with that.
    let outcome = gateway.take(held).unwrap();
    assert_eq!((outcome.ended.clone(), outcome.status()), (local(FAILED), 503));
    assert_eq!((outcome.at - outcome.began, said(&mut gateway).as_str()), (Duration::from_secs(300), ""));
}

#[test]
fn a_filter_that_fails_open_is_passed_by() {
    let mut gateway =
        trapping("request_headers").gateway().failure_policy(FailurePolicy::FailOpen).start().unwrap();
    for path in ["/trap", "/other"] {
        let outcome = gateway.send(request(path));
        assert_eq!((outcome.ended.clone(), outcome.forwarded.unwrap().complete), (Ended::Upstream, true));
    }
    assert_eq!(gateway.failures().len(), 1);
}

#[test]
fn a_failed_vm_is_replaced_with_the_first_request_after_a_second() {
    let mut module = trapping("request_headers");
    module.on("configure", format!("{} (i32.const 1)", say('c')));
    let policy = FailurePolicy::FailReload;
    let mut gateway = module.gateway().failure_policy(policy).start().unwrap();
    let mut send = |path: &str, milliseconds: u64| {
        gateway.run_for(Duration::from_millis(milliseconds));
        let ended = gateway.send(request(path)).ended;
        (ended == Ended::Upstream, said(&mut gateway))
    };
    assert_eq!(send("/trap", 0), (false, "cc".into()));
    assert_eq!(send("/other", 900), (false, "".into()));
    assert_eq!(send("/other", 100), (true, "c".into()));
    assert_eq!(send("/trap", 500), (false, "".into()));
    assert_eq!(send("/other", 499), (false, "".into()));
    assert_eq!(send("/other", 1), (true, "c".into()));
    assert_eq!(gateway.failures().len(), 2, "those that are gone count, too");
}

#[test]
fn workers_fail_alone() {
    let mut gateway = trapping("request_headers").gateway().workers(2).start().unwrap();
    let on = |path: &str, worker| Request { worker: Some(worker), ..request(path) };
    assert_eq!(gateway.send(on("/trap", 0)).ended, local(FAILED));
    assert_eq!(gateway.send(on("/other", 0)).ended, local(FAILED));
    assert_eq!(gateway.send(on("/other", 1)).ended, Ended::Upstream);
}

#[test]
fn too_much_memory_in_a_request_is_a_failure_that_says_so() {
    let mut module = Module::default();
    module.on("request_headers", "(loop (drop (memory.grow (i32.const 999))) (br 0)) unreachable");
    let mut gateway = module.gateway().start().unwrap();
    assert_eq!(gateway.send(request("/")).ended, local(FAILED));
    assert!(gateway.failures()[0].starts_with("`proxy_on_request_headers`: "), "{:?}", gateway.failures());
    assert!(gateway.failures()[0].contains("growing memory"), "{:?}", gateway.failures());
}

#[test]
fn a_client_may_leave_at_any_point() {
    for (headers, body, leaves, parts) in
        [(1, 1, 0, ""), (4, 1, 1, ""), (1, 1, 1, "b"), (1, 1, 3, "bb"), (0, 0, 1, "b")]
    {
        let mut module = Module::default();
        module
            .on("request_headers", format!("(i32.const {headers})"))
            .on("request_body", format!("{} (i32.const {body})", say('b')))
            .on("log", say('l'))
            .on("done", format!("{} (i32.const 1)", say('d')))
            .on("delete", say('x'));
        let mut gateway = module.gateway().start().unwrap();
        let gap = Duration::from_millis(2000);
        let leaves = Some(Duration::from_secs(leaves));
        let two = Request::new("POST", "a", "/").part("1").part("2");
        let outcome = gateway.send(Request { gap, leaves, ..two });
        let said = said(&mut gateway);
        assert_eq!(
            (outcome.ended, said.strip_prefix(parts).map(|rest| rest.trim_start_matches('b'))),
            (Ended::Left, Some("ldx")),
            "{said}"
        );
    }
}

#[test]
fn a_client_may_leave_while_the_upstream_works() {
    let mut module = Module::default();
    module.on("response_headers", format!("{} {GO_ON}", say('H'))).on("log", say('l'));
    let slow =
        |_: &countersign_host_test::Forwarded| (Duration::from_secs(9), countersign_host_test::Answer::Reset);
    let mut gateway = module.gateway().upstream(slow).start().unwrap();
    let outcome = gateway.send(Request { leaves: Some(Duration::from_secs(5)), ..request("/") });
    assert_eq!((outcome.ended, outcome.forwarded.unwrap().complete), (Ended::Left, true));
    gateway.run_for(Duration::from_secs(10));
    assert_eq!(said(&mut gateway), "l");
    let outcome = gateway.send(request("/"));
    assert_eq!((outcome.status(), said(&mut gateway).as_str()), (503, "Hl"));
}
