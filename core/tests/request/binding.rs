//! What an approval binds: everything that matters, nothing that changes by itself.

use countersign_core::digest::{DigestInput, digest, is_volatile, shown};
use countersign_core::entity::EntityName;
use countersign_core::facts::RequestFacts;
use countersign_core::identity::{Caller, Identities};
use countersign_core::policy::Claimed;
use countersign_protocol::Hash;
use countersign_protocol::person::{Involved, Person, Role};
use countersign_protocol::request::Shown;
use proptest::prelude::*;

use crate::support::{bundle, read, request};

/// Everything that a digest is made of, to be changed at will.
#[derive(Debug, Clone)]
struct Bound {
    texts: Vec<String>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
    trailers: Vec<(Vec<u8>, Vec<u8>)>,
}

/// audience, authority, path, principal (type, id), chain (entity, issuer, subject), route, action (type, id),
/// resource (type, id).
const TEXTS: usize = 13;

impl Bound {
    fn digest(&self) -> Hash {
        let text = |index: usize| self.texts[index].clone();
        let name = |index: usize| EntityName::new(text(index), text(index + 1));
        let mut reading = read(&request("POST", "/", &[])).unwrap();
        (reading.authority, reading.path) = (text(1), text(2));
        let involved = Involved {
            role: Role::Requester,
            entity: text(5),
            names: vec![Person { issuer: text(6), subject: text(7) }],
        };
        let caller = Caller {
            principal: name(3),
            anonymous: false,
            involved: vec![involved],
            unaccountable: None,
            source: String::new(),
            claimed: Claimed::default(),
            key: None,
        };
        let (headers, trailers) = (self.headers.clone(), self.trailers.clone());
        let facts = RequestFacts { headers, trailers, ..RequestFacts::default() };
        digest(&DigestInput {
            audience: &text(0),
            facts: &facts,
            reading: &reading,
            body: &self.body,
            caller: &caller,
            route: &text(8),
            does: &[(&name(9), &name(11))],
            loose: &[],
            volatile: &["x-nonce".to_owned()],
        })
    }

    /// Every member as bytes, in the order of the encoding, to be changed in place.
    fn members(&mut self) -> Vec<&mut Vec<u8>> {
        let fields = self.headers.iter_mut().flat_map(|(name, value)| [name, value]);
        let trailers = self.trailers.iter_mut().flat_map(|(name, value)| [name, value]);
        fields.chain([&mut self.body]).chain(trailers).collect()
    }
}

prop_compose! {
    fn bound()(texts in proptest::collection::vec("[a-c:/]{1,3}", TEXTS), body in proptest::collection::vec(97..100u8, 0..4),
               headers in proptest::collection::vec(("[a-c]{1,3}", "[a-c]{0,3}"), 1..4),
               trailers in proptest::collection::vec(("[a-c]{1,3}", "[a-c]{0,3}"), 0..3)) -> Bound {
        let raw = |fields: Vec<(String, String)>| fields.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
        Bound { texts, headers: raw(headers), body, trailers: raw(trailers) }
    }
}

