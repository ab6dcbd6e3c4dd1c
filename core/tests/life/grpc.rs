//! gRPC: statuses in place of problems, and what a gate can hold.

use countersign_core::denial::Reason;
use countersign_core::facts::RequestFacts;
use countersign_core::life::{Next, Reply};

use crate::fixture::{World, reply, request, with_header};

fn call(path: &str, body: &[u8]) -> RequestFacts {
    let facts = with_header(request("POST", path), "content-type", "application/grpc");
    RequestFacts { body: Some(body.to_vec()), ..facts }
}

fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
}

const MESSAGE: &[u8] = b"\0\0\0\0\x01a";

#[test]
fn a_denial_is_a_status_in_trailers_alone() {
    let reply = reply(World::new().decide(call("/nowhere.Service/Method", MESSAGE)));
    assert_eq!((reply.status, reply.body.as_str()), (200, ""));
    assert_eq!(header(&reply, "content-type"), Some("application/grpc"));
    assert_eq!(header(&reply, "grpc-status"), Some("7"));
    assert_eq!(header(&reply, "countersign-code"), Some("no_route"));
    let message = header(&reply, "grpc-message").unwrap();
    assert!(
        message.starts_with("nothing is known about this request, so it is denied: no route for"),
        "{message}"
    );
}

#[test]
fn a_pending_answer_is_a_failed_precondition_with_its_ticket() {
    let mut world = World::new();
    let (_, held) = world.hold(call("/things/a/deploy", MESSAGE));
    let now = held.until();
    let reply = reply(held.on_deadline(&world.engine, &mut world.journal, now));
    assert_eq!(header(&reply, "grpc-status"), Some("9"));
    assert_eq!(header(&reply, "retry-after"), Some("4"));
    assert!(header(&reply, "countersign-ticket").is_some());
    assert!(
        header(&reply, "countersign-status-url").unwrap().starts_with("/.well-known/countersign/tickets/")
    );
}

#[test]
fn a_hold_ends_before_the_clients_deadline() {
    let mut world = World::new();
    let facts = with_header(call("/things/a/deploy", MESSAGE), "grpc-timeout", "10S");
    let (_, held) = world.hold(facts);
    assert_eq!(held.until() - world.now, 9_500);
}

#[test]
fn a_gate_holds_nothing_but_one_whole_message() {
    for body in [&b""[..], b"\0\0\0\0\x02a", b"\0\0\0\0\x01a\0\0\0\0\x01b"] {
        let reply = reply(World::new().decide(call("/things/a/deploy", body)));
        assert_eq!(reply.reason, Reason::StreamGated, "{body:?}");
        assert_eq!(header(&reply, "grpc-status"), Some("7"));
    }
}

#[test]
fn a_stream_that_does_not_end_is_not_waited_for() {
    let mut world = World::new();
    let facts = RequestFacts { body: None, ..call("/things/a/deploy", b"") };
    let Next::NeedBody(state) = world.decide(facts).next else { panic!("no body was awaited") };
    assert!(state.is_due_whole());
    let now = world.now;
    let reply = reply(state.on_withheld(&world.engine, &mut world.journal, now));
    assert_eq!(reply.reason, Reason::StreamGated);
}
