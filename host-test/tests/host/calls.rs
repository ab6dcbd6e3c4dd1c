//! Calls to other servers: what the filter sends, and every shape in which an answer comes or does not.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use countersign_host_test::{Answer, Call, CallId, Cluster, Ended, Gateway, Request, Response, Sent, Time};

use super::module::{Module, forwarded, said, say};

const PAUSE: &str = "(i32.const 1)";

/// Answers each call after so many seconds more than the one before; nothing ends the rest in silence.
struct Server {
    answer: Option<Answer>,
    takes: Sent,
    after: u64,
    calls: Vec<(CallId, Call, Time)>,
    forgotten: Vec<CallId>,
}

impl Server {
    fn new(answer: impl Into<Option<Answer>>, after: u64) -> Rc<RefCell<Self>> {
        let server = Self {
            answer: answer.into(),
            takes: Sent::Taken,
            after,
            calls: Vec::new(),
            forgotten: Vec::new(),
        };
        Rc::new(RefCell::new(server))
    }
}

impl Cluster for Server {
    fn call(&mut self, id: CallId, call: &Call, now: Time) -> Sent {
        if self.takes == Sent::Taken {
            let after = Duration::from_secs(self.after * (self.calls.len() as u64 + 1));
            self.calls.push((id, call.clone(), now + after));
        }
        self.takes
    }

    fn due(&self) -> Option<Time> {
        self.answer.as_ref().and(self.calls.iter().map(|(_, _, at)| *at).min())
    }

    fn answers(&mut self, now: Time) -> Vec<(CallId, Answer)> {
        let Some(answer) = self.answer.clone() else { return Vec::new() };
        let due: Vec<_> = self.calls.extract_if(.., |(_, _, at)| *at <= now).collect();
        due.into_iter().map(|(id, ..)| (id, answer.clone())).collect()
    }

    fn forget(&mut self, id: CallId) {
        self.forgotten.push(id);
    }
}

fn response() -> Response {
    let trailers = vec![(b"x-end".to_vec(), b"t".to_vec())];
    Response { trailers, ..Response::new(201, "yes").header("x-who", "ana") }
}

fn get() -> Request {
    Request::new("GET", "api.example", "/")
}

/// Calls `service` for each request and lets it go on when the answer comes. It says the status of the call, and of
/// the answer its numbers of header fields, bytes and trailer fields, each with what can be read of it.
fn asking() -> Module {
    let mut module = Module::default();
    let call = module.call("service", 5000);
    let (who, end) = (module.text("x-who"), module.text("x-end"));
    let read = format!(
        "(call $given (call $get (i32.const 6) {who} (i32.const 64) (i32.const 68)))
        (call $given (call $get (i32.const 7) {end} (i32.const 64) (i32.const 68)))
        (call $given (call $buffer (i32.const 4) (i32.const 0) (i32.const 99) (i32.const 64) (i32.const 68)))"
    );
    let why = "(drop (call $status (i32.const 80) (i32.const 64) (i32.const 68)))
        (call $code (i32.load (i32.const 80))) (call $given (i32.const 0))";
    module
        .on("request_headers", format!("(call $code {call}) {PAUSE}"))
        .on(
            "http_call_response",
            format!(
                "{} (call $code (local.get 2)) (call $code (local.get 3)) (call $code (local.get 4)) {} {read} {} {why}
                (call $code (call $become (i32.add (local.get 1) (i32.const 1))))
                (drop (call $continue (i32.const 0)))",
                say('('),
                say(':'),
                say(':'),
            ),
        )
        .on("log", format!("{} {read}", say('l')));
    module
}

fn run(server: &Rc<RefCell<Server>>, request: Request) -> (Gateway, Ended) {
    let mut gateway = asking().gateway().cluster("service", Rc::clone(server)).start().unwrap();
    let ended = gateway.send(request).ended;
    (gateway, ended)
}

#[test]
fn an_answer_is_read_in_its_callback_only() {
    let server = Server::new(Answer::Response(response()), 3);
    let (mut gateway, ended) = run(&server, get());
    assert_eq!(ended, Ended::Upstream);
    // After the callback: no header fields (log: not found), no trailer fields, no body.
    assert_eq!(said(&mut gateway), "A(CDB:anatyes:AAlBBB");
}

