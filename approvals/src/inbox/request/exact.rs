//! The exact request as a page shows it, and what of it a page leaves out until it is asked for.

use countersign_protocol::request::{ExactRequest, Question, Shown};

use super::Extent;
use crate::inbox::tree::Node;

/// The longest body that is shown without being asked for, bytes.
const SHOWN_AT_ONCE: usize = 64 * 1024;

/// The request's body.
pub(super) enum Body {
    Empty,
    Text(String, Option<Node>),
    /// The beginning of a text, and how many bytes it has in all.
    Folded(String, usize),
    Bytes(Bytes),
    Redacted(u64),
}

/// What is no text: what it is said to be, and how long it is. Its hash stands with it.
pub(super) struct Bytes {
    pub(super) kind: Option<String>,
    pub(super) length: usize,
    /// The bytes themselves, base64, where they are not too many.
    pub(super) base64: Option<String>,
}

impl Body {
    pub(super) fn of(request: &ExactRequest, extent: Extent) -> Self {
        let fits = extent == Extent::Full || length(&request.body) <= SHOWN_AT_ONCE;
        match &request.body {
            Shown::Text(text) if text.is_empty() => Self::Empty,
            Shown::Text(text) if fits => Self::Text(text.clone(), Node::parse(text)),
            Shown::Text(text) => Self::Folded(beginning(text), text.len()),
            Shown::Base64(text) => Self::Bytes(Bytes {
                kind: kind(request),
                length: decoded(text),
                base64: fits.then(|| text.clone()),
            }),
            Shown::Redacted { bytes } => Self::Redacted(*bytes),
        }
    }
}

/// Whether a page shows less than all of it.
pub(in crate::inbox) fn is_folded(question: &Question, extent: Extent) -> bool {
    extent == Extent::Folded && length(&question.request.body) > SHOWN_AT_ONCE
}

/// How long a page gets by it, bytes.
fn length(shown: &Shown) -> usize {
    match shown {
        Shown::Text(text) | Shown::Base64(text) => text.len(),
        Shown::Redacted { .. } => 0,
    }
}

fn beginning(text: &str) -> String {
    let end = text.floor_char_boundary(SHOWN_AT_ONCE / 16);
    text.get(..end).unwrap_or_default().to_owned()
}

/// What the body is said to be.
fn kind(request: &ExactRequest) -> Option<String> {
    let header = request.headers.iter().find(|header| header.name == "content-type")?;
    match &header.value {
        Shown::Text(text) => Some(text.clone()),
        Shown::Base64(_) | Shown::Redacted { .. } => None,
    }
}

/// How many bytes base64 stands for (RFC 4648, section 4).
fn decoded(text: &str) -> usize {
    text.trim_end_matches('=').len() * 3 / 4
}
