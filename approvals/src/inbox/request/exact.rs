//! The exact request as a page shows it, and what of it a page leaves out until it is asked for.

use countersign_protocol::request::{CedarRequest, ExactRequest, Question, Shown, ShownHeader};

use super::Extent;
use crate::inbox::tree::Node;

/// The longest that any part of a request is shown without being asked for, bytes.
const SHOWN_AT_ONCE: usize = 64 * 1024;
/// How much is shown of a part that is longer, bytes.
const BEGINNING: usize = SHOWN_AT_ONCE / 16;

/// A request, part by part.
pub(super) struct Exact {
    pub(super) also: Listed<CedarRequest>,
    pub(super) path: Text,
    pub(super) body: Body,
    pub(super) headers: Listed<ShownHeader>,
    pub(super) trailers: Listed<ShownHeader>,
    pub(super) context: Context,
}

/// A text, or the beginning of it.
pub(super) struct Text {
    pub(super) text: String,
    /// How many bytes it has in all, where this is only the beginning.
    pub(super) of: Option<usize>,
}

/// A list, or the beginning of it.
pub(super) struct Listed<T> {
    pub(super) shown: Vec<T>,
    /// How many more there are.
    pub(super) more: usize,
}

/// What the policy was told.
pub(super) enum Context {
    Tree(Node),
    Plain(Text),
}

/// The request's body.
pub(super) enum Body {
    Empty,
    Json(Node, String),
    Plain(Text),
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

impl Exact {
    pub(super) fn of(question: &Question, extent: Extent) -> Self {
        let request = &question.request;
        Self {
            also: Listed::of(&question.also, extent, also),
            path: Text::of(&request.path, extent),
            body: Body::of(request, extent),
            headers: Listed::of(&request.headers, extent, field),
            trailers: Listed::of(&request.trailers, extent, field),
            context: Context::of(&question.cedar.context.to_string(), extent),
        }
    }
}

/// Whether a page shows less than all of it: what is not shown in full cannot be approved.
pub(in crate::inbox) fn is_folded(question: &Question, extent: Extent) -> bool {
    let request = &question.request;
    let fields = |fields: &[ShownHeader]| fields.iter().map(field).sum();
    let parts = [
        question.also.iter().map(also).sum(),
        request.path.len(),
        length(&request.body),
        fields(&request.headers),
        fields(&request.trailers),
        question.cedar.context.to_string().len(),
    ];
    parts.into_iter().any(|length| !fits(length, extent))
}

fn fits(length: usize, extent: Extent) -> bool {
    extent == Extent::Full || length <= SHOWN_AT_ONCE
}

fn also(other: &CedarRequest) -> usize {
    other.action.len() + other.resource.len()
}

fn field(field: &ShownHeader) -> usize {
    field.name.len() + length(&field.value)
}

/// How much longer a page gets by it, bytes.
fn length(shown: &Shown) -> usize {
    match shown {
        Shown::Text(text) | Shown::Base64(text) => text.len(),
        Shown::Redacted { .. } => 0,
    }
}

impl Text {
    fn of(text: &str, extent: Extent) -> Self {
        if fits(text.len(), extent) {
            return Self { text: text.to_owned(), of: None };
        }
        let end = text.floor_char_boundary(BEGINNING);
        Self { text: text.get(..end).unwrap_or_default().to_owned(), of: Some(text.len()) }
    }
}

impl<T: Clone> Listed<T> {
    fn of(all: &[T], extent: Extent, length: impl Fn(&T) -> usize) -> Self {
        if fits(all.iter().map(&length).sum(), extent) {
            return Self { shown: all.to_vec(), more: 0 };
        }
        let sums = all.iter().scan(0, |sum, item| {
            *sum += length(item);
            Some(*sum)
        });
        let count = sums.take_while(|sum| *sum <= BEGINNING).count();
        Self { shown: all.iter().take(count).cloned().collect(), more: all.len() - count }
    }
}

impl Context {
    fn of(json: &str, extent: Extent) -> Self {
        let tree = if fits(json.len(), extent) { Node::parse(json) } else { None };
        tree.map_or_else(|| Self::Plain(Text::of(json, extent)), Self::Tree)
    }
}

impl Body {
    fn of(request: &ExactRequest, extent: Extent) -> Self {
        let fits = fits(length(&request.body), extent);
        match &request.body {
            Shown::Text(text) if text.is_empty() => Self::Empty,
            Shown::Text(text) => match Node::parse(text).filter(|_| fits) {
                Some(tree) => Self::Json(tree, text.clone()),
                None => Self::Plain(Text::of(text, extent)),
            },
            Shown::Base64(text) => Self::Bytes(Bytes {
                kind: kind(request),
                length: decoded(text),
                base64: fits.then(|| text.clone()),
            }),
            Shown::Redacted { bytes } => Self::Redacted(*bytes),
        }
    }
}

/// What the body is said to be.
fn kind(request: &ExactRequest) -> Option<String> {
    let header = request.headers.iter().find(|header| header.name == "content-type")?;
    match &header.value {
        Shown::Text(text) => Some(Text::of(text, Extent::Folded).text),
        Shown::Base64(_) | Shown::Redacted { .. } => None,
    }
}

/// How many bytes base64 stands for (RFC 4648, section 4).
fn decoded(text: &str) -> usize {
    text.trim_end_matches('=').len() * 3 / 4
}
