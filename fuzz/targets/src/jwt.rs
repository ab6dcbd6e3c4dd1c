//! A token: who is named by it, it was signed to name, now and here.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::bundle::Bundle;
use countersign_core::identity::Identities;
use countersign_core::reading::{Reading, Relaxed};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};

use crate::fixture::NOW;
use crate::message::line;
use crate::world::request;

const ISSUER: &str = "https://idp.test";
const AUDIENCE: &str = "gateway";

/// Allowed between two clocks, in seconds.
const LEEWAY: f64 = 30.0;

/// Tokens by another implementation: see `core/tests/tokens/make.py`.
pub(crate) static CORPUS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../core/tests/tokens/corpus.json")).unwrap());

/// The key with which a target signs, beside those of the corpus.
pub(crate) fn key() -> SigningKey {
    SigningKey::from_bytes(&[5; 32])
}

/// The corpus' keys and [`key`], as a JWK Set.
pub(crate) fn keys() -> Value {
    let mut keys = CORPUS["keys"].clone();
    let x = URL_SAFE_NO_PAD.encode(key().verifying_key().as_bytes());
    let own = json!({"kty": "OKP", "crv": "Ed25519", "kid": "own", "x": x});
    keys["keys"].as_array_mut().unwrap().push(own);
    keys
}

/// The source of identities that reads tokens.
pub(crate) fn source() -> Value {
    json!({
        "kind": "bearer", "issuer": ISSUER, "audiences": [AUDIENCE], "keys": "idp.jwks.json",
        "principal": {"type": "User"}, "actor": {"type": "Agent"},
    })
}

/// An input is the header, a line feed and the claims of a token that is then signed; or, without a line feed, the
/// value of `authorization`.
pub(crate) fn run(input: &[u8]) -> bool {
    match input.contains(&b'\n') {
        true => signed(input),
        false => whole(input),
    }
}

/// The principal's type and id; nothing when nobody is named, or what is said does not hold.
fn named(authorization: &[u8]) -> Option<(String, String)> {
    static IDENTITIES: LazyLock<Identities> = LazyLock::new(|| {
        let files = [("idp.jwks.json".to_owned(), keys().to_string())];
        let sources = serde_json::from_value::<Vec<_>>(json!([source()])).unwrap();
        Identities::load(&sources, &Bundle::from_files(files.into()).unwrap()).unwrap()
    });
    let facts = request("GET", b"/", &[("authorization", authorization)], b"");
    let reading = Reading::of(&facts, &Relaxed::default()).ok()?;
    let identify = || IDENTITIES.identify(&facts, &reading, NOW, &|_, _| None);
    let caller = identify();
    assert_eq!(caller, identify(), "told in two ways");
    let caller = caller.ok().filter(|caller| !caller.anonymous)?;
    Some((caller.principal.ty, caller.principal.id))
}

/// Without the keys, nobody makes a token that holds.
fn whole(authorization: &[u8]) -> bool {
    if named(authorization).is_none() {
        return false;
    }
    let known = CORPUS["cases"].as_array().unwrap().iter();
    // Here an actor is configured.
    let holds = |name: &str| name.starts_with("good: ") || name == "act and no actor is configured";
    let good = known.filter(|case| holds(case[0].as_str().unwrap()));
    let text = str::from_utf8(authorization).expect("an accepted value is text");
    let ours = good.map(|case| case[1].as_str().unwrap()).any(|token| text.trim().ends_with(token));
    assert!(ours, "a token that nobody signed");
    true
}

/// A signed token says what it must.
fn signed(input: &[u8]) -> bool {
    let (header, claims) = line(input);
    let parts = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let signature = URL_SAFE_NO_PAD.encode(key().sign(parts.as_bytes()).to_bytes());
    let Some(principal) = named(format!("Bearer {parts}.{signature}").as_bytes()) else { return false };
    let [header, claims] =
        [header, claims].map(|part| serde_json::from_slice::<Value>(part).expect("what is accepted is JSON"));
    assert!(["EdDSA", "Ed25519"].contains(&header["alg"].as_str().unwrap()), "{header}");
    assert!(
        header.get("crit").is_none() && header["kid"].as_str().is_none_or(|kid| kid == "own"),
        "{header}"
    );
    assert_eq!(claims["iss"], ISSUER);
    let audiences = claims["aud"].as_array().map_or(std::slice::from_ref(&claims["aud"]), Vec::as_slice);
    assert!(audiences.iter().any(|audience| audience == AUDIENCE), "{claims}");
    #[expect(clippy::cast_precision_loss, reason = "seconds of this millennium")]
    let now = NOW as f64 / 1000.0;
    assert!(claims["exp"].as_f64().expect("it ends") + LEEWAY > now, "{claims}");
    for from in ["nbf", "iat"] {
        // A fraction of a second is cut off.
        assert!(claims[from].as_f64().is_none_or(|from| from.floor() <= now + LEEWAY), "{claims}");
    }
    let expected = match claims.get("act") {
        Some(actor) => ("Agent".to_owned(), actor["sub"].as_str().expect("an actor has a name").to_owned()),
        None => ("User".to_owned(), claims["sub"].as_str().expect("a subject has a name").to_owned()),
    };
    assert_eq!(principal, expected, "{claims}");
    true
}
