//! What a recording can lack: the words of [`Entry::lost`].

use super::Entry;

/// The body, or a part of it. Such an entry is no whole request: see [`Entry::is_whole`].
pub const BODY: &str = "body";
/// The body's exact bytes: it says the same, written another way.
pub const BODY_BYTES: &str = "body_bytes";
/// The sizes in which the body came.
pub const CHUNKS: &str = "chunks";
/// `content-encoding` was taken out, because the source kept the body decoded.
pub const CONTENT_ENCODING: &str = "content_encoding";
/// `content-length` did not fit the body and was corrected.
pub const CONTENT_LENGTH: &str = "content_length";
/// Trailer fields.
pub const TRAILERS: &str = "trailers";
/// Header fields: some are missing.
pub const HEADERS: &str = "headers";
/// Header fields are as they were when the request had ended: filters may have changed them.
pub const HEADERS_AT_END: &str = "headers_at_end";
/// Bytes of header fields that are not ASCII.
pub const HEADER_BYTES: &str = "header_bytes";
/// The order of header fields.
pub const HEADER_ORDER: &str = "header_order";
/// The method: it was derived from something else.
pub const METHOD: &str = "method";
/// `:authority`: it was made up.
pub const AUTHORITY: &str = "authority";
/// The order of query parameters.
pub const QUERY_ORDER: &str = "query_order";
/// The time: it is that of the entry before, or that of the answer.
pub const TIME: &str = "time";
/// The peer's address.
pub const PEER: &str = "peer";
/// Secrets: pseudonyms took their place.
pub const SECRETS: &str = "secrets";

impl Entry {
    /// Whether the whole request is there, so that it can be replayed as what it was.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.lost.iter().any(|lost| lost == BODY)
    }

    /// Notes that `what` is not as it was, once.
    pub fn lose(&mut self, what: &str) {
        if !self.lost.iter().any(|lost| lost == what) {
            self.lost.push(what.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_without_its_body_is_not_whole() {
        let line = r#"{"v":1,"id":"a","ts":0,"fidelity":"client","request":{"headers":[]}}"#;
        let mut entry: Entry = serde_json::from_str(line).unwrap();
        entry.lose(CHUNKS);
        assert!(entry.is_whole());
        entry.lose(BODY);
        entry.lose(BODY);
        assert!(!entry.is_whole());
        assert_eq!(entry.lost, [CHUNKS, BODY]);
    }
}
