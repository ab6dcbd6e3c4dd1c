//! Generated requests: what clients send and what they should not, people of every kind, and a service that fails.
//! The same seed gives the same requests.

use std::time::Duration;

use countersign_protocol::UnixMillis;
use countersign_protocol::recording::{
    Act, Bytes, Delay, Doing, Entry, Fault, Fidelity, Operation, Peer, Request, Trouble, VERSION,
};
use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::odd;

/// Between two entries, so that each is over before the next: longer than hold, claim and failures together.
const GAP: UnixMillis = 120_000;

/// This many entries, the first at `at`.
pub(crate) fn entries(seed: u64, count: usize, at: UnixMillis) -> Vec<Entry> {
    (0..count).map(|number| entry(&mut Rng::with_seed(seed ^ (number as u64) << 20), number, at)).collect()
}

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Create,
    Change,
    Remove,
    Upload,
    Close,
    Unrouted,
    PlainRead,
    PlainWrite,
}

const KINDS: [(u32, Kind); 9] = [
    (18, Kind::Read),
    (28, Kind::Create),
    (14, Kind::Change),
    (10, Kind::Remove),
    (10, Kind::Upload),
    (4, Kind::Close),
    (6, Kind::Unrouted),
    (5, Kind::PlainRead),
    (5, Kind::PlainWrite),
];

fn weighted(rng: &mut Rng) -> Kind {
    let mut left = rng.u32(0..KINDS.iter().map(|(weight, _)| weight).sum());
    for (weight, kind) in KINDS {
        match left.checked_sub(weight) {
            None => return kind,
            Some(rest) => left = rest,
        }
    }
    Kind::Read
}

/// Whether something happens that happens so often in a hundred.
pub(crate) fn chance(rng: &mut Rng, percent: u32) -> bool {
    rng.u32(0..100) < percent
}

fn entry(rng: &mut Rng, number: usize, at: UnixMillis) -> Entry {
    let kind = weighted(rng);
    let mut peer = peer(rng);
    if chance(rng, 5) {
        peer.uri_san = Some(odd::pick(rng, &odd::NAMES).into());
    }
    let claims = claims(rng, &peer);
    let gated = !matches!(kind, Kind::Read | Kind::Close | Kind::Unrouted | Kind::PlainRead);
    let leaves = (gated && chance(rng, 8)).then(|| Delay(Duration::from_millis(1_500)));
    let secure = peer.uri_san.is_some();
    Entry {
        v: VERSION,
        id: format!("{number}-{kind:?}").to_lowercase(),
        ts: at + GAP * UnixMillis::try_from(number).unwrap_or_default(),
        source: None,
        fidelity: Fidelity::Client,
        lost: Vec::new(),
        peer,
        route: None,
        claims,
        request: request(rng, kind, number, secure),
        leaves,
        people: if gated { people(rng, leaves.is_some()) } else { Vec::new() },
        service: if gated && chance(rng, 5) { service(rng) } else { Vec::new() },
        expect: None,
    }
}

fn peer(rng: &mut Rng) -> Peer {
    let addresses = ["10.1.2.3", "10.9.8.7", "192.0.2.9", "203.0.113.5", "2001:db8::7", "127.0.0.1"];
    let address = odd::pick(rng, &addresses).parse();
    Peer { address: address.ok(), uri_san: None }
}

fn claims(rng: &mut Rng, peer: &Peer) -> Map<String, Value> {
    if peer.uri_san.is_some() || chance(rng, 10) {
        return Map::new();
    }
    let party = |sub: &str| json!({ "iss": "https://id.example", "sub": sub });
    let mut token = party(odd::pick(rng, &["ana", "olga", "jürgen", "a b", "x/y"]));
    let depth = rng.usize(0..4);
    let act = (0..depth).fold(Value::Null, |inner, level| {
        let mut act = party(&format!("bot-{level}"));
        if !inner.is_null() {
            act = with(act, "act", inner);
        }
        act
    });
    if !act.is_null() {
        token = with(token, "act", act);
    }
    if chance(rng, 5) {
        token = odd::token(rng, token);
    }
    let mut claims = Map::from_iter([("agents".to_owned(), token)]);
    if chance(rng, 5) {
        claims.insert(
            "others".into(),
            json!({ "sub": "nobody", "scopes": [1, 2.5, true, null, { "a": "b" }] }),
        );
    }
    claims
}

/// An object with one more member.
fn with(mut object: Value, name: &str, member: Value) -> Value {
    object.as_object_mut().into_iter().for_each(|members| _ = members.insert(name.into(), member.clone()));
    object
}

fn request(rng: &mut Rng, kind: Kind, number: usize, secure: bool) -> Request {
    let method = match kind {
        Kind::Read => odd::pick(rng, &["GET", "GET", "HEAD"]),
        Kind::PlainRead => "GET",
        Kind::Create | Kind::Upload | Kind::PlainWrite => "POST",
        Kind::Change => "PUT",
        Kind::Remove => "DELETE",
        Kind::Close => "PATCH",
        Kind::Unrouted => odd::pick(rng, &["GET", "POST", "OPTIONS", "PURGE", "M-SEARCH"]),
    };
    let body = body(rng, kind);
    let trailers = if body.is_some() && chance(rng, 8) { odd::trailers(rng) } else { Vec::new() };
    let path = path(rng, kind, number);
    let host =
        if matches!(kind, Kind::PlainRead | Kind::PlainWrite) { "plain.example" } else { "case.example" };
    let host = if chance(rng, 4) { odd::host(rng, host) } else { host.into() };
    let scheme = if secure { "https" } else { "http" };
    let pseudo = [(":method", method), (":scheme", scheme), (":authority", &host)];
    let mut headers: Vec<(String, Bytes)> =
        pseudo.map(|(name, value)| (name.into(), Bytes(value.into()))).into();
    headers.push((":path".into(), Bytes(path)));
    headers.extend(fields(rng, kind, body.as_deref(), !trailers.is_empty()));
    let chunks = body.as_ref().map(|body| chunks(rng, body.len())).unwrap_or_default();
    Request { headers, body: body.map(Bytes), chunks, trailers }
}

