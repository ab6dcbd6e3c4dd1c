//! Header and trailer fields, and bodies, as a filter reads and changes them.

use std::time::Duration;

use countersign_host_test::{Answer, Fields, Forwarded, Gateway, Outcome, Request, Response};

use super::module::{Module, field, forwarded, said, say};

const GO_ON: &str = "(i32.const 0)";
const PAUSE: &str = "(i32.const 1)";

fn post() -> Request {
    Request::new("POST", "api.example", "/v1").header("x-a", "1").header("x-a", "2").part("one ").part("two")
}

fn answer(_: &Forwarded) -> (Duration, Answer) {
    let trailers = vec![(b"x-sum".to_vec(), b"9".to_vec())];
    let response = Response { trailers, ..Response::new(200, "response") };
    (Duration::ZERO, Answer::Response(response.header("x-b", "b")))
}

fn started(module: &Module) -> Gateway {
    module.gateway().upstream(answer).start().unwrap()
}

fn values(outcome: &Outcome, name: &str) -> Vec<String> {
    let of = |fields: &Fields| {
        let named = fields.iter().filter(|(known, _)| known == name.as_bytes());
        named.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    };
    of(&outcome.forwarded.as_ref().unwrap().headers)
}

#[test]
fn fields_are_read_added_set_and_removed() {
    let mut module = Module::default();
    let (a, b, c) = (module.text("X-A"), module.text("x-b"), module.text("x-c"));
    let value = module.text("new");
    let get =
        |name: &str| format!("(call $given (call $get (i32.const 0) {name} (i32.const 64) (i32.const 68)))");
    module.on(
        "request_headers",
        format!(
            "{} {} (drop (call $add (i32.const 0) {a} {value})) (drop (call $set (i32.const 0) {b} {value}))
            {} (drop (call $remove (i32.const 0) {b})) {}
            (drop (call $set (i32.const 0) {c} {value})) (call $code (call $size (i32.const 0) (i32.const 64)))
            (call $code (i32.ne (i32.load (i32.const 64)) (i32.const 71))) {GO_ON}",
            get(&a),
            get(&b),
            get(&b),
            get(&b),
        ),
    );
    let mut gateway = started(&module);
    let outcome = gateway.send(post());
    assert_eq!(said(&mut gateway), "1BnewBAA");
    assert_eq!(
        (values(&outcome, "x-a"), values(&outcome, "x-c")),
        (vec!["1".into(), "2".into(), "new".into()], vec!["new".into()])
    );
}

#[test]
fn all_fields_are_read_and_replaced() {
    let mut module = Module::default();
    let pairs = module.pairs(&[(":method", "PUT"), (":path", "/v2"), (":authority", "b"), ("X-New", "1")]);
    module.on(
        "request_headers",
        format!(
            "(call $given (call $pairs (i32.const 0) (i32.const 64) (i32.const 68)))
            (call $code (call $set_pairs (i32.const 0) {pairs})) {GO_ON}"
        ),
    );
    let mut gateway = started(&module);
    let outcome = gateway.send(Request::new("GET", "a", "/"));
    let log = said(&mut gateway);
    assert!(log.starts_with("\x04\0\0\0\x07\0\0\0\x03\0\0\0") && log.ends_with(":path\0/\0A"), "{log:?}");
    let names: Vec<_> = outcome.forwarded.unwrap().headers.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [&b":method"[..], b":path", b":authority", b"x-new"]);
}

