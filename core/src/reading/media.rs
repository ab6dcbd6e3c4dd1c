//! The media type of a body, as its own header names it.

use std::collections::BTreeMap;

use super::headers::is_token;
use super::rules::Rule;
use crate::denial::Denial;

/// A media type (RFC 9110 section 8.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaType {
    /// Type and subtype in lower case, `application/json`.
    pub(crate) essence: String,
    /// Parameters, their names in lower case; each is there once.
    pub(crate) parameters: BTreeMap<String, String>,
}

impl MediaType {
    /// Reads the value of a `content-type`.
    ///
    /// # Errors
    /// [`Reason::Ambiguous`] for what is none, for a parameter that is there twice, and for quoted text with `;`,
    /// `"` or `\` inside: some split there.
    pub(super) fn parse(text: &str) -> Result<Self, Denial> {
        Self::read(text)
            .ok_or_else(|| Rule::MediaTypes.broken("`content-type` names no media type that is read"))
    }

    fn read(text: &str) -> Option<Self> {
        // An empty parameter is one to the grammar, and none to some readers, who then read no media type at all.
        let text = text.trim_matches([' ', '\t']);
        let text = text.strip_suffix(';').unwrap_or(text);
        let mut parts = text.split(';').map(|part| part.trim_matches([' ', '\t']));
        let essence = parts.next()?.to_ascii_lowercase();
        let (ty, subtype) = essence.split_once('/')?;
        if !(is_word(ty) && is_word(subtype)) {
            return None;
        }
        let mut parameters = BTreeMap::new();
        for part in parts {
            let (name, value) = part.split_once('=')?;
            // `boundary*=` and `boundary*0=` (RFC 2231) are the boundary to some, and nothing to others.
            if name.contains('*') {
                return None;
            }
            let quoted = value.strip_prefix('"').map(|rest| rest.strip_suffix('"'));
            let value = match quoted {
                Some(inside) => {
                    inside.filter(|inside| !inside.chars().any(|c| "\"\\".contains(c) || c.is_control()))?
                }
                None => Some(value).filter(|value| is_word(value))?,
            };
            let name = Some(name).filter(|name| is_word(name))?.to_ascii_lowercase();
            if parameters.insert(name, value.to_owned()).is_some() {
                return None;
            }
        }
        Some(Self { essence, parameters })
    }

    /// Whether it is gRPC, with whatever message format (gRPC over HTTP/2, `Content-Type`).
    pub(crate) fn is_grpc(&self) -> bool {
        is_grpc(&self.essence)
    }

    /// Whether its text is UTF-8, as far as it says.
    pub(crate) fn is_utf8(&self) -> bool {
        self.parameters.get("charset").is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8"))
    }
}

/// Whether a media type, in lower case, is gRPC.
pub(crate) fn is_grpc(essence: &str) -> bool {
    let format = essence.strip_prefix("application/grpc");
    format.is_some_and(|format| format.is_empty() || format.starts_with('+'))
}

/// Names have at most 127 characters (RFC 6838 section 4.2).
fn is_word(text: &str) -> bool {
    (1..=127).contains(&text.len()) && text.bytes().all(is_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_read_in_one_way() {
        let read = |text: &str| MediaType::parse(text).ok().map(|ty| (ty.essence.clone(), ty.is_utf8()));
        for (text, expected) in [
            ("application/json", Some(("application/json", true))),
            ("Application/JSON ; charset=\"UTF-8\";", Some(("application/json", true))),
            ("application/json;charset=utf-16", Some(("application/json", false))),
            ("application/json;charset=utf-8;CHARSET=utf-16", None),
            ("application/json;charset = utf-8", None),
            ("application/json;x=\"a;b\"", None),
            ("multipart/form-data;boundary=a;boundary*0=b", None),
            ("application/json;charset*=utf-8''utf-16", None),
            ("application/json;x=\"a\u{c}b\"", None),
            ("application/json x", None),
            ("application/json;;x=1", None),
            ("application/json;;", None),
            ("json", None),
            ("", None),
        ] {
            let expected = expected.map(|(essence, utf8)| (essence.to_owned(), utf8));
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn grpc_has_formats_and_a_sibling_for_browsers_is_another_protocol() {
        for (essence, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc-web-text", false),
            ("application/grpcx", false),
            ("application/json", false),
        ] {
            assert_eq!(is_grpc(essence), expected, "{essence}");
        }
    }
}