fn path(rng: &mut Rng, kind: Kind, number: usize) -> Vec<u8> {
    let mut path = match kind {
        Kind::Upload => format!("/uploads/c{number}/a.bin"),
        Kind::Unrouted => format!("/nothing/c{number}"),
        _ => format!("/items/c{number}"),
    }
    .into_bytes();
    if chance(rng, 12) {
        path.extend(odd::pick(rng, &odd::PATHS));
    }
    if chance(rng, 30) {
        path.extend(odd::pick(rng, &odd::QUERIES));
    }
    path
}

fn body(rng: &mut Rng, kind: Kind) -> Option<Vec<u8>> {
    let writes = matches!(kind, Kind::Create | Kind::Upload | Kind::PlainWrite);
    if !chance(rng, if writes { 96 } else { 25 }) {
        return None;
    }
    if kind == Kind::Upload {
        let size = odd::pick(rng, &[0, 1, 100, 5_000, 70_000, 300_000]);
        return Some((0..size).map(|_| rng.u8(..)).collect());
    }
    if chance(rng, 20) {
        return Some(odd::pick(rng, &odd::BODIES).to_vec());
    }
    let amount = odd::pick(rng, &[1_i64, 50, 101, 200, 999, 1_001, 5_000, -1, i64::MAX]);
    let mut body = json!({ "name": odd::pick(rng, &["a", "ü", "long name", ""]), "amount": amount });
    let padding = odd::pick(rng, &[0, 0, 0, 10, 2_000, 70_000, 300_000]);
    if padding > 0 {
        body = with(body, "padding", "x".repeat(padding).into());
    }
    Some(body.to_string().into_bytes())
}

fn fields(rng: &mut Rng, kind: Kind, body: Option<&[u8]>, trailers: bool) -> Vec<(String, Bytes)> {
    let mut fields: Vec<(&str, Vec<u8>)> = vec![
        ("accept", b"*/*".to_vec()),
        ("user-agent", b"generated/1.0".to_vec()),
        ("authorization", b"Bearer recorded".to_vec()),
    ];
    if chance(rng, 10) {
        fields.push(("x-user", b"ana".to_vec()));
    }
    if chance(rng, 30) {
        fields.push(("countersign-justification", "because it is due, für alle".into()));
    }
    if let Some(body) = body {
        let kinds = ["application/json", "application/json; charset=utf-8", "Application/JSON"];
        let kinds = if kind == Kind::Upload { ["application/octet-stream"; 3] } else { kinds };
        fields.push(("content-type", odd::pick(rng, &kinds).into()));
        if !trailers && chance(rng, 60) {
            fields.push(("content-length", body.len().to_string().into_bytes()));
        }
    }
    if chance(rng, 35) {
        for _ in 0..rng.usize(1..4) {
            let (name, value) = odd::pick(rng, &odd::FIELDS);
            fields.push((name, value.to_vec()));
        }
    }
    rng.shuffle(&mut fields);
    fields.into_iter().map(|(name, value)| (name.to_owned(), Bytes(value))).collect()
}

fn chunks(rng: &mut Rng, length: usize) -> Vec<usize> {
    if length == 0 || chance(rng, 40) {
        return Vec::new();
    }
    (0..rng.usize(1..5)).map(|_| rng.usize(1..=length.div_ceil(2))).collect()
}

/// Nobody does anything near the end of a hold, or when the client leaves.
fn people(rng: &mut Rng, leaves: bool) -> Vec<Act> {
    if leaves || chance(rng, 12) {
        return Vec::new();
    }
    let act = |rng: &mut Rng, index: u64| {
        let what = match rng.u32(0..100) {
            0..68 => Doing::Approve,
            68..78 => Doing::Reject,
            78..88 => Doing::Flag,
            88..93 => Doing::Forge,
            93..97 => Doing::Late,
            _ => Doing::Revoke,
        };
        let by = odd::pick(rng, &["ben", "cleo", "dora", "emil", "ana", "olga", "bot-0"]);
        let groups = ["first", "second", "third"];
        let groups = chance(rng, 20).then(|| vec![odd::pick(rng, &groups).to_string()]);
        let amr = if chance(rng, 20) { vec!["pwd"] } else { vec!["pwd", "otp"] };
        Act {
            after: Delay(Duration::from_millis(300 + 250 * index)),
            what,
            by: by.to_string(),
            issuer: chance(rng, 4).then(|| "https://elsewhere.example".into()),
            groups,
            amr: amr.into_iter().map(str::to_owned).collect(),
            reason: None,
        }
    };
    let count = rng.u64(1..6);
    (0..count).map(|index| act(rng, index)).collect()
}

fn service(rng: &mut Rng) -> Vec<Trouble> {
    let faults = [Fault::Down, Fault::Error, Fault::Reset, Fault::Garbage, Fault::Half, Fault::AnswerLost];
    let fault = faults.get(rng.usize(0..faults.len())).copied().unwrap_or(Fault::Down);
    let operations = [Operation::Ask, Operation::Wait, Operation::Claim, Operation::Outcome];
    let on = operations.into_iter().nth(rng.usize(0..5)).map_or_else(Vec::new, |one| vec![one]);
    vec![Trouble {
        from: Delay(Duration::ZERO),
        to: Some(Delay(Duration::from_millis(1_700))),
        is: fault,
        on,
    }]
}
