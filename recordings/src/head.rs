//! The header section of a request as a filter sees it, made of a method, a URL and what a tool wrote down.

use countersign_protocol::recording::{Bytes, lost};

use crate::surrogates::bytes;

/// What a gateway takes out before it hands the header fields to filters: `host` becomes `:authority`, the rest is
/// about the connection (RFC 9110 section 7.6.1).
const TAKEN_OUT: [&str; 5] = ["connection", "host", "keep-alive", "proxy-connection", "transfer-encoding"];

/// A header section.
#[derive(Debug, Default)]
pub(crate) struct Head {
    /// Pseudo-headers first, names in lower case.
    pub(crate) fields: Vec<(String, Bytes)>,
    /// What of it is not as it was.
    pub(crate) lost: Vec<&'static str>,
}

/// The parts of an absolute URL, as they are written.
#[derive(Debug, PartialEq, Eq)]
struct Url<'a> {
    scheme: &'a str,
    authority: &'a str,
    path: String,
}

impl<'a> Url<'a> {
    /// Keeps path and query byte for byte; what comes after `#` and the user before `@` are never sent.
    fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let rest = rest.split('#').next()?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        let authority = authority.rsplit('@').next()?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Some(Self { scheme, authority, path })
    }

    fn authority(&self) -> &'a str {
        let port = match self.scheme {
            "http" => ":80",
            "https" => ":443",
            _ => return self.authority,
        };
        self.authority.strip_suffix(port).unwrap_or(self.authority)
    }
}

impl Head {
    /// Puts a header section together. The error says why there is no request to replay.
    pub(crate) fn new(method: &str, url: &str, written: Vec<(String, String)>) -> Result<Self, String> {
        let parsed = Url::parse(url).ok_or_else(|| "its URL has no scheme and host".to_owned())?;
        match parsed.scheme {
            "http" | "https" => {}
            "ws" | "wss" => return Err("a WebSocket".into()),
            scheme => return Err(format!("its URL's scheme is `{scheme}`")),
        }
        if method.is_empty() || method.eq_ignore_ascii_case("CONNECT") {
            return Err(format!("its method is `{method}`"));
        }
        let named = |name: &str| {
            written.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
        };
        let authority = named(":authority").or(named("host")).unwrap_or(parsed.authority());
        let pseudo = [
            (":method", method),
            (":scheme", named(":scheme").unwrap_or(parsed.scheme)),
            (":authority", authority),
            (":path", named(":path").unwrap_or(&parsed.path)),
        ];
        let pseudo = pseudo.map(|(name, value)| (name.to_owned(), Bytes(bytes(value))));
        let mut lost = Vec::new();
        if is_sorted(&written) {
            lost.push(lost::HEADER_ORDER);
        }
        if written.iter().any(|(_, value)| !value.is_ascii()) {
            lost.push(lost::HEADER_BYTES);
        }
        let rest = written.into_iter().filter_map(field);
        Ok(Self { fields: pseudo.into_iter().chain(rest).collect(), lost })
    }
}

fn field((name, value): (String, String)) -> Option<(String, Bytes)> {
    let name = name.trim().to_ascii_lowercase();
    let kept = !name.is_empty() && !name.starts_with(':') && !TAKEN_OUT.contains(&name.as_str());
    kept.then(|| (name, Bytes(bytes(&value))))
}

/// Nobody sends header fields in alphabetical order: the tool sorted them.
fn is_sorted(fields: &[(String, String)]) -> bool {
    let names = || fields.iter().map(|(name, _)| name).filter(|name| !name.starts_with(':'));
    names().count() > 2 && (names().is_sorted() || names().map(|name| name.to_ascii_lowercase()).is_sorted())
}

/// The values of a field.
pub(crate) fn values<'a>(fields: &'a [(String, Bytes)], name: &str) -> impl Iterator<Item = &'a [u8]> {
    let named = fields.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.0.trim_ascii())
}

/// The first value of a field, as text.
pub(crate) fn value<'a>(fields: &'a [(String, Bytes)], name: &str) -> Option<&'a str> {
    str::from_utf8(values(fields, name).next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: &str, url: &str, fields: &[(&str, &str)]) -> Result<Vec<(String, String)>, String> {
        let fields = fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let head = Head::new(method, url, fields)?;
        Ok(head.fields.into_iter().map(|(name, value)| (name, String::from_utf8(value.0).unwrap())).collect())
    }

    fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn pseudo_headers_are_made_of_the_url() {
        let fields = [("Host", "a.example:8080"), ("X-B", "1"), ("Connection", "close"), ("x-b", "2")];
        assert_eq!(
            head("GET", "http://u:p@a.example:8080?q=%C3%a9#f", &fields).unwrap(),
            pairs(&[
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "a.example:8080"),
                (":path", "/?q=%C3%a9"),
                ("x-b", "1"),
                ("x-b", "2"),
            ])
        );
        let plain = head("PUT", "https://a.example:443/%2F//x?", &[]).unwrap();
        assert_eq!(plain[2..], pairs(&[(":authority", "a.example"), (":path", "/%2F//x?")]));
    }

    #[test]
    fn what_is_no_http_request_says_so() {
        for (method, url) in [
            ("GET", "wss://a.example/"),
            ("GET", "data:,x"),
            ("GET", "chrome-extension://x/y"),
            ("CONNECT", "https://a.example/"),
            ("", "https://a.example/"),
        ] {
            assert!(head(method, url, &[]).is_err(), "{url}");
        }
    }
}
