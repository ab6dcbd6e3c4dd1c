//! URIs in messages: some servers compare them as they are, some as their library writes them again.

use std::fmt;
use std::net::Ipv4Addr;

use crate::denial::Denial;
use crate::reading::{Relaxed, Rule};

/// Schemes whose URLs the URL standard writes again in its own way (WHATWG URL section 3.1).
const SPECIAL: [&str; 6] = ["file", "ftp", "http", "https", "ws", "wss"];

/// Their default ports, which are left out.
const PORTS: [&str; 3] = [":21", ":80", ":443"];

/// Refuses a URI that a library could write in another way: the URL standard's own serialisation is the one spelling.
///
/// # Errors
/// [`Rule::DotSegments`] and [`Rule::UriSpelling`], naming `place`.
pub(super) fn check(uri: &str, relaxed: &Relaxed, place: fmt::Arguments<'_>) -> Result<(), Denial> {
    Rule::DotSegments.refuse_if(has_dot_segments(uri), relaxed, place)?;
    Rule::UriSpelling.refuse_if(!is_canonical(uri), relaxed, place)
}

/// Whether a URI has a segment that some resolve and some do not (RFC 3986 section 5.2.4), encoded or not.
fn has_dot_segments(uri: &str) -> bool {
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    let dots = |segment: &str| {
        let plain = segment.replace("%2e", ".").replace("%2E", ".");
        plain == "." || plain == ".."
    };
    path.split(['/', '\\']).any(dots)
}

fn is_canonical(uri: &str) -> bool {
    // What is no URI is written again by nobody.
    let Some((scheme, rest)) = uri.split_once(':') else { return has_plain_bytes(uri) };
    let named = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
    let special = SPECIAL.contains(&scheme);
    named && has_plain_bytes(rest) && has_needed_escapes(rest) && has_plain_authority(scheme, rest, special)
}

/// Nothing that is escaped or cut when it is written again.
fn has_plain_bytes(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>\\^`{|}".contains(&byte))
}

/// Every `%` escapes a byte, and none that needs no escape (RFC 3986 section 6.2.2.2).
fn has_needed_escapes(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        byte.is_some_and(|byte| !(byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)))
    })
}

fn has_plain_authority(scheme: &str, rest: &str, special: bool) -> bool {
    let Some(rest) = rest.strip_prefix("//") else { return !special };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if scheme == "file" {
        return authority.is_empty() && path.starts_with('/') && !path.starts_with("//");
    }
    let (host, port) = match authority.rfind(':').and_then(|at| authority.split_at_checked(at)) {
        Some((host, port)) if !authority.ends_with(']') => (host, port),
        _ => (authority, ""),
    };
    let digits = port.get(1..).unwrap_or_default();
    let plain_port = port.is_empty() || (digits.parse::<u16>().is_ok_and(|port| port.to_string() == digits));
    let plain = !authority.contains(['@', '%']) && plain_port;
    plain && (!special || (path.starts_with('/') && is_host(host) && !PORTS.contains(&port)))
}

/// A name in lower case, or an IPv4 address in its one form. Addresses of version 6 have too many.
fn is_host(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let number = last.starts_with(|first: char| first.is_ascii_digit());
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
    let address = host.parse::<Ipv4Addr>().is_ok_and(|address| address.to_string() == host);
    !last.is_empty() && host.bytes().all(plain) && (!number || address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_that_climbs_is_noticed() {
        let cases = [
            ("file:///a/b", false),
            ("file:///a/../b", true),
            ("file:///a/%2E%2e/b", true),
            ("file:///a/.", true),
            ("file:///a/...", false),
            ("app://x?y=/../", false),
        ];
        for (uri, expected) in cases {
            assert_eq!(has_dot_segments(uri), expected, "{uri}");
        }
    }

    #[test]
    fn a_uri_has_one_spelling() {
        for uri in [
            "file:///secret",
            "docs://handbook",
            "docs://Handbook/a?b=c#d",
            "urn:isbn:1",
            "https://a.example/x%2Fy?q=%20",
            "http://10.0.0.1:8080/",
            "repo://owner/name/contents/a.rs",
            "handbook",
            "custom+x:opaque",
        ] {
            assert!(is_canonical(uri), "{uri}");
        }
        for uri in [
            "FILE:///secret",
            " file:///secret",
            "file:/secret",
            "file:\\secret",
            "file://localhost/secret",
            "file:////secret",
            "file:///%73ecret",
            "file:///a b",
            "file:///a|b",
            "https://a.example",
            "https://A.example/",
            "https://a.example:443/",
            "https://a.example:/",
            "https://a.example:080/",
            "https://@a.example/",
            "https://u:p@a.example/",
            "http://0x7f.1/",
            "http://127.1/",
            "http://[::1]/",
            "https:a.example/",
            "docs://a:/x",
            "docs://größe",
            "file:///%",
            "file:///%zz",
            "https://a.example./",
            "1a:b",
        ] {
            assert!(!is_canonical(uri), "{uri}");
        }
    }
}
