//! No secret that was scrubbed is in what is written.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use std::path::Path;

use countersign_protocol::recording::{Bytes, Entry, lost};
use countersign_recordings::{Imported, Key, Options, Scrubber, Secrets, Unreadable, open};
use proptest::prelude::*;

fn key() -> Key {
    Key::new(b"a key for these tests alone").unwrap()
}

fn scrubber(secrets: Secrets) -> Scrubber {
    Scrubber::new(secrets, &key())
}

fn entry(path: &str, fields: &[(&str, &str)], body: Option<&[u8]>) -> Entry {
    let line = r#"{"v":1,"id":"a","ts":0,"fidelity":"client","request":{"headers":[]}}"#;
    let mut entry: Entry = serde_json::from_str(line).unwrap();
    let all = [(":method", "POST"), (":scheme", "https"), (":authority", "a.example"), (":path", path)];
    let field = |(name, value): &(&str, &str)| ((*name).to_owned(), Bytes((*value).into()));
    entry.request.headers = all.iter().chain(fields).map(field).collect();
    entry.request.body = body.map(|body| Bytes(body.to_vec()));
    entry
}

fn value(entry: &Entry, name: &str) -> String {
    let (_, value) = entry.request.headers.iter().find(|(key, _)| key == name).unwrap();
    String::from_utf8(value.0.clone()).unwrap()
}

fn body(entry: &Entry) -> String {
    String::from_utf8(entry.request.body.clone().unwrap().0).unwrap()
}

#[test]
fn equal_values_stay_equal_and_types_stay() {
    let secrets = Secrets::default().header("X-Partner").pointer("/card").unwrap();
    let text = r#"{ "token": "abc-token-xyz", "note":"uses abc-token-xyz \u00e9", "card": {"number": 4111111111111111, "ok": true, "none": null}, "amount": 1.50 }"#;
    let length = text.len().to_string();
    let fields = [
        ("authorization", "Bearer abc-token-xyz"),
        ("content-type", "application/json"),
        ("content-length", length.as_str()),
        ("content-digest", "sha-256=:abc:"),
        ("x-partner", "partner"),
    ];
    let mut entry = entry("/a?q=1&access_token=abc-token-xyz", &fields, Some(text.as_bytes()));
    scrubber(secrets).scrub(&mut entry).unwrap();
    let pseudonym = value(&entry, "authorization").strip_prefix("Bearer ").unwrap().to_owned();
    assert!(pseudonym.starts_with("scrubbed-"));
    assert_eq!(value(&entry, ":path"), format!("/a?q=1&access_token={pseudonym}"));
    let json: serde_json::Value = serde_json::from_str(&body(&entry)).unwrap();
    assert_eq!(json["token"], pseudonym);
    assert_eq!(json["note"], format!("uses {pseudonym} é"));
    assert_eq!(json["card"]["ok"], false);
    assert!(json["card"]["none"].is_null());
    let number = json["card"]["number"].as_u64().unwrap().to_string();
    assert!(number.len() == 15 && number != "4111111111111111");
    assert!(body(&entry).ends_with("\"none\": null}, \"amount\": 1.50 }"), "other bytes stay");
    assert_eq!(value(&entry, "content-length"), body(&entry).len().to_string());
    assert!(value(&entry, "content-digest").starts_with("scrubbed-"));
    assert!(value(&entry, "x-partner").starts_with("scrubbed-"));
    assert_eq!(entry.lost, [lost::SECRETS]);
    let once = entry.clone();
    scrubber(Secrets::default()).scrub(&mut entry).unwrap();
    assert_eq!(value(&entry, "authorization"), value(&once, "authorization"), "a pseudonym stays");
}

#[test]
fn forms_and_cookies_are_scrubbed_by_name() {
    let fields =
        [("content-type", "application/x-www-form-urlencoded"), ("cookie", "a=one-cookie; b=two-cookie")];
    let form = b"user=agent+7&password=p%C3%A4ss+word%26&note=x";
    let mut entry = entry("/login", &fields, Some(form));
    scrubber(Secrets::default()).scrub(&mut entry).unwrap();
    let body = body(&entry);
    assert!(body.starts_with("user=agent+7&password=scrubbed-") && body.ends_with("&note=x"), "{body}");
    let cookie = value(&entry, "cookie");
    assert!(cookie.starts_with("a=scrubbed-") && cookie.contains("; b=scrubbed-"), "{cookie}");
}