#[test]
fn every_way_to_fail_has_its_shape() {
    let (mut gateway, ended) = run(&Server::new(Answer::Reset, 1), get());
    assert_eq!((said(&mut gateway).as_str(), ended), ("A(AAA:CCB:LresetAlBBB", Ended::Upstream));
    // No answer in time: what Envoy gives instead.
    let server = Server::new(None, 1);
    let (mut gateway, _) = run(&server, get());
    assert_eq!(said(&mut gateway), "A(DYA:BBupstream request timeout:AAlBBB");
    assert_eq!(server.borrow().forgotten, [CallId(0)]);
    // It cannot be reached at all.
    server.borrow_mut().takes = Sent::Refused;
    let (mut gateway, ended) = run(&server, get());
    assert_eq!((said(&mut gateway).as_str(), ended), ("KlBBB", Ended::Local("stream_idle_timeout".into())));
    // There is no such cluster.
    let mut gateway = asking().gateway().start().unwrap();
    gateway.send(get());
    assert_eq!(said(&mut gateway), "ClBBB");
}

#[test]
fn what_is_sent_has_what_the_filter_gave_and_a_length() {
    let server = Server::new(None, 1);
    run(&server, get());
    let server = server.borrow();
    let (_, call, _) = &server.calls[0];
    let names: Vec<_> = call.headers.iter().map(|(name, _)| str::from_utf8(name).unwrap()).collect();
    assert_eq!(names, [":method", ":path", ":authority", "content-length"]);
    assert_eq!((call.header("content-length"), call.body.as_slice()), (Some(&b"8"[..]), &b"question"[..]));
    assert_eq!(call.timeout, Duration::from_secs(5));
}

#[test]
fn a_call_without_a_path_is_refused() {
    for (fields, code) in [
        (&[(":method", "GET"), (":authority", "a")][..], 2),
        (&[(":path", "/"), (":authority", "a")], 2),
        (&[(":method", "GET"), (":path", "/")], 2),
        (&[(":method", "GET"), (":path", "/"), ("host", "a")], 0),
    ] {
        let mut alone = Module::default();
        let (name, headers) = (alone.text("service"), alone.pairs(fields));
        let call = format!(
            "(call $call {name} {headers} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 9) (i32.const 72))"
        );
        alone.on("request_headers", format!("(call $code {call}) (i32.const 0)"));
        let mut gateway = alone.gateway().cluster("service", Server::new(None, 1)).start().unwrap();
        gateway.send(get());
        assert_eq!(said(&mut gateway), ["A", "", "C"][code], "{fields:?}");
    }
}

#[test]
fn an_answer_after_the_client_left_finds_nobody() {
    let server = Server::new(Answer::Response(response()), 3);
    let leaves = Some(Duration::from_secs(1));
    let (mut gateway, ended) = run(&server, Request { leaves, ..get() });
    assert_eq!(ended, Ended::Left);
    gateway.run_for(Duration::from_secs(5));
    // The context is gone: it cannot be made the effective one, and going on is about the root context.
    assert_eq!(said(&mut gateway), "AlBBB(CDB:anatyes:AC");
}

#[test]
fn several_calls_at_once_have_their_own_tokens() {
    let server = Server::new(Answer::Response(response()), 1);
    let mut gateway = asking().gateway().cluster("service", Rc::clone(&server)).start().unwrap();
    let ids: Vec<_> = (0..3).map(|_| gateway.begin(get())).collect();
    gateway.run_for(Duration::from_secs(10));
    let ends: Vec<_> = ids.iter().map(|id| gateway.take(*id).unwrap()).collect();
    let seconds: Vec<_> = ends.iter().map(|end| (end.at - end.began).as_secs()).collect();
    assert_eq!(seconds, [1, 2, 3]);
    assert!(ends.iter().all(|end| forwarded(end).is_some()));
}

#[test]
fn the_root_context_answers_a_request_when_its_call_is_answered() {
    let mut other = Module::default();
    let (call, reply) = (other.call("service", 5000), other.reply(403, "no"));
    other.on("request_headers", format!("(drop {call}) {PAUSE}"));
    other.on("http_call_response", format!("(drop (call $become (i32.const 2))) {reply}"));
    let server = Server::new(Answer::Response(response()), 1);
    let mut gateway = other.gateway().cluster("service", server).start().unwrap();
    let outcome = gateway.send(get());
    assert_eq!((outcome.ended.clone(), outcome.status()), (Ended::Local("by_403".into()), 403));
    assert_eq!(outcome.forwarded, None);
}
