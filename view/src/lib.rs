//! A request for approval as people are shown it.
//!
//! One rendering, made of nothing but the question's bytes, for pages, terminals, chats and auditors. Its text is
//! what an approval is bound to: whoever has the question can render it again and compare the hash.

mod changes;
mod parts;
mod text;
pub mod tree;
pub mod visible;
pub mod words;

pub use changes::{Change, Changes, changes};
pub use parts::is_plain_host;
pub use tree::Node;

use countersign_protocol::Hash;
use countersign_protocol::request::Question;

/// The version of the rendering, one more with each change of what any question's text is. Its text begins with it, so that
/// no other version has the same hash, and what still waits for an answer is rendered anew.
pub const VERSION: u8 = 2;

/// All of a question, in the order in which people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Its parts, in order. An empty one is left out.
    pub parts: Vec<Part>,
    /// SHA-256 of the question's bytes.
    pub question: Hash,
}

/// What a part is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Who asks for what on what.
    Asked,
    /// Which gates are shut, and why.
    Why,
    /// What the caller says about it.
    Said,
    /// Method, address, query.
    Sent,
    /// The body, or the tool call that it is.
    Body,
    /// Who takes part.
    People,
    /// What a yes covers.
    Terms,
    /// Header and trailer fields.
    Headers,
    /// What the policy saw.
    Facts,
}

impl Topic {
    /// Its heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Asked => "What is asked",
            Self::Why => "Why it is stopped",
            Self::People => "Who is behind it",
            Self::Said => "What the caller says",
            Self::Terms => "What a yes covers",
            Self::Sent => "The exact request",
            Self::Body => "Body",
            Self::Headers => "Headers",
            Self::Facts => "What the policy saw",
        }
    }
}

/// One part, under a heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is about.
    pub topic: Topic,
    /// What it says, in order.
    pub rows: Vec<Row>,
}

/// Something with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it is called.
    pub label: Label,
    /// What it is.
    pub value: Value,
    /// What to know about it.
    pub notes: Vec<Note>,
}

/// What a row is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// By this rendering.
    Ours(&'static str),
    /// By the request, as the name of a header or trailer field: untrusted text.
    Field(String),
    /// By the request, as the name of a parameter: untrusted text.
    Parameter(String),
}

/// What a row holds. All text is untrusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text on one line.
    Line(String),
    /// Text with lines.
    Lines(String),
    /// JSON, and the text that it was sent as where that is more than the tree shows.
    Tree(Node, Option<String>),
    /// What is no text.
    Bytes(Bytes),
    /// What was taken out before it left the gateway.
    Redacted {
        /// Length in bytes.
        bytes: u64,
    },
    /// Nothing was sent.
    Nothing,
}

/// Bytes that are no text, by what can be said of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes {
    /// What they are, by how they begin (a media type).
    pub kind: Option<&'static str>,
    /// How many.
    pub len: usize,
    /// SHA-256 of them.
    pub sha256: Hash,
    /// The bytes themselves, base64 (RFC 4648 section 4).
    pub base64: String,
}

/// What to know about a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// The digest does not cover it: it may differ when the request is sent again.
    NotBound,
    /// The caller wrote it, and nothing has checked it.
    Unchecked,
    /// Letters of several scripts: some may not be what they look like (UTS 39, section 5).
    MixedScripts,
    /// Other letters that can be read as Latin ones (UTS 39, section 4).
    LooksLatin,
    /// Letters that are written from right to left: numbers and signs beside them may stand in another order than they
    /// were sent in (UAX 9).
    RightToLeft,
    /// A host with letters outside ASCII, or with an encoded name: it may not be the one that it looks like.
    ForeignHost,
    /// An object with several members of one name: which one counts depends on who reads it.
    RepeatedNames,
    /// It is, or begins like, JSON, and some or all of it is shown as it was sent: too many values, too deep, or not JSON
    /// after all.
    NotTakenApart,
}

impl Note {
    /// In words.
    #[must_use]
    pub fn says(self) -> &'static str {
        match self {
            Self::NotBound => "not bound: it may differ when the request is sent again",
            Self::Unchecked => "the caller wrote this, and nothing has checked it",
            Self::MixedScripts => "letters of several scripts: some may not be what they look like",
            Self::LooksLatin => "these are no Latin letters: it is not the word that it looks like",
            Self::RightToLeft => {
                "letters from right to left: what stands beside them may be in another order"
            }
            Self::ForeignHost => "not a plain ASCII name: it may not be the host that it looks like",
            Self::NotTakenApart => {
                "not all taken apart: too many values, too deep, or no JSON after all; names may repeat there"
            }
            Self::RepeatedNames => "several members have one name: which one counts depends on who reads it",
        }
    }
}

impl View {
    /// Renders a question; `raw` are the bytes that it was read from.
    #[must_use]
    pub fn of(question: &Question, raw: &[u8]) -> Self {
        Self { parts: parts::of(question), question: Hash::of(raw) }
    }

    /// SHA-256 of the text: what an answer names as that which was shown.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of(self.to_string().as_bytes())
    }

    /// Whether something of it is no text, and so only described: nobody has seen it before they looked at its bytes.
    #[must_use]
    pub fn has_bytes(&self) -> bool {
        self.parts.iter().flat_map(|part| &part.rows).any(|row| matches!(row.value, Value::Bytes(_)))
    }

    /// Whether something of it may not be what it seems: it is not for a hasty look.
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        let mut notes = self.parts.iter().flat_map(|part| &part.rows).flat_map(|row| &row.notes);
        notes.any(|note| !matches!(note, Note::NotBound | Note::Unchecked))
    }

    /// One part, where there is something in it.
    #[must_use]
    pub fn part(&self, topic: Topic) -> Option<&Part> {
        self.parts.iter().find(|part| part.topic == topic)
    }
}

impl Value {
    /// About how much room it takes, bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Line(text) | Self::Lines(text) => text.len(),
            Self::Tree(node, raw) => raw.as_ref().map_or_else(|| weight(node), String::len),
            Self::Bytes(bytes) => bytes.base64.len(),
            Self::Redacted { .. } | Self::Nothing => 0,
        }
    }
}

fn weight(node: &Node) -> usize {
    match node {
        Node::Object(members) => members.iter().map(|(name, node)| name.len() + weight(node) + 4).sum(),
        Node::Array(items) => items.iter().map(|node| weight(node) + 2).sum(),
        Node::Leaf(raw) => raw.len(),
    }
}
