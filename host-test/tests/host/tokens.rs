//! The released filter with tokens that it verifies itself: every algorithm in WebAssembly, and keys that it fetches.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use countersign_host_test::{Answer, Call, CallId, Cluster, Filter, Gateway, Request, Response, Sent, Time};
use serde_json::{Value, json};

use super::AT;
use super::released::filter;

const SCHEMA: &str = r#"
entity User;
namespace Countersign { entity Anonymous; }
namespace Http {
    entity Host;
    entity Path in [Path, Host];
    action GET appliesTo { principal: [User, Countersign::Anonymous], resource: Path, context: {} };
}
"#;

/// How it was made: `core/tests/tokens/make.py`.
fn corpus() -> Value {
    let corpus: Value = serde_json::from_str(include_str!("../../../core/tests/tokens/corpus.json")).unwrap();
    assert_eq!(corpus["now"].as_u64().unwrap(), AT.as_secs());
    corpus
}

fn configuration(source: &Value) -> String {
    let key = json!({ "kid": "k", "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let mut identity = json!({
        "kind": "bearer", "issuer": "https://idp.test", "audiences": ["gateway"], "principal": { "type": "User" },
    });
    identity.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
    json!({
        "audience": "gateway",
        "bundle": { "v": 1, "files": {
            "a.cedarschema": SCHEMA,
            "a.cedar": "@id(\"all\") permit (principal == User::\"ana\", action, resource);",
            "idp.jwks.json": corpus()["keys"].to_string(),
        }},
        "approval": { "cluster": "c", "authority": "a", "token": "t", "keys": [key] },
        "identity": [identity],
    })
    .to_string()
}

/// A server of keys that answers each call after 10 ms with what it is told to say.
#[derive(Default)]
struct Keys {
    says: Option<Answer>,
    calls: Vec<Time>,
    due: Vec<(Time, CallId)>,
}

impl Cluster for Keys {
    fn call(&mut self, id: CallId, call: &Call, now: Time) -> Sent {
        assert_eq!((call.header(":method"), call.header(":path")), (Some(&b"GET"[..]), Some(&b"/jwks"[..])));
        self.calls.push(now);
        self.due.push((now + Duration::from_millis(10), id));
        Sent::Taken
    }

    fn due(&self) -> Option<Time> {
        self.says.as_ref().and(self.due.iter().map(|(at, _)| *at).min())
    }

    fn answers(&mut self, now: Time) -> Vec<(CallId, Answer)> {
        let Some(says) = self.says.clone() else { return Vec::new() };
        let due: Vec<_> = self.due.extract_if(.., |(at, _)| *at <= now).collect();
        due.into_iter().map(|(_, id)| (id, says.clone())).collect()
    }
}

fn bearing(token: &str) -> Request {
    Request::new("GET", "api.test", "/v1").header("authorization", format!("Bearer {token}"))
}

