//! What is known to differ: requests that Envoy answers by itself, before any filter sees them, and what the harness
//! says of each. `docs/harness-differences.md` lists them.

use countersign_cli::replay::Played;
use countersign_protocol::recording::{Bytes, Entry};
use serde_json::json;

use super::compare::own_answer;

/// A request, and what comes of it here and there.
pub(crate) struct Row {
    /// What is odd about it, as the page says it.
    pub(crate) what: &'static str,
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    /// Header fields, besides those that every request has.
    pub(crate) fields: &'static [(&'static str, &'static [u8])],
    /// How Envoy calls its answer, and its status.
    pub(crate) envoy: (&'static str, u16),
    /// The filter's answer in the harness: its reason, if it has one, and the status.
    pub(crate) harness: (Option<&'static str>, u16),
}

const fn row(what: &'static str, method: &'static str, path: &'static str) -> Row {
    Row {
        what,
        method,
        path,
        fields: &[],
        envoy: ("http1.codec_error", 400),
        harness: (Some("ambiguous_request"), 400),
    }
}

/// All of them.
pub(crate) const ROWS: [Row; 8] = [
    Row { envoy: ("path_normalization_failed", 400), ..row("`#` in the path", "GET", "/items/a#b") },
    row("bytes beyond ASCII in the path", "GET", "/items/ü"),
    Row {
        harness: (Some("no_route"), 403),
        ..row("a method that Envoy's parser does not know, such as `M-SEARCH`", "M-SEARCH", "/items/a")
    },
    row("a method in small letters", "get", "/items/a"),
    Row { fields: &[("x(odd)", b"1")], ..row("a header name that is no token", "GET", "/items/a") },
    Row {
        fields: &[("x-odd", b"a\x01b")],
        envoy: ("http1.invalid_characters", 400),
        harness: (None, 200),
        ..row("a control character in a header value", "GET", "/items/a")
    },
    Row {
        fields: &[("content-length", b"0"), ("content-length", b"0")],
        ..row("two `content-length`", "GET", "/items/a")
    },
    Row {
        fields: &[("connection", b"upgrade"), ("upgrade", b"websocket")],
        envoy: ("upgrade_failed", 403),
        harness: (None, 200),
        ..row("`connection: upgrade`, when no upgrade is configured", "GET", "/items/a")
    },
];

/// Whether Envoy answered by itself, as it does for one of the rows, and nothing came to the upstream.
pub(crate) fn is_known(in_envoy: &Played) -> bool {
    let seen = &in_envoy.seen;
    let said = own_answer(in_envoy).map(|details| (details, seen.response.status()));
    seen.forwarded.is_none() && said.is_some_and(|said| ROWS.iter().any(|row| row.envoy == said))
}

/// The request of a row.
pub(crate) fn entry(row: &Row) -> Result<Entry, serde_json::Error> {
    let claims = json!({ "agents": { "iss": "https://id.example", "sub": "olga" } });
    let pseudo =
        [[":method", row.method], [":scheme", "http"], [":authority", "case.example"], [":path", row.path]];
    let mut entry: Entry = serde_json::from_value(json!({
        "v": 1, "id": row.what, "ts": 0, "fidelity": "client", "peer": { "address": "10.1.2.3" },
        "claims": claims, "request": { "headers": pseudo },
    }))?;
    let fields = row.fields.iter().map(|(name, value)| ((*name).to_owned(), Bytes(value.to_vec())));
    entry.request.headers.extend(fields);
    Ok(entry)
}
