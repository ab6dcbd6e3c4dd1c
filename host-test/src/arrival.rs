//! What Envoy's connection manager makes of the header fields that a client sends, before any filter sees them.
//!
//! Envoy, `source/common/http/conn_manager_utility.cc` and `header_map_impl.cc`, with `use_remote_address: true`, for
//! HTTP/1.1. What it refuses by itself is not here: `docs/harness-differences.md` of this repository lists that.

use std::net::IpAddr;

use crate::cluster::{Fields, find};
use crate::fields::{add, remove, set};

/// Fields of which Envoy keeps one: two of them become one, joined by a comma, in the place of the first.
const JOINED: [&str; 30] = [
    "accept",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-type",
    "expect",
    "grpc-accept-encoding",
    "grpc-timeout",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "origin",
    "pragma",
    "referer",
    "te",
    "upgrade",
    "user-agent",
    "via",
    "x-client-trace-id",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-request-id",
];

/// Fields that are about the connection, and end with it.
const HOPS: [&str; 4] = ["keep-alive", "proxy-connection", "transfer-encoding", "x-forwarded-client-cert"];

/// Words of `connection` that name no field to take away.
const WORDS: [&str; 5] = ["close", "http2-settings", "keep-alive", "te", "upgrade"];

/// Where a request comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrival {
    /// The other end of the connection.
    pub peer: Option<IpAddr>,
    /// What the gateway calls the request where its client does not, or must not.
    pub request_id: String,
}

/// The fields as the first filter sees them.
#[must_use]
pub fn arriving(mut headers: Fields, arrival: &Arrival) -> Fields {
    for (_, value) in &mut headers {
        *value = value.trim_ascii().to_vec();
    }
    JOINED.iter().for_each(|name| join(&mut headers, name));
    hops(&mut headers);
    if find(&headers, "expect").is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue")) {
        remove(&mut headers, b"expect");
    }
    if let Some(peer) = arrival.peer {
        let known = find(&headers, "x-forwarded-for").map(|value| [value, b","].concat()).unwrap_or_default();
        set(&mut headers, b"x-forwarded-for", &[known.as_slice(), peer.to_string().as_bytes()].concat());
    }
    let scheme = find(&headers, ":scheme").unwrap_or(b"http").to_vec();
    set(&mut headers, b"x-forwarded-proto", &scheme);
    if find(&headers, "x-request-id").is_none() {
        add(&mut headers, b"x-request-id", arrival.request_id.as_bytes());
    }
    headers
}

fn join(headers: &mut Fields, name: &str) {
    let values: Vec<_> = values(headers, name).collect();
    if values.len() > 1 {
        let joined = values.join(&b","[..]);
        set(headers, name.as_bytes(), &joined);
    }
}

fn values<'a>(headers: &'a Fields, name: &str) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |(known, _)| known == name.as_bytes()).map(|(_, value)| value.as_slice())
}

/// Takes away what is for the gateway alone, and what `connection` says is. An upgrade stays as it is.
fn hops(headers: &mut Fields) {
    let words = |name: &str| -> Vec<Vec<u8>> {
        let words = values(headers, name).flat_map(|value| value.split(|byte| *byte == b','));
        words.map(|word| word.trim_ascii().to_ascii_lowercase()).collect()
    };
    let (connection, te) = (words("connection"), words("te"));
    HOPS.iter().for_each(|name| remove(headers, name.as_bytes()));
    if connection.iter().any(|word| word == b"upgrade") && find(headers, "upgrade").is_some() {
        return;
    }
    let named = |word: &&Vec<u8>| !WORDS.iter().any(|known| word.as_slice() == known.as_bytes());
    connection.iter().filter(named).for_each(|name| remove(headers, name));
    for name in ["connection", "upgrade"] {
        remove(headers, name.as_bytes());
    }
    match te.iter().any(|word| word == b"trailers") {
        true => set(headers, b"te", b"trailers"),
        false => remove(headers, b"te"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().map(|(name, value)| (name.as_bytes().into(), value.as_bytes().into())).collect()
    }

    fn arrived(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let arrival = Arrival { peer: "10.1.2.3".parse().ok(), request_id: "id".into() };
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let all =
            arriving(fields(pairs), &arrival).into_iter().map(|(name, value)| (text(name), text(value)));
        all.filter(|(name, _)| {
            !["x-forwarded-proto", "x-request-id", "x-forwarded-for"].contains(&name.as_str())
        })
        .collect()
    }

    fn become_(sent: &[(&str, &str)], expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        assert_eq!(arrived(sent), expected);
    }

    #[test]
    fn some_fields_are_joined_and_others_stay_apart() {
        become_(
            &[("user-agent", "a"), ("x-b", "1"), ("user-agent", " b "), ("x-b", "2")],
            &[("user-agent", "a,b"), ("x-b", "1"), ("x-b", "2")],
        );
    }

    #[test]
    fn what_is_about_the_connection_ends_with_it() {
        become_(
            &[("connection", "keep-alive, X-A"), ("x-a", "1"), ("x-b", "2"), ("upgrade", "h2c")],
            &[("x-b", "2")],
        );
        become_(&[("te", "gzip, trailers"), ("keep-alive", "timeout=5")], &[("te", "trailers")]);
        become_(&[("te", "gzip"), ("transfer-encoding", "chunked"), ("expect", "100-Continue")], &[]);
        let upgrade = [("connection", "Upgrade"), ("upgrade", "websocket")];
        become_(&upgrade, &upgrade);
    }

    #[test]
    fn the_gateway_says_where_it_comes_from() {
        let arrival = Arrival { peer: "10.1.2.3".parse().ok(), request_id: "id".into() };
        let sent = fields(&[(":scheme", "https"), ("x-forwarded-for", "a"), ("x-forwarded-proto", "http")]);
        let expected = [
            (":scheme", "https"),
            ("x-forwarded-for", "a,10.1.2.3"),
            ("x-forwarded-proto", "https"),
            ("x-request-id", "id"),
        ];
        assert_eq!(arriving(sent, &arrival), fields(&expected));
    }
}
