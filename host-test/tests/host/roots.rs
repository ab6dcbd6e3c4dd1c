//! Root contexts: ticks, queues, shared data and metrics of several workers, reloads, and their end.

use std::time::Duration;

use countersign_host_test::{Ended, Gateway, Request, Teardown, Verdict};

use super::AT;
use super::module::{Module, said, say};

const GO_ON: &str = "(i32.const 0)";
const PAUSE: &str = "(i32.const 1)";

fn get() -> Request {
    Request::new("GET", "api.example", "/")
}

fn on(worker: usize) -> Request {
    Request { worker: Some(worker), ..get() }
}

#[test]
fn a_canary_and_each_worker_are_configured() {
    let mut module = Module::default();
    module
        .on("configure", format!("{} (i32.const 1)", say('c')))
        .on("vm_start", format!("{} (i32.const 1)", say('v')));
    for workers in [1, 3] {
        let mut gateway = module.gateway().workers(workers).start().unwrap();
        assert_eq!(said(&mut gateway), "vc".repeat(workers + 1));
        assert_eq!(gateway.memory().len(), workers);
    }
}

#[test]
fn ticks_follow_the_virtual_clock_and_their_period() {
    let mut module = Module::default();
    module.with("(global $ticked (mut i32) (i32.const 0))");
    let period = |ticked: u32, milliseconds: u32| {
        format!(
            "(if (i32.eq (global.get $ticked) (i32.const {ticked})) (then (drop (call $ticks (i32.const {milliseconds})))))"
        )
    };
    module.on("configure", "(drop (call $ticks (i32.const 1000))) (i32.const 1)").on(
        "tick",
        format!(
            "{} (global.set $ticked (i32.add (global.get $ticked) (i32.const 1))) {} {}",
            say('t'),
            period(2, 250),
            period(4, 0),
        ),
    );
    let mut gateway = module.gateway().start().unwrap();
    let mut at = |milliseconds: u64| {
        gateway.run_until(AT + Duration::from_millis(milliseconds));
        said(&mut gateway).len()
    };
    assert_eq!([at(999), at(1000), at(2000), at(2249), at(2250), at(2500), at(9999)], [0, 1, 1, 0, 1, 1, 0]);
}

#[test]
fn workers_share_data_that_is_changed_only_if_it_is_as_it_was() {
    let mut module = Module::default();
    let (key, value) = (module.text("key"), module.text("value"));
    let share = |version: &str| format!("(call $code (call $share {key} {value} {version}))");
    module.on(
        "request_headers",
        format!(
            "(call $given (call $shared {key} (i32.const 64) (i32.const 68) (i32.const 72))) {} {} {} {GO_ON}",
            share("(i32.load (i32.const 72))"),
            share("(i32.const 999)"),
            share("(i32.const 0)"),
        ),
    );
    let mut gateway = module.gateway().workers(2).start().unwrap();
    gateway.send(on(0));
    assert_eq!(said(&mut gateway), "BAIA");
    gateway.send(on(1));
    assert_eq!(said(&mut gateway), "valueAIA");
}

#[test]
fn who_registered_a_queue_last_is_told_of_what_comes() {
    let mut module = Module::default();
    let (name, item, empty) = (module.text("queue"), module.text("item"), module.text(""));
    let token = format!("(drop (call $resolve {empty} {name} (i32.const 72)))");
    module
        .on("configure", format!("(drop (call $register {name} (i32.const 72))) (i32.const 1)"))
        .on("request_headers", format!("{token} (call $code (call $enqueue (i32.load (i32.const 72)) {item})) {} {GO_ON}", say('|')))
        .on(
            "queue_ready",
            "(call $code (local.get 0)) (call $given (call $dequeue (local.get 1) (i32.const 64) (i32.const 68)))
                (call $given (call $dequeue (local.get 1) (i32.const 64) (i32.const 68)))",
        );
    let mut gateway = module.gateway().workers(2).start().unwrap();
    gateway.send(on(0));
    // Status 0 of the call, then the root context 1, the item, and nothing more (7).
    assert_eq!(said(&mut gateway), "A|BitemH");
}

#[test]
fn metrics_are_of_the_process() {
    let mut module = Module::default();
    let name = module.text("requests");
    module.on(
        "request_headers",
        format!(
            "(drop (call $metric (i32.const 0) {name} (i32.const 72)))
            (drop (call $increment (i32.load (i32.const 72)) (i64.const 2))) {GO_ON}"
        ),
    );
    let mut gateway = module.gateway().workers(3).start().unwrap();
    (0..5).for_each(|_| _ = gateway.send(get()));
    assert_eq!((gateway.metric("requests"), gateway.metric("other")), (Some(10), None));
}

/// Holds each request until the third tick, says `k` for each configuration, and `d` and `x` of root contexts.
fn holding(done: i32) -> Module {
    let mut module = Module::default();
    let context = |letter| format!("(if (i32.eq (local.get 0) (i32.const 1)) (then {}))", say(letter));
    module
        .on("configure", format!("{} (i32.ne (local.get 1) (i32.const 3))", say('k')))
        .on("request_headers", format!("{} {PAUSE}", say('h')))
        .on("done", format!("{} (i32.const {done})", context('d')))
        .on("delete", context('x'));
    module
}