/// Says for each map whether it can be read (`A`), has no such field (`B`), or is not there (`C`), and whether it can be
/// changed, in each callback.
#[test]
fn what_can_be_seen_depends_on_the_callback() {
    let mut module = Module::default();
    let name = module.text("x-any");
    let seen: String = (0..4)
        .map(|map| {
            format!(
                "(call $code (call $get (i32.const {map}) {name} (i32.const 64) (i32.const 68)))
                (call $code (call $remove (i32.const {map}) {name}))"
            )
        })
        .collect();
    for callback in ["request_headers", "request_body", "request_trailers"] {
        module.on(callback, format!("{} {seen} {PAUSE}", say('|')));
    }
    for callback in ["response_headers", "response_body", "response_trailers"] {
        module.on(callback, format!("{} {seen} {GO_ON}", say('|')));
    }
    module.on("log", format!("{} {seen}", say('|')));
    module.on("configure", "(drop (call $ticks (i32.const 10))) (i32.const 1)").on(
        "tick",
        "(if (i32.eqz (call $become (i32.const 2))) (then (drop (call $continue (i32.const 0)))))",
    );
    let mut gateway = started(&module);
    let request = Request::new("POST", "a", "/").part("body").trailer("x-sum", "7");
    assert_eq!(gateway.send(request).status(), 200);
    // Request headers, request trailers, response headers, response trailers: read and changed.
    assert_eq!(
        said(&mut gateway).split('|').skip(1).collect::<Vec<_>>(),
        [
            "BACCCCCC", // request headers
            "BACCCCCC", // request body; the header fields are held
            "BABACCCC", // request trailers
            "CCCCBACC", // response headers; going on closed those of the request
            "CCCCCCCC", // response body
            "CCCCCCBA", // response trailers
            "BCBCBCBC", // the log reads all, changes nothing
        ]
    );
}

#[test]
fn trailer_fields_are_added_with_the_last_part() {
    let mut module = Module::default();
    let (name, value) = (module.text("x-added"), module.text("t"));
    let add = |map: u8| {
        format!("(if (local.get 2) (then (call $code (call $add (i32.const {map}) {name} {value}))))")
    };
    module.on("request_body", format!("{} {GO_ON}", add(1)));
    let mut gateway = module.gateway().start().unwrap();
    let outcome = gateway.send(post());
    let all = outcome.forwarded.unwrap();
    assert_eq!((said(&mut gateway), all.complete, all.body.as_slice()), ("A".into(), true, &b"one two"[..]));
    assert_eq!(all.trailers, [(b"x-added".to_vec(), b"t".to_vec())]);
}

/// Changes what it sees of a body: `(start, length)` and a text.
fn changing(callback: &str, place: &str, result: &str) -> Module {
    let mut module = Module::default();
    let text = module.text("<new>");
    let map = u8::from(callback.starts_with("response"));
    module.on(callback, format!("(call $code (call $put (i32.const {map}) {place} {text})) {result}"));
    module
}

#[test]
fn a_part_is_changed_in_three_ways() {
    for (place, codes, body) in [
        ("(i32.const 0) (i32.const 0)", "AA", "<new>one <new>two"),
        ("(i32.const 0) (i32.const 99)", "AA", "<new><new>"),
        ("(i32.const 99) (i32.const 0)", "AA", "one <new>two<new>"),
        ("(i32.const 0) (i32.const 2)", "AA", "<new>e <new>o"),
        ("(i32.const 1) (i32.const 0)", "CC", "one two"),
    ] {
        let mut gateway = started(&changing("request_body", place, GO_ON));
        let outcome = gateway.send(post());
        assert_eq!(
            (said(&mut gateway).as_str(), forwarded(&outcome)),
            (codes, Some(body.as_bytes())),
            "{place}"
        );
    }
}

#[test]
fn all_that_was_held_back_is_seen_and_changed_at_the_end() {
    let mut module = Module::default();
    let text = module.text("all");
    let see = "(call $given (call $buffer (i32.const 0) (i32.const 0) (i32.const 99) (i32.const 64) (i32.const 68)))";
    let put = format!("(drop (call $put (i32.const 0) (i32.const 0) (local.get 1) {text}))");
    module.on("request_headers", PAUSE).on(
        "request_body",
        format!("{see} {} (if (local.get 2) (then {put})) (i32.eqz (local.get 2))", say('|')),
    );
    let mut gateway = started(&module);
    let outcome = gateway.send(post());
    assert_eq!((said(&mut gateway).as_str(), forwarded(&outcome)), ("one |one two|", Some(&b"all"[..])));
}

