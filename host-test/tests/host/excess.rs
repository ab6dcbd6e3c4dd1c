//! Filters that want too much: each fails and says so, and the process that hosts it does not.

use std::time::Duration;

use countersign_host_test::{Answer, Call, CallId, Cluster, Ended, Gateway, Request, Response, Sent, Time};

use super::module::Module;

const GO_ON: &str = "(i32.const 0)";
const PAUSE: &str = "(i32.const 1)";

/// Answers every call at once.
#[derive(Default)]
struct AtOnce(Vec<(CallId, Time)>);

impl Cluster for AtOnce {
    fn call(&mut self, id: CallId, _: &Call, now: Time) -> Sent {
        self.0.push((id, now));
        Sent::Taken
    }

    fn due(&self) -> Option<Time> {
        self.0.first().map(|(_, at)| *at)
    }

    fn answers(&mut self, _: Time) -> Vec<(CallId, Answer)> {
        let answer = |(id, _)| (id, Answer::Response(Response::new(503, "")));
        std::mem::take(&mut self.0).into_iter().map(answer).collect()
    }

    fn forget(&mut self, id: CallId) {
        self.0.retain(|(known, _)| *known != id);
    }
}

/// Sends one request; gives why the filter failed.
fn failure(module: &Module) -> String {
    let mut gateway: Gateway = module.gateway().start().unwrap();
    let outcome = gateway.send(Request::new("GET", "api.example", "/"));
    assert_eq!(outcome.ended, Ended::Local("wasm_fail_stream".into()));
    gateway.failures().join(", ")
}

/// Does `what` a million times.
fn often(what: &str) -> String {
    format!(
        "(local $n i32) (loop {what} (br_if 0 (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) \
         (i32.const 1000000))))"
    )
}

#[test]
fn what_the_host_keeps_is_bounded() {
    type Body = fn(&mut Module) -> String;
    let cases: [(&str, Body); 5] = [
        ("filter state", |_| {
            let key = "(i32.store (i32.const 64) (local.get $n))";
            format!(
                "{key} (drop (call $set_property (i32.const 64) (i32.const 4) (i32.const 0) (i32.const 99)))"
            )
        }),
        ("replies", |module| module.reply(403, &"no".repeat(500))),
        ("continues", |_| "(drop (call $continue (i32.const 0)))".into()),
        ("shared data", |_| {
            let key = "(i32.store (i32.const 64) (local.get $n))";
            format!(
                "{key} (drop (call $share (i32.const 64) (i32.const 4) (i32.const 0) (i32.const 99) (i32.const 0)))"
            )
        }),
        ("fields", |module| {
            let (name, value) = (module.text("x-more"), module.text("more"));
            format!("(drop (call $add (i32.const 0) {name} {value}))")
        }),
    ];
    for (what, body) in cases {
        let mut module = Module::default();
        let body = often(&body(&mut module));
        module.on("request_headers", format!("{body} {GO_ON}"));
        let failure = failure(&module);
        let said = failure.contains("the host keeps at most") || failure.contains("a map of more than");
        assert!(said, "{what}: {failure}");
    }
}

#[test]
fn a_table_does_not_grow_without_end() {
    let mut module = Module::default();
    module.with("(table $t 1 funcref)").on(
        "request_headers",
        "(loop (drop (table.grow $t (ref.null func) (i32.const 100000))) (br 0)) unreachable",
    );
    let failure = failure(&module);
    assert!(failure.contains("growing table"), "{failure}");
}

#[test]
fn what_is_put_into_the_same_place_again_counts_once() {
    let mut module = Module::default();
    let (key, value) = (module.text("a"), module.text(&"v".repeat(100)));
    let set =
        format!("(drop (call $set_property {key} {value})) (drop (call $share {key} {value} (i32.const 0)))");
    let body = often(&set);
    module.on("request_headers", format!("{body} {GO_ON}"));
    let mut gateway = module.gateway().start().unwrap();
    let outcome = gateway.send(Request::new("GET", "api.example", "/"));
    assert_eq!((outcome.ended, gateway.failures().len()), (Ended::Upstream, 0));
}

#[test]
fn a_moment_ends() {
    let mut calls = Module::default();
    let call = calls.call("server", 1000);
    calls
        .on("request_headers", format!("(drop {call}) {PAUSE}"))
        .on("http_call_response", format!("(drop {call})"));
    let mut gateway = calls.gateway().cluster("server", AtOnce::default()).start().unwrap();
    gateway.begin(Request::new("GET", "api.example", "/"));
    gateway.run_for(Duration::from_secs(1));
    assert!(gateway.failures()[0].contains("no time goes by"), "{:?}", gateway.failures());

    let mut queues = Module::default();
    let (name, item) = (queues.text("queue"), queues.text("item"));
    let put = format!("(drop (call $enqueue (i32.load (i32.const 72)) {item}))");
    let take = "(drop (call $dequeue (i32.load (i32.const 72)) (i32.const 64) (i32.const 68)))";
    queues
        .on("configure", format!("(drop (call $register {name} (i32.const 72))) (i32.const 1)"))
        .on("request_headers", format!("{put} {PAUSE}"))
        .on("queue_ready", format!("(global.set $free (i32.const 0x10000)) {take} {put}"));
    let mut gateway = queues.gateway().start().unwrap();
    gateway.begin(Request::new("GET", "api.example", "/"));
    gateway.run_for(Duration::from_secs(1));
    assert!(gateway.failures()[0].contains("no time goes by"), "{:?}", gateway.failures());
}