#[test]
fn names_and_places_are_found_however_they_are_written() {
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let nested =
        br#"{"input":"{\"accessToken\":\"secret-1\"}","user":{"new_password":"secret-2"},"max_tokens":9}"#;
    let cases: [(&str, Fields, &[u8]); 8] = [
        ("/a;token=secret-1/b;v=1?user%5Bpassword%5D=secret-2&code=secret-3", &[], b""),
        ("/", &[form], b"token[]=secret-1&user[password]=secret-2&assertion=secret-3&json=%7B%22apiKey%22%3A%22secret-4%22%7D"),
        ("/", &[("content-type", "application/json")], nested),
        ("/", &[("Private-Token", "secret-1"), ("x-xsrf-token", "secret-2"), ("x-goog-api-key", "secret-3")], b""),
        ("/", &[("x-original-url", "/a?sig=secret-1"), ("x-envoy-original-path", "/b?token=secret-2")], b""),
        ("/", &[("referer", "https://me:secret-1@a.example/?token=secret-2"), ("origin", "http://secret-3@a")], b""),
        ("/api/v1/namespaces/a/secrets/b", &[("content-type", "application/merge-patch+json")], br#"{"data":{"x":"secret-1"}}"#),
        ("/apply", &[], br#"{"kind":"Secret","stringData":{"x":"secret-1"},"metadata":{"annotations":{"k/last-applied-configuration":"secret-2"}}}"#),
    ];
    for (path, fields, body) in cases {
        let mut entry = entry(path, fields, Some(body));
        scrubber(Secrets::default()).scrub(&mut entry).unwrap();
        let line = serde_json::to_string(&entry).unwrap();
        assert!(line.contains("scrubbed-") && !line.contains("secret-"), "{line}");
        assert_eq!(entry.lost, [lost::SECRETS]);
    }
}

#[test]
fn a_secret_is_looked_for_everywhere() {
    let fields = [
        ("authorization", "Basic dXNlcjpzM2NyZXQvcGFzcw=="), // user:s3cret/pass
        ("referer", "https://a.example/back?p=s3cret%2Fpass"),
        ("x-note", "say s3cret/pass"),
    ];
    let mut entry =
        entry("/reset/s3cret%2fpass", &fields, Some(b"is s3cret/pass, {\"json\":\"s3cret\\/pass\"}"));
    entry.claims =
        serde_json::from_str(r#"{"jwt":{"sub":"a","seen":["s3cret/pass"],"password":17}}"#).unwrap();
    scrubber(Secrets::default()).scrub(&mut entry).unwrap();
    let line = serde_json::to_string(&entry).unwrap();
    assert!(!line.contains("s3cret"), "{line}");
    assert_eq!(entry.claims["jwt"]["password"].as_u64().unwrap().to_string().len(), 15);
}

#[test]
fn a_secret_is_remembered_from_one_entry_to_the_next() {
    let telling = entry("/a", &[("authorization", "Bearer remembered-token")], None);
    let holding = entry("/b", &[("x-note", "remembered-token")], None);
    let mut scrubber = scrubber(Secrets::default());
    let mut early = holding.clone();
    scrubber.scrub(&mut early).unwrap();
    assert_eq!(early, holding, "nothing told yet that it is secret");
    scrubber.learn(&telling);
    let mut late = holding.clone();
    scrubber.scrub(&mut late).unwrap();
    assert!(value(&late, "x-note").starts_with("scrubbed-"));
}

/// Header fields, a body, and a part of the refusal.
type Case<'a> = (Fields<'a>, &'a [u8], &'a str);
type Fields<'a> = &'a [(&'a str, &'a str)];

#[test]
fn what_cannot_be_scrubbed_is_refused() {
    let json = ("content-type", "application/json");
    let cases: [Case; 14] = [
        (&[json], b"{\"password\": \"x\"", "says that it is JSON and is not"),
        (&[json], b"\xff{}", "says that it is JSON and is not"),
        (&[json, ("content-encoding", "gzip")], b"\x1f\x8b", "has a content encoding"),
        (
            &[("content-type", "multipart/form-data; boundary=x")],
            b"--x\r\ncontent-disposition: form-data; name=\"password\"\r\n\r\nx",
            "the part `password` of its multipart body is secret",
        ),
        (&[("x-api-key", "a.example-key"), (":authority", "a.example-key")], b"", "in `:authority`"),
        (&[("x-api-key", "binary-key")], b"\xff\x00binary-key", "in the body"),
        (&[("x-api-key", "x-name-of-key"), ("x-name-of-key", "1")], b"", "the name of a header field"),
        (&[(":authority", "user:pass@a.example")], b"", "`:authority` holds credentials"),
        (&[("Content-Type", "application/json")], b"{\"password\": \"x\"", "says that it is JSON and is not"),
        (&[("Content-Encoding", "GZIP")], b"\x1f\x8b", "has a content encoding"),
        (&[("content-encoding", "identity"), ("content-encoding", "br")], b"x", "has a content encoding"),
        (&[("content-type", "text/plain"), json], b"x", "says twice what it is"),
        (
            &[("content-type", "text/xml")],
            b"<user><newPassword>x</newPassword></user>",
            "names a `newPassword`",
        ),
        (&[json], br#"{"query":"mutation { login(user: \"a\", password: \"b\") }"}"#, "names a `password`"),
    ];
    for (fields, body, why) in cases {
        let mut entry = entry("/", fields, Some(body));
        let before = entry.clone();
        let refusal = scrubber(Secrets::default()).scrub(&mut entry).unwrap_err().to_string();
        assert!(refusal.contains(why) && refusal.starts_with("entry `a` must not be written"), "{refusal}");
        assert_eq!(entry, before);
    }
    let mut cut = entry("/", &[], Some(b"half"));
    cut.lose(lost::BODY);
    assert!(scrubber(Secrets::default()).scrub(&mut cut).unwrap_err().why.contains("not whole"));
    scrubber(Secrets::default().unreadable(Unreadable::TakeOut)).scrub(&mut cut).unwrap();
    assert!(cut.request.body.is_none() && !cut.is_whole());
}

#[test]
fn no_dummy_is_left_of_what_real_tools_wrote() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut written = 0;
    for name in
        ["har/chromium-http1.har", "har/mitmproxy.har", "tap/buffered.pb", "vcr/ruby.yml", "vcr/vcrpy.yaml"]
    {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let secrets = Secrets::default().pointer("/card/number").unwrap().pointer("/gzip").unwrap();
        let mut scrubber = scrubber(secrets.unreadable(Unreadable::TakeOut));
        for item in open(bytes.as_slice(), &Options::default()).unwrap() {
            let Imported::Entry(mut entry) = item.unwrap() else { continue };
            scrubber.scrub(&mut entry).unwrap();
            let line = serde_json::to_string(&entry).unwrap();
            assert!(!line.contains("dummy") && !line.contains("4111"), "{name}: {line}");
            written += 1;
        }
    }
    assert_eq!(written, 9 + 13 + 9 + 5 + 6);
}

/// A value that is secret somewhere, and whether it is one that must be looked for elsewhere.
fn secret() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9/+%&=;\"\\\\ éß☕_.-]{8,24}".prop_map(|text| format!("<{}>", text.trim()))
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// An entry with `secret` in places `told` that say that it is secret, and in places `held` that do not.
fn with_secret(secret: &str, told: usize, held: &[bool]) -> Entry {
    let quoted = serde_json::to_string(secret).unwrap();
    let at = |place: usize, text: String| if held[place] { text } else { "nothing".into() };
    let mut path = format!("/p/{}?q={}", at(0, encoded(secret)), at(1, encoded(secret)));
    let mut fields = vec![("x-note".to_owned(), at(2, secret.to_owned()))];
    fields.push(("referer".into(), format!("https://a.example/?r={}", at(3, encoded(secret)))));
    let json =
        format!("{{\"free\": {}, \"list\": [1, {}]", at(4, quoted.clone()).replace("nothing", "0"), quoted);
    let mut text = if held[5] { format!("{json}}}") } else { "{\"a\": 1}".into() };
    match told {
        0 => fields.push(("authorization".into(), format!("Bearer {secret}"))),
        1 => fields.push(("x-api-key".into(), secret.to_owned())),
        2 => fields.push(("cookie".into(), format!("a=1; b={}", encoded(secret)))),
        3 => path.push_str(&format!("&token={}", encoded(secret))),
        4 => text = format!("{{\"password\": {quoted}, \"more\": {text}}}"),
        _ => text = format!("{{\"deep\": [{{\"place\": {quoted}}}], \"more\": {text}}}"),
    }
    let kind = if held[6] { "application/json" } else { "text/plain" };
    fields.push(("content-type".into(), kind.into()));
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    entry(&path, &fields, Some(text.as_bytes()))
}

/// All strings that a reader of the line gets, decoded in every way that is usual.
fn readings(entry: &Entry) -> Vec<String> {
    let mut all = vec![serde_json::to_string(entry).unwrap()];
    let values = entry
        .request
        .headers
        .iter()
        .map(|(_, value)| &value.0)
        .chain(entry.request.body.iter().map(|body| &body.0));
    for bytes in values {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let plus = text.replace('+', " ");
        all.push(percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned());
        all.push(percent_encoding::percent_decode_str(&plus).decode_utf8_lossy().into_owned());
        if let Ok(json) = serde_json::from_str::<serde_json::Value>(&text) {
            strings(&json, &mut all);
        }
        all.push(text);
    }
    all
}

fn strings(value: &serde_json::Value, all: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => all.push(text.clone()),
        serde_json::Value::Array(values) => values.iter().for_each(|value| strings(value, all)),
        serde_json::Value::Object(values) => values.values().for_each(|value| strings(value, all)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_scrubbed_secret_is_in_any_emitted_byte(
        secret in secret(),
        told in 0usize..6,
        held in prop::collection::vec(any::<bool>(), 7),
    ) {
        let secrets = Secrets::default().pointer("/deep/*/place").unwrap();
        let mut entry = with_secret(&secret, told, &held);
        if scrubber(secrets).scrub(&mut entry).is_ok() {
            for reading in readings(&entry) {
                prop_assert!(!reading.contains(&secret), "{secret} is in {reading}");
            }
        }
    }

    /// Refusing is safe, but must not be all that it does.
    #[test]
    fn plain_tokens_are_scrubbed_and_not_refused(
        secret in "[a-zA-Z0-9_.-]{12,24}",
        told in 0usize..6,
        held in prop::collection::vec(any::<bool>(), 7),
    ) {
        let secrets = Secrets::default().pointer("/deep/*/place").unwrap();
        let mut entry = with_secret(&secret, told, &held);
        prop_assert!(scrubber(secrets).scrub(&mut entry).is_ok());
        prop_assert!(!serde_json::to_string(&entry).unwrap().contains(&secret));
    }
}
