//! What a client should not send, or sends seldom.

use countersign_protocol::recording::Bytes;
use fastrand::Rng;
use serde_json::{Value, json};

use super::generate::chance;

/// One of a few, none of which is more likely.
pub(crate) fn pick<T: Copy + Default>(rng: &mut Rng, from: &[T]) -> T {
    from.get(rng.usize(0..from.len().max(1))).copied().unwrap_or_default()
}

/// Names in certificates.
pub(crate) const NAMES: [&str; 3] =
    ["spiffe://example.org/ci/build", "spiffe://example.org/unknown", "spiffe://elsewhere.example/ci"];

/// Put behind a path.
pub(crate) const PATHS: [&[u8]; 24] = [
    b"/",
    b"//x",
    b"/../b",
    b"/./b",
    b"/%2e%2e/b",
    b"%2fb",
    b"%5Cb",
    b"\\b",
    b"%00",
    b"%0a",
    b"%zz",
    b"%",
    b"%2541",
    b"%25",
    b"%41",
    b"%c3%bc",
    b"%ff",
    b";v=1",
    b"+b",
    b":b",
    b"~!$&'()*,=@",
    b"\"<>^`{|}",
    b"/extra",
    b"A",
];

/// Put behind all that.
pub(crate) const QUERIES: [&[u8]; 14] = [
    b"?",
    b"?q=1",
    b"?q=1&q=2",
    b"?q=a+b",
    b"?q=a;b",
    b"?q=%00",
    b"?q=%ff",
    b"?q=%c3%bc&other=1",
    b"?q",
    b"?Q=1",
    b"?q=%2f..%2f",
    b"??q=1",
    b"?q=a#b",
    b"?other=//",
];

/// Header fields, beside others.
pub(crate) const FIELDS: [(&str, &[u8]); 56] = [
    ("x-tags", b"a, b"),
    ("x-tags", b"c"),
    ("x-tags", b"\xff"),
    ("X-Confirm", b"yes"),
    ("x-confirm", b"no"),
    ("x-confirm", b""),
    ("x-confirm", b"\xc3\x28"),
    ("x_confirm", b"yes"),
    ("x-other", b"1"),
    ("x-other", b"2"),
    ("x_other", b"3"),
    ("X-MiXeD", b"Value"),
    ("x!odd#name", b"1"),
    ("x-latin", b"caf\xe9"),
    ("x-tab", b"a\tb"),
    ("x-comma", b"a,,b"),
    ("x-long", &[b'l'; 4_000]),
    ("x-api-key", b"secret"),
    ("x-user", b"ana"),
    ("x-user", b"ben"),
    ("cookie", b"a=1"),
    ("cookie", b"b=2"),
    ("accept", b"text/html"),
    ("accept-encoding", b"gzip"),
    ("accept-language", b"de"),
    ("cache-control", b"no-cache"),
    ("content-type", b"text/plain"),
    ("content-type", b"application/json; charset=latin1"),
    ("content-encoding", b"gzip"),
    ("content-encoding", b"identity"),
    ("content-language", b"de"),
    ("user-agent", b"another/2.0"),
    ("authorization", b"Basic YTpi"),
    ("referer", b"http://a.example/"),
    ("range", b"bytes=0-1"),
    ("idempotency-key", b"k1"),
    ("date", b"Thu, 01 Jan 1970 00:00:00 GMT"),
    ("via", b"1.1 proxy"),
    ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("x-request-id", b"mine"),
    ("x-forwarded-for", b"198.51.100.7"),
    ("x-forwarded-proto", b"https"),
    ("x-forwarded-host", b"other.example"),
    ("x-envoy-max-retries", b"3"),
    ("x-envoy-external-address", b"198.51.100.8"),
    ("x-envoy-upstream-rq-timeout-ms", b"1"),
    ("countersign-decision", b"allowed"),
    ("x-http-method-override", b"DELETE"),
    ("x-original-url", b"/admin"),
    ("connection", b"keep-alive"),
    ("connection", b"x-other"),
    ("te", b"trailers"),
    ("te", b"gzip"),
    ("expect", b"100-continue"),
    ("keep-alive", b"timeout=5"),
    ("countersign-justification", b"twice"),
];

/// Bodies that are hard to read, or not JSON.
pub(crate) const BODIES: [&[u8]; 22] = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"{}",
    b"\xff\xfe",
    b"\xef\xbb\xbf{\"name\":\"a\",\"amount\":200}",
    b"{\"name\":\"a\",\"amount\":1,\"amount\":200}",
    b"{\"name\":\"a\",\"amount\":1,\"Amount\":200}",
    b"{\"name\":\"a\",\"amount\":200}x",
    b"{\"name\":\"a\",\"amount\":200}\n \t",
    b" {\"amount\" : 200 ,\r\n\"name\":\"a\"}",
    b"{\"name\":\"a\",\"amount\":200.0}",
    b"{\"name\":\"a\",\"amount\":2e2}",
    b"{\"name\":\"a\",\"amount\":-0}",
    b"{\"name\":\"a\",\"amount\":99999999999999999999}",
    b"{\"name\":\"a\",\"amount\":\"200\"}",
    b"{\"name\":null,\"amount\":200}",
    b"{\"name\":\"\\ud800\",\"amount\":200}",
    b"{\"name\":\"\\u0000\",\"amount\":200}",
    b"{\"name\":\"a\",\"amount\":200,\"share\":\"0.1234\"}",
    b"{\"name\":\"a\",\"amount\":200,\"share\":0.12345}",
];

/// Fields behind a body.
pub(crate) fn trailers(rng: &mut Rng) -> Vec<(String, Bytes)> {
    let fields: [&[(&str, &[u8])]; 5] = [
        &[("x-checksum", b"1")],
        &[("x-checksum", b"1"), ("x-checksum", b"2"), ("x-b", b"\xff")],
        &[("content-type", b"text/plain")],
        &[("x-http-method-override", b"DELETE")],
        &[("X-Checksum", b"")],
    ];
    let picked = pick(rng, &fields);
    picked.iter().map(|(name, value)| ((*name).to_owned(), Bytes(value.to_vec()))).collect()
}

/// Another form of a host, or another host.
pub(crate) fn host(rng: &mut Rng, host: &str) -> String {
    match rng.u32(0..6) {
        0 => host.to_ascii_uppercase(),
        1 => format!("{host}:8080"),
        2 => format!("{host}."),
        3 => "unknown.example".into(),
        4 => format!("a_b.{host}"),
        _ => "[2001:db8::1]".into(),
    }
}

/// A token that says something else than who asks.
pub(crate) fn token(rng: &mut Rng, token: Value) -> Value {
    match rng.u32(0..6) {
        0 => json!({ "iss": "https://id.example" }),
        1 => json!({ "iss": "https://id.example", "sub": 7 }),
        2 => json!({ "iss": "https://id.example", "sub": "" }),
        3 => json!({ "iss": "https://id.example", "sub": "ana", "act": "bot" }),
        4 => json!({ "iss": "https://id.example", "sub": "ana", "act": { "iss": "x" } }),
        _ if chance(rng, 50) => Value::String("ana".into()),
        _ => token,
    }
}
