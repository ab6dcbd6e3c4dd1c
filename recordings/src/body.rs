//! Which bytes a body had, when a tool wrote it as text, and whether it fits what the header fields say of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_protocol::recording::{Bytes, lost};

use crate::draft::Draft;
use crate::head::value;
use crate::surrogates::bytes;

/// Text as bytes. Browsers and proxies write bytes that are not UTF-8 as one character each (ISO 8859-1); what the
/// body's length was tells which it is. Some put header fields before it.
pub(crate) fn from_text(text: &str, length: Option<usize>) -> Vec<u8> {
    let utf8 = text.as_bytes();
    if length.is_none_or(|length| length == utf8.len()) {
        return utf8.to_vec();
    }
    let moved = bytes(text);
    if length == Some(moved.len()) {
        return moved;
    }
    let latin: Option<Vec<u8>> =
        text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect();
    if let Some(latin) = latin.filter(|latin| length == Some(latin.len())) {
        return latin;
    }
    let after = length.and_then(|length| utf8.split_at_checked(utf8.len().checked_sub(length)?));
    match after {
        Some((before, body)) if before.ends_with(b"\r\n\r\n") => body.to_vec(),
        _ => utf8.to_vec(),
    }
}

/// Base64 with line breaks, padded or not.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let plain: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(plain).ok()
}

impl Draft {
    /// The length that `content-length` says.
    pub(crate) fn content_length(&self) -> Option<usize> {
        value(&self.request.headers, "content-length")?.parse().ok()
    }

    /// Takes `body`, and makes the header fields fit it or notes that it is not whole.
    pub(crate) fn take_body(&mut self, body: Option<Vec<u8>>) {
        let declared = self.content_length();
        let Some(body) = body.filter(|body| !body.is_empty()) else {
            if declared.is_some_and(|declared| declared > 0) {
                self.lose(lost::BODY);
            }
            return;
        };
        let length = body.len();
        let exact = declared == Some(length);
        if !exact && self.is_encoded() && (declared.is_some() || str::from_utf8(&body).is_ok()) {
            self.request.headers.retain(|(name, _)| name != "content-encoding");
            self.set_content_length(length);
            self.lose(lost::CONTENT_ENCODING);
        } else if declared.is_some_and(|declared| declared > length) {
            self.lose(lost::BODY);
        } else if !exact && declared.is_some() {
            self.set_content_length(length);
            self.lose(lost::CONTENT_LENGTH);
            self.lose(lost::BODY_BYTES);
        }
        self.request.body = Some(Bytes(body));
    }

    fn is_encoded(&self) -> bool {
        value(&self.request.headers, "content-encoding").is_some_and(|encoding| encoding != "identity")
    }

    fn set_content_length(&mut self, length: usize) {
        let field = self.request.headers.iter_mut().find(|(name, _)| name == "content-length");
        if let Some((_, value)) = field {
            *value = Bytes(length.to_string().into_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign_protocol::recording::{Fidelity, Request};

    use super::*;

    #[test]
    fn the_length_tells_what_the_characters_were() {
        assert_eq!(from_text("é", Some(2)), b"\xc3\xa9");
        assert_eq!(from_text("é", Some(1)), b"\xe9");
        assert_eq!(from_text("é", None), b"\xc3\xa9");
        assert_eq!(from_text("Content-Type: text/plain\r\n\r\na=b", Some(3)), b"a=b");
        assert_eq!(from_text("abc", Some(9)), b"abc");
    }

    fn taken(fields: &[(&str, &str)], body: &[u8]) -> (Vec<(String, String)>, Vec<&'static str>) {
        let headers = fields.iter().map(|(name, value)| ((*name).into(), Bytes((*value).into()))).collect();
        let mut draft = Draft::new(Fidelity::Client, Request { headers, ..Request::default() });
        draft.take_body(Some(body.to_vec()));
        let text = |(name, value): (String, Bytes)| (name, String::from_utf8(value.0).unwrap());
        (draft.request.headers.into_iter().map(text).collect(), draft.lost)
    }

    #[test]
    fn a_body_that_does_not_fit_is_noted() {
        let (fields, lost) = taken(&[("content-length", "3")], b"abc");
        assert!(lost.is_empty() && fields[0].1 == "3");
        let (fields, lost) = taken(&[("content-length", "3")], b"abcd");
        assert_eq!((fields[0].1.as_str(), lost), ("4", vec![lost::CONTENT_LENGTH, lost::BODY_BYTES]));
        assert_eq!(taken(&[("content-length", "3")], b"ab").1, [lost::BODY]);
        assert_eq!(taken(&[("content-length", "3")], b"").1, [lost::BODY]);
        let (fields, lost) = taken(&[("content-encoding", "gzip"), ("content-length", "30")], b"{}");
        assert_eq!((fields.len(), fields[0].1.as_str(), lost), (1, "2", vec![lost::CONTENT_ENCODING]));
    }
}
