//! A path: its segments are those that two other parsers of URLs read.

use std::sync::LazyLock;

use countersign_core::reading::{Reading, Relaxed};
use countersign_core::value::Value;
use fluent_uri::Uri;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::world::{Takes, request};

/// An input is `:path`.
pub(crate) fn run(path: &[u8]) -> bool {
    let facts = request("GET", path, &[], b"");
    let reading = Reading::of(&facts, &Relaxed::default());
    assert_eq!(reading, Reading::of(&facts, &Relaxed::default()), "read in two ways");
    let Ok(reading) = reading else { return false };
    let whole = format!("https://api.test{}", str::from_utf8(path).expect("an accepted path is text"));
    assert_eq!(reading.segments, by_url(&whole), "`url` reads other segments");
    // A query may have a `%` that escapes nothing, as long as policy does not read it.
    let plain = whole.split('?').next().unwrap_or_default();
    match by_fluent_uri(plain) {
        Some(segments) => assert_eq!(reading.segments, segments, "`fluent-uri` reads other segments"),
        None => assert!(!plain.bytes().all(is_strict), "`fluent-uri` reads no URI"),
    }
    static TAIL: LazyLock<Takes> = LazyLock::new(|| Takes::new(&[("GET", "/{x*}", "path.x", "String")]));
    if let Ok(Some(tail)) = TAIL.from(&facts) {
        assert_eq!(tail, Value::String(reading.segments.join("/")), "policy reads another path");
    }
    true
}

/// The segments of a URL as browsers read it (WHATWG URL), decoded.
pub(crate) fn by_url(whole: &str) -> Vec<String> {
    let url = Url::parse(whole).expect("a browser reads what is accepted");
    let segments = url.path_segments().expect("it has a path");
    segments.map(|raw| percent_decode_str(raw).decode_utf8().expect("it is UTF-8").into_owned()).collect()
}

/// The segments of a URI (RFC 3986), decoded; nothing when it is none.
fn by_fluent_uri(whole: &str) -> Option<Vec<String>> {
    let uri = Uri::parse(whole).ok()?;
    let segments = uri.path().segments_if_absolute()?;
    Some(segments.map(|raw| raw.decode().to_string().expect("it is UTF-8").into_owned()).collect())
}

/// Whether a path has the character in RFC 3986; browsers and gateways let `"<>[\]^{|}` and the backtick pass.
fn is_strict(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/".contains(&byte)
}