fn token(corpus: &Value, name: &str) -> String {
    let cases = corpus["cases"].as_array().unwrap();
    cases.iter().find(|case| case[0] == name).unwrap()[1].as_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn every_token_of_the_corpus_comes_to_the_same_in_webassembly_and_none_takes_long() {
    let (filter, corpus) = (filter(), corpus());
    let mut gateway = Gateway::builder(&filter)
        .configuration(&*configuration(&json!({ "keys": "idp.jwks.json" })))
        .at(AT)
        .start()
        .unwrap();
    let plain = took(&mut gateway, "not a token");
    for case in corpus["cases"].as_array().unwrap() {
        let (name, token) = (case[0].as_str().unwrap(), case[1].as_str().unwrap());
        // Header values have no white space at their ends.
        let outcome = gateway.send(bearing(token.trim()));
        let expected = if name.starts_with("good: ") { 200 } else { 401 };
        assert_eq!(outcome.status(), expected, "{name}");
    }
    // Signatures that do not hold are looked at each time.
    for name in [
        "signature of another RSA key",
        "PS256 signature under RS256",
        "signature of another EC key",
        "signature of another key",
    ] {
        let micros = took(&mut gateway, &token(&corpus, name)).saturating_sub(plain).as_micros();
        println!("{name}: {micros} µs");
        assert!(micros < 50_000, "{name}: {micros} µs");
    }
    println!(
        "one that held before: {} µs",
        took(&mut gateway, &token(&corpus, "good: ES256")).saturating_sub(plain).as_micros()
    );
    assert_eq!(gateway.failures().len(), 0);
}

/// The time of one of many such requests.
fn took(gateway: &mut Gateway, token: &str) -> Duration {
    let since = Instant::now();
    for _ in 0..50 {
        gateway.send(bearing(token));
    }
    since.elapsed() / 50
}

/// One worker that fetches its keys from there.
fn refreshing(filter: &Filter, refresh: &Value, keys: &Rc<RefCell<Keys>>) -> Gateway {
    let configuration = configuration(&json!({ "refresh": refresh }));
    let builder = Gateway::builder(filter).configuration(&*configuration).cluster("idp", Rc::clone(keys));
    builder.workers(1).at(AT).start().unwrap()
}

#[test]
#[ignore = "needs COUNTERSIGN_WASM"]
fn keys_are_fetched_in_time_and_kept_when_nothing_good_comes() {
    let (filter, corpus) = (filter(), corpus());
    let keys = Rc::new(RefCell::new(Keys::default()));
    let refresh =
        json!({ "cluster": "idp", "authority": "idp.test", "path": "/jwks", "every": "5m", "timeout": "5s" });
    let mut gateway = refreshing(&filter, &refresh, &keys);
    let (ed, ec) = (token(&corpus, "good: EdDSA"), token(&corpus, "good: ES256"));
    let only = |kid: &str| {
        let all = corpus["keys"]["keys"].as_array().unwrap().iter().filter(|key| key["kid"] == kid);
        json!({ "keys": all.collect::<Vec<_>>() }).to_string()
    };
    let says = |status: u16, body: String| {
        keys.borrow_mut().says = Some(Answer::Response(Response::new(status, body)))
    };

    // Nothing answers: the call ends after its time, and the next ones come ever later.
    assert_eq!(gateway.send(bearing(&ed)).status(), 503);
    gateway.run_for(Duration::from_secs(60));
    assert_eq!(gateway.send(bearing(&ed)).status(), 503);
    let calls: Vec<_> = keys.borrow().calls.iter().map(|at| (*at - AT).as_secs()).collect();
    assert!(
        (5..=7).contains(&calls.len()) && calls.windows(2).all(|pair| pair[1] - pair[0] >= 5),
        "{calls:?}"
    );
    keys.borrow_mut().due.clear();

    says(200, only("ed"));
    gateway.run_for(Duration::from_secs(70));
    assert_eq!(gateway.send(bearing(&ed)).status(), 200);
    assert_eq!(gateway.send(bearing(&ec)).status(), 401);
    // The unknown key brings a call about; it has nothing new, and the one after that comes 10 s later at the earliest.
    let before = keys.borrow().calls.len();
    gateway.run_for(Duration::from_secs(4));
    for _ in 0..5 {
        assert_eq!(gateway.send(bearing(&ec)).status(), 401);
        gateway.run_for(Duration::from_secs(1));
    }
    assert_eq!(keys.borrow().calls.len(), before + 1);

    // Whatever comes that is no set of keys: the old ones stay.
    for (status, body) in [
        (200, "garbage".to_owned()),
        (200, r#"{"keys":[]}"#.into()),
        (200, "x".repeat(300_000)),
        (503, only("ec")),
    ] {
        says(status, body);
        let before = keys.borrow().calls.len();
        gateway.run_for(Duration::from_secs(61));
        assert!(keys.borrow().calls.len() > before, "nothing was asked");
        assert_eq!(gateway.send(bearing(&ed)).status(), 200);
        assert_eq!(gateway.send(bearing(&ec)).status(), 401);
    }
    keys.borrow_mut().says = Some(Answer::Reset);
    gateway.run_for(Duration::from_secs(61));
    assert_eq!(gateway.send(bearing(&ed)).status(), 200);
    says(200, only("ec"));
    gateway.run_for(Duration::from_secs(70));
    assert_eq!(gateway.send(bearing(&ed)).status(), 401);
    assert_eq!(gateway.send(bearing(&ec)).status(), 200);

    // After a reload with the same source they are there at once.
    keys.borrow_mut().says = None;
    let more = json!({ "refresh": refresh, "leeway": "10s" });
    gateway.reload(&*configuration(&more)).unwrap();
    assert_eq!(gateway.send(bearing(&ec)).status(), 200);
    assert_eq!(gateway.failures().len(), 0);
}
