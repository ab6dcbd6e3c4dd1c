//! A whole request, driven to its end: it goes on at once only if policy permits what another reader finds in it, and
//! else only if people and service said yes.

use std::sync::{Arc, LazyLock};

use countersign_core::engine::Engine;
use countersign_core::facts::{Peer, RequestFacts};
use countersign_protocol::approval::State;
use serde_json::{Value, json};

use crate::fixture::{ENTITIES, IDENTITIES, World, configuration, load};
use crate::message::{fields, line};
use crate::run::{Event, run as run_whole, run_late};
use crate::{jwt, mcp, multipart, path};

/// What all worlds of targets go by.
static ENGINE: LazyLock<Arc<Engine>> = LazyLock::new(|| {
    let identity = json!([
        jwt::source(),
        {"kind": "header", "name": "x-agent", "peers": ["127.0.0.0/8"], "type": "Agent"},
        {"kind": "header", "name": "x-user", "peers": ["127.0.0.0/8"], "type": "User"},
    ]);
    let bundle = json!({"v": 1, "files": {
        "a.cedarschema": include_str!("../bundle/schema.cedarschema"),
        "a.cedar": include_str!("../bundle/policies.cedar"),
        "routes.yaml": include_str!("../bundle/routes.yaml"),
        "identities.yaml": IDENTITIES, "entities.json": ENTITIES,
        "idp.jwks.json": jwt::keys().to_string(),
    }});
    load(&configuration(json!({"identity": identity, "bundle": bundle})))
});

/// A gateway worker with the targets' own bundle.
pub(crate) fn world() -> World {
    World::of(ENGINE.clone())
}

/// An input is a request as text. The first line has a letter for each thing that happens on the way, and `+` when the
/// body comes late; the second is method and path; then come header fields, an empty line and the body. After a line
/// `trailers:` at the end of the header fields, what follows is trailers.
pub(crate) fn run(input: &[u8]) -> bool {
    let (happens, rest) = line(input);
    let facts = facts(rest);
    let events: Vec<_> = happens.iter().take(16).filter_map(|letter| event(*letter)).collect();
    let ran = run_whole(world(), facts.clone(), &events);
    assert_eq!(ran, run_whole(world(), facts.clone(), &events), "two ends of one request");
    assert!(!ran.on || ran.yes.is_whole() || may_go_on(&facts), "went on without a yes: {ran:?}");
    if happens.contains(&b'+') {
        let late = run_late(world(), facts.clone(), &events);
        assert!(!late.on || late.yes.is_whole() || may_go_on(&facts), "went on without a yes: {late:?}");
        // Trailers come with a body: where none is asked for, they are not seen.
        if !facts.trailers.is_empty() {
            return ran.on;
        }
        assert_eq!((late.on, late.yes), (ran.on, ran.yes.clone()), "a late body is another matter");
    }
    ran.on
}

fn facts(input: &[u8]) -> RequestFacts {
    let (first, rest) = line(input);
    let (mut headers, body) = fields(rest);
    let end = headers.iter().position(|(name, _)| name == b"trailers").unwrap_or(headers.len());
    let trailers = headers.split_off(end).into_iter().skip(1).collect();
    let (method, path) = first.split_at(first.iter().position(|byte| *byte == b' ').unwrap_or(first.len()));
    let own: [(&[u8], &[u8]); 4] = [
        (b":method", method),
        (b":scheme", b"https"),
        (b":authority", b"api.test"),
        (b":path", path.get(1..).unwrap_or_default()),
    ];
    let own = own.map(|(name, value)| (name.to_vec(), value.to_vec()));
    RequestFacts {
        headers: own.into_iter().chain(headers).collect(),
        body: Some(body.to_vec()),
        trailers,
        peer: Peer { address: Some([127, 0, 0, 1].into()), uri_san: None },
        ..RequestFacts::default()
    }
}

fn event(letter: u8) -> Option<Event> {
    Some(match letter {
        b'h' => Event::Honest,
        b'n' => Event::NoAnswer,
        b'r' => Event::Refused,
        b'f' => Event::ForgedGrant,
        b'a' => Event::GrantForAnother,
        b'g' => Event::Garbage,
        b'p' => Event::OtherState(State::Pending),
        b'c' => Event::OtherState(State::Consumed),
        b'x' => Event::OtherState(State::Rejected),
        b'e' => Event::OtherState(State::Expired),
        b'k' => Event::OtherState(State::Revoked),
        b'q' => Event::ForgedReceipt,
        b'l' => Event::Lost(State::Consumed),
        b'm' => Event::Lost(State::Approved),
        b't' => Event::Time(1_000),
        b'T' => Event::Time(29_000),
        _ => return None,
    })
}

/// Whether policy permits a request without a person, read by other means than core's.
fn may_go_on(facts: &RequestFacts) -> bool {
    let named = ["authorization", "x-agent", "x-user"];
    let called =
        |name: &str| facts.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes()));
    if !named.iter().any(|name| called(name).is_some()) {
        return false;
    }
    let text = |name: &str| called(name).and_then(|(_, value)| str::from_utf8(value).ok());
    let (Some(method), Some(target)) = (text(":method"), text(":path")) else { return false };
    let segments = path::by_url(&format!("https://api.test{target}"));
    let segments: Vec<_> = segments.iter().map(String::as_str).collect();
    let body = facts.body.as_deref().unwrap_or_default();
    let harmless = |table: Option<String>| table.is_some_and(|it| it != "salaries" && it != "secret");
    match (method, segments.as_slice()) {
        ("GET", ["things", thing]) => *thing != "secret",
        ("POST", ["json"]) => harmless(table_of_json(body)),
        ("POST", ["form"]) => harmless(one(form_urlencoded::parse(body).into_owned())),
        ("POST", ["parts"]) => harmless(one(multipart::texts(facts).into_iter())),
        ("POST", ["mcp"]) => mcp::is_harmless(body),
        ("GET" | "DELETE", ["mcp"]) => true,
        _ => false,
    }
}

fn table_of_json(body: &[u8]) -> Option<String> {
    match serde_json::from_slice::<Value>(body).ok()?.get("table")? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The one value of `table`.
fn one(all: impl Iterator<Item = (String, String)>) -> Option<String> {
    let mut named = all.filter(|(name, _)| name == "table").map(|(_, value)| value);
    named.next().filter(|_| named.next().is_none())
}