#[test]
fn a_response_is_held_and_changed() {
    let mut module = Module::default();
    let (name, value, text) = (module.text("x-late"), module.text("yes"), module.text("other"));
    let put = format!("(drop (call $put (i32.const 1) (i32.const 0) (local.get 1) {text}))");
    let add = format!("(drop (call $add (i32.const 2) {name} {value}))");
    let change = module.text("x-sum");
    module
        .on("response_headers", PAUSE)
        .on("response_body", format!("{put} {add} {PAUSE}"))
        .on("response_trailers", format!("(drop (call $set (i32.const 3) {change} {value})) {GO_ON}"));
    let mut gateway = started(&module);
    let outcome = gateway.send(post());
    assert_eq!((outcome.status(), field(&outcome, "x-late")), (200, Some("yes")));
    assert_eq!(outcome.response.body, b"other");
    assert_eq!(outcome.response.trailers, [(b"x-sum".to_vec(), b"yes".to_vec())]);
}

#[test]
fn limits_refuse_or_slow_down_by_what_the_filter_returned() {
    let run = |headers: i32, body: i32, limit: usize| {
        let mut module = Module::default();
        module.on("request_headers", format!("(i32.const {headers})"));
        module.on("request_body", format!("{} (i32.const {body})", say('b')));
        let mut gateway = module.gateway().buffer_limit(limit).start().unwrap();
        let outcome = gateway.send(Request::new("POST", "a", "/").part("12345").part("67890"));
        (outcome.status(), said(&mut gateway))
    };
    // The second part makes it too much, and the filter still sees it.
    assert_eq!(run(1, 1, 9), (413, "bb".into()));
    assert_eq!(run(1, 1, 4), (413, "b".into()));
    // Slowed down, the second part never comes; all of it never comes to an end: 408, not 504.
    assert_eq!(run(1, 2, 4), (408, "b".into()));
    assert_eq!((run(4, 0, 4), run(3, 0, 4)), ((408, "".into()), (413, "".into())));
    // A part that only passes through is never too much.
    assert_eq!((run(0, 0, 4), run(1, 0, 4)), ((200, "bb".into()), (200, "bb".into())));
    // What is dropped is not held.
    assert_eq!(run(1, 3, 4), (504, "bb".into()));
}

#[test]
fn a_response_that_is_too_much_to_hold_is_500() {
    let mut module = Module::default();
    module.on("response_headers", PAUSE).on("response_body", format!("{} {PAUSE}", say('B')));
    let mut gateway = module.gateway().upstream(answer).buffer_limit(4).start().unwrap();
    let outcome = gateway.send(post());
    assert_eq!((outcome.status(), said(&mut gateway)), (500, "B".into()));
    assert_eq!(outcome.response.body, b"Internal Server Error");
}

#[test]
fn properties_are_read_and_left_in_filter_state() {
    let mut module = Module::default();
    let (name, value) = (module.text("my.key"), module.text("mine"));
    let get = |path: &str| format!("(call $given (call $property {path} (i32.const 64) (i32.const 68)))");
    let paths: Vec<String> =
        ["request\0path", "request\0headers\0x-a", "source\0address", "my.key", "plugin_name"]
            .iter()
            .map(|path| get(&module.text(path)))
            .collect();
    let code = get(&module.text("response\0code_details"));
    module
        .on(
            "request_headers",
            format!("(call $code (call $set_property {name} {value})) {} {GO_ON}", paths.join(&say('|'))),
        )
        .on("log", format!("{} {code}", say('|')));
    let mut gateway = module.gateway().plugin("p", "").start().unwrap();
    let properties = countersign_host_test::Properties::default().with(&["source", "address"], "10.0.0.1:5");
    let outcome = gateway.send(Request { properties, ..post() });
    assert_eq!(said(&mut gateway), "A/v1|1,2|10.0.0.1:5|mine|p|via_upstream");
    assert_eq!(outcome.state("my.key"), Some("mine"));
}
