//! An address as `curl` reads it: what it sends of it is what is there, not what it could also be.

use std::fmt::Write as _;

/// An address in the parts that a request has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    /// `http` or `https`.
    pub(super) scheme: String,
    /// Host and port, as they are written.
    pub(super) authority: String,
    /// Path and query, as they are written.
    pub(super) path: String,
    /// `user:password`, decoded.
    pub(super) user: Option<Vec<u8>>,
}

/// Why a text is no address that a request can be made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another protocol.
    #[error("`{0}` is neither http nor https")]
    Scheme(String),
    /// No host, or what no address has.
    #[error("`{0}` is no address")]
    Malformed(String),
    /// `curl` makes several requests of it.
    #[error("`curl` makes several addresses of `{0}`: use `-g`, or write the one that is meant")]
    Glob(String),
    /// `curl` sends another path.
    #[error("`curl` takes `/./` and `/../` out of `{0}`: write the path that is meant")]
    Dots(String),
}

impl Url {
    /// Reads an address; without a protocol it is http.
    pub(super) fn parse(text: &str, no_glob: bool) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let scheme = scheme.to_ascii_lowercase();
        if !["http", "https"].contains(&scheme.as_str()) {
            return Err(UrlError::Scheme(scheme));
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (place, path) = match rest.find(['/', '?']).and_then(|end| rest.split_at_checked(end)) {
            Some((place, path)) => (place, path),
            None => (rest, ""),
        };
        let (user, authority) =
            place.rsplit_once('@').map_or((None, place), |(user, rest)| (Some(user), rest));
        let odd = |letter: char| letter.is_whitespace() || letter.is_control();
        if authority.is_empty() || text.contains(odd) {
            return Err(UrlError::Malformed(text.into()));
        }
        if !no_glob && [place.trim_start_matches('['), path].iter().any(|part| part.contains(['{', '['])) {
            return Err(UrlError::Glob(text.into()));
        }
        let mut segments = path.split('?').next().unwrap_or_default().split('/');
        if segments.any(|segment| [".", ".."].contains(&segment)) {
            return Err(UrlError::Dots(text.into()));
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self {
            scheme,
            authority: authority.into(),
            path: format!("{slash}{path}"),
            user: user.map(decode),
        })
    }

    /// Adds to the query, as `-G` does.
    pub(super) fn add_query(&mut self, query: &str) {
        let joint = match self.path.split_once('?') {
            None => "?",
            Some((_, "")) => "",
            Some(_) => "&",
        };
        self.path.extend([joint, query]);
    }
}

/// All but RFC 3986's unreserved characters as `%XX`.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            out.push(char::from(*byte));
        } else {
            // Writing to a string does not fail.
            _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn decode(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        let digits = bytes.clone().take(2).collect::<Vec<_>>();
        let value = str::from_utf8(&digits).ok().filter(|digits| digits.len() == 2);
        match value.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| byte == b'%') {
            Some(value) => {
                out.push(value);
                bytes.nth(1);
            }
            None => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_curl_reads_it() {
        let cases = [
            ("a.example", "http", "a.example", "/", None),
            ("https://A.example:8443/x/?q=1#there", "https", "A.example:8443", "/x/?q=1", None),
            ("a.example?q={1}", "http", "a.example", "/?q={1}", None),
            ("http://u%40b:p@a.example/x", "http", "a.example", "/x", Some("u@b:p")),
            ("http://[::1]:80/x", "http", "[::1]:80", "/x", None),
        ];
        for (text, scheme, authority, path, user) in cases {
            let url = Url::parse(text, text.contains('{')).unwrap();
            let user = user.map(|user| user.as_bytes().to_vec());
            let expected =
                Url { scheme: scheme.into(), authority: authority.into(), path: path.into(), user };
            assert_eq!(url, expected, "{text}");
        }
    }

    #[test]
    fn what_curl_would_not_send_as_it_is_written_is_refused() {
        for text in
            ["ftp://a/", "http:///x", "http://a/x y", "http://a/{b,c}", "http://a/[1-3]", "http://a/b/../c"]
        {
            assert!(Url::parse(text, false).is_err(), "{text}");
        }
    }
}