#[test]
fn an_old_configuration_stays_until_its_last_request_is_gone() {
    let mut gateway = holding(1).gateway().configuration("one").start();
    assert_eq!(
        gateway.as_ref().err().map(|trial| &trial.verdict),
        Some(&Verdict::Refused),
        "3 bytes are refused"
    );
    gateway = holding(1).gateway().configuration("first").start();
    let mut gateway = gateway.unwrap();
    let held = gateway.begin(get());
    gateway.reload("second").unwrap();
    assert_eq!((said(&mut gateway).as_str(), gateway.usage()[0].roots), ("kkhkk", 2));
    // It comes back without being configured again, not even in a canary.
    gateway.reload("first").unwrap();
    assert_eq!(said(&mut gateway), "");
    gateway.reload("second").unwrap();
    gateway.leave(held);
    // The second was let go while nobody used it, so it is configured, but it was tried before.
    assert_eq!((said(&mut gateway).as_str(), gateway.usage()[0].roots), ("kdx", 1));
}

#[test]
fn a_refused_configuration_keeps_the_old_one() {
    let mut gateway = holding(1).gateway().configuration("first").start().unwrap();
    assert_eq!(said(&mut gateway), "kk");
    for tried in ["k", ""] {
        let refused = gateway.reload("bad").unwrap_err();
        let log: String = refused.log.iter().map(|line| line.text.as_str()).collect();
        assert_eq!((refused.verdict, log.as_str()), (Verdict::Refused, tried), "it is tried once");
    }
    gateway.begin(get());
    assert_eq!((said(&mut gateway).as_str(), gateway.usage()[0].roots), ("h", 1));
}

#[test]
fn a_root_context_that_is_not_done_is_gone_when_it_says_so() {
    let mut module = Module::default();
    module
        .on(
            "done",
            format!("{} (call $code (call $done)) (drop (call $ticks (i32.const 100))) {GO_ON}", say('d')),
        )
        .on("tick", "(call $code (call $done)) (call $code (call $done))")
        .on("delete", say('x'));
    let mut gateway = module.gateway().start().unwrap();
    assert!(gateway.stop(Duration::from_secs(1)));
    // While it is asked it is not yet waited for (not found); then it is, once.
    assert_eq!(said(&mut gateway), "dBABx");
    let mut module = Module::default();
    module.on("done", GO_ON);
    assert!(!module.gateway().start().unwrap().stop(Duration::from_secs(1)));
}

#[test]
fn a_gateway_that_stops_cuts_off_its_clients_in_both_orders() {
    for (order, end) in [(Teardown::LogFirst, "ldxdx"), (Teardown::DoneFirst, "dlxdx")] {
        let mut module = Module::default();
        module
            .on("request_headers", PAUSE)
            .on("log", say('l'))
            .on("done", format!("{} (i32.const 1)", say('d')))
            .on("delete", say('x'));
        let mut gateway = module.gateway().teardown(order).start().unwrap();
        said(&mut gateway);
        let id = gateway.begin(get());
        assert!(gateway.stop(Duration::ZERO));
        assert_eq!((said(&mut gateway).as_str(), gateway.take(id).unwrap().ended), (end, Ended::Left));
    }
}

#[test]
fn memory_is_told_for_each_worker() {
    let mut module = Module::default();
    module
        .on("request_headers", PAUSE)
        .on("request_body", "(drop (memory.grow (i32.const 3))) (i32.const 1)");
    let mut gateway = module.gateway().workers(2).start().unwrap();
    gateway.begin(Request { worker: Some(1), ..get().part("12345").part("678") });
    let usage = gateway.usage();
    assert_eq!((usage[0].linear, usage[0].requests, usage[0].held), (2 << 16, 0, 0));
    assert_eq!((usage[1].linear, usage[1].requests, usage[1].held), (8 << 16, 1, 8));
    assert_eq!(gateway.memory(), [2 << 16, 8 << 16]);
}

/// Runs everything that could differ, and gives all of it as text.
fn scenario(seed: u64) -> String {
    let mut module = Module::default();
    let random = "(drop (call $random (i32.const 128) (i32.const 16)))
        (i32.store (i32.const 64) (i32.const 128)) (i32.store (i32.const 68) (i32.const 16)) (call $given (i32.const 0))";
    module
        .on("configure", "(drop (call $ticks (i32.const 70))) (i32.const 1)")
        .on("tick", random)
        .on("request_headers", format!("{random} {PAUSE}"))
        .on("request_body", format!("{random} (i32.eqz (local.get 2))"));
    let mut gateway: Gateway = module.gateway().workers(2).seed(seed).start().unwrap();
    for number in 0..10_u64 {
        let gap = Duration::from_millis(number * 13);
        gateway.begin(Request { gap, ..get().part("one").part("two").part("three") });
    }
    assert!(gateway.settle(Duration::from_secs(60)));
    format!("{:?} {:?} {:?}", gateway.take_all(), gateway.take_log(), gateway.now())
}

#[test]
fn the_same_scenario_gives_the_same_bytes() {
    assert_eq!(scenario(7), scenario(7));
    assert_ne!(scenario(7), scenario(8));
}