proptest! {
    #[test]
    fn a_change_of_any_bound_member_changes_the_digest(input in bound(), at in any::<prop::sample::Index>()) {
        let mut changed = input.clone();
        let members = changed.members().len();
        let place = at.index(TEXTS + members);
        match place.checked_sub(TEXTS) {
            None => changed.texts[place].push('x'),
            Some(place) => changed.members()[place].push(b'x'),
        }
        prop_assert_ne!(changed.digest(), input.digest());
    }

    #[test]
    fn a_byte_that_moves_to_the_next_member_changes_the_digest(input in bound(), at in any::<prop::sample::Index>()) {
        let mut moved = input.clone();
        let mut members = moved.members();
        let place = at.index(members.len() - 1);
        let Some(byte) = members[place].pop() else { return Ok(()) };
        members[place + 1].insert(0, byte);
        prop_assert_ne!(moved.digest(), input.digest());
        let mut moved = input.clone();
        let place = at.index(TEXTS - 1);
        let Some(letter) = moved.texts[place].pop() else { return Ok(()) };
        moved.texts[place + 1].insert(0, letter);
        prop_assert_ne!(moved.digest(), input.digest());
    }

    #[test]
    fn a_header_more_less_or_elsewhere_changes_the_digest(input in bound()) {
        let mut more = input.clone();
        more.headers.push((b"x-new".to_vec(), Vec::new()));
        prop_assert_ne!(more.digest(), input.digest());
        let mut swapped = more.clone();
        swapped.headers.rotate_right(1);
        prop_assert_ne!(swapped.digest(), more.digest());
        let mut moved = more.clone();
        let last = moved.headers.pop();
        moved.trailers.splice(0..0, last);
        prop_assert_ne!(moved.digest(), more.digest());
    }

    #[test]
    fn what_is_volatile_changes_nothing(input in bound(), value in "[a-z]{0,5}") {
        let mut changed = input.clone();
        for name in ["Authorization", "traceparent", "x-envoy-anything", "x-nonce", ":path"] {
            changed.headers.insert(0, (name.into(), value.clone().into()));
        }
        prop_assert_eq!(changed.digest(), input.digest());
        for name in ["x-forwarded-host", "idempotency-key", "countersign-justification", "x-nonce"] {
            prop_assert!(!is_volatile(name, &[]));
        }
    }
}

#[test]
fn method_and_scheme_are_bound() {
    let (facts, name) = (request("GET", "/", &[]), EntityName::new("T", "x"));
    let nobody = Identities::load(&[], &bundle(&[])).unwrap();
    let caller = nobody.identify(&facts, &read(&facts).unwrap(), 0, &|_, _| None).unwrap();
    let of = |facts: &RequestFacts| {
        let reading = read(facts).unwrap();
        digest(&DigestInput {
            audience: "a",
            facts,
            reading: &reading,
            body: &[],
            caller: &caller,
            route: "http",
            does: &[(&name, &name)],
            loose: &[],
            volatile: &[],
        })
    };
    let get = of(&request("GET", "/", &[]));
    assert_ne!(get, of(&request("PUT", "/", &[])));
    assert_ne!(get, of(&request("GET", "/", &[(":scheme", "http")])));
    assert_ne!(get, of(&request("GET", "/?", &[])));
    assert_ne!(get, of(&request("GET", "/", &[(":authority", "API.example")])));
}

#[test]
fn people_see_what_is_bound_and_no_secrets() {
    let mut facts =
        request("POST", "/?q", &[("Authorization", "Bearer abc"), ("X-Key", "s3cret"), ("x-a", "1")]);
    facts.headers.push((b"x-raw".to_vec(), vec![0xff]));
    facts.headers.push((b"date".to_vec(), b"today".to_vec()));
    facts.trailers.push((b"cookie".to_vec(), b"a=b".to_vec()));
    let reading = read(&facts).unwrap();
    let shown = shown(&facts, &reading, &[0, 0xff], &[], &[], &["x-key".into()]);
    let fields: Vec<_> = shown
        .headers
        .iter()
        .chain(&shown.trailers)
        .map(|field| (field.name.as_str(), field.value.clone(), field.bound))
        .collect();
    let expected = [
        ("authorization", Shown::Redacted { bytes: 10 }, false),
        ("x-key", Shown::Redacted { bytes: 6 }, true),
        ("x-a", Shown::Text("1".into()), true),
        ("x-raw", Shown::Base64("/w==".into()), true),
        ("date", Shown::Text("today".into()), false),
        ("cookie", Shown::Redacted { bytes: 3 }, false),
    ];
    assert_eq!(fields, expected);
    assert_eq!((shown.method.as_str(), shown.path.as_str()), ("POST", "/?q"));
    assert_eq!(shown.body, Shown::Base64("AP8=".into()));
    let secrets = serde_json::to_string(&shown).unwrap();
    assert!(!secrets.contains("abc") && !secrets.contains("s3cret") && !secrets.contains("a=b"));
}
