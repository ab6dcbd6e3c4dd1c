//! The events of a YAML document as one tree of nodes; what could mean something else than its reviewer saw
//! is refused.

use std::collections::{BTreeMap, BTreeSet};

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::Mistake;
use super::node::{Entry, Kind, Node};

/// The deepest nesting of lists and mappings.
const MAX_DEPTH: usize = 32;

/// Most aliases in a document, and most nodes in all that they stand for.
const MAX_ALIASES: usize = 64;
const MAX_COPIED: usize = 100_000;

struct Composer<'a> {
    events: Parser<'a, StrInput<'a>>,
    anchors: BTreeMap<usize, Node>,
    aliases: usize,
    copied: usize,
}

/// The one document of `text`.
pub(super) fn document(text: &str) -> Result<Node, Mistake> {
    let mut composer = Composer {
        events: Parser::new_from_str_with_options(text, options()),
        anchors: BTreeMap::new(),
        aliases: 0,
        copied: 0,
    };
    let mut document = None;
    loop {
        let (event, line) = composer.next()?;
        match event {
            Event::StreamStart | Event::DocumentEnd => {}
            Event::StreamEnd => return Ok(document.filter(Node::is_something).unwrap_or(Node::empty(line))),
            Event::DocumentStart(..) if document.is_some() => {
                return Err(Mistake::at(line, "only one YAML document is read, and here starts another"));
            }
            Event::DocumentStart(..) => {
                let (event, line) = composer.next()?;
                document = Some(composer.node(event, line, 0)?);
            }
            _ => return Err(Mistake::at(line, "a node outside of the document")),
        }
    }
}

fn options() -> Options {
    let mut options = Options::default();
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    options.set_emit_comments(false);
    options
}

impl<'a> Composer<'a> {
    fn next(&mut self) -> Result<(Event<'a>, usize), Mistake> {
        let next: Option<Result<(Event<'a>, Span), ScanError>> = self.events.next_event();
        match next {
            Some(Ok((event, span))) => Ok((event, span.start.line())),
            Some(Err(error)) => Err(Mistake::at(error.marker().line(), error.info())),
            None => Err(Mistake { line: None, message: "the document has no end".into() }),
        }
    }

    fn node(&mut self, event: Event<'a>, line: usize, depth: usize) -> Result<Node, Mistake> {
        if depth > MAX_DEPTH {
            return Err(Mistake::at(line, format!("nested more than {MAX_DEPTH} deep")));
        }
        let (kind, anchor, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                (Kind::Scalar { text: text.into_owned(), plain }, anchor, tag)
            }
            Event::SequenceStart(_, anchor, tag) => (self.list(depth)?, anchor, tag),
            Event::MappingStart(_, anchor, tag) => (self.mapping(depth)?, anchor, tag),
            Event::Alias(anchor) => return self.alias(anchor, line),
            _ => return Err(Mistake::at(line, "expected a value")),
        };
        if let Some(tag) = tag {
            return Err(Mistake::at(line, format!("the tag `{}`: no tag is read", tag.original())));
        }
        let node = Node { line, kind };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Kind, Mistake> {
        let mut members = Vec::new();
        loop {
            let (event, line) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Kind::List(members));
            }
            members.push(self.node(event, line, depth + 1)?);
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Kind, Mistake> {
        let (mut entries, mut keys) = (Vec::new(), BTreeSet::new());
        loop {
            let (event, line) = self.next()?;
            let Event::Scalar(key, style, 0, None) = event else {
                return match event {
                    Event::MappingEnd => Ok(Kind::Mapping(entries)),
                    _ => Err(Mistake::at(line, "a key is a word or a string")),
                };
            };
            if key == "<<" && style == ScalarStyle::Plain {
                return Err(Mistake::at(line, "merge key not allowed here"));
            }
            if !keys.insert(key.clone()) {
                return Err(Mistake::at(line, format!("duplicate mapping key `{key}` is not allowed here")));
            }
            let (event, at) = self.next()?;
            let value = self.node(event, at, depth + 1)?;
            entries.push(Entry { key: key.into_owned(), line, value });
        }
    }

    /// A copy of what the anchor names, as if it stood here. An anchor is known when its node is complete.
    fn alias(&mut self, anchor: usize, line: usize) -> Result<Node, Mistake> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(Mistake::at(line, "an alias inside of what it stands for"));
        };
        self.aliases += 1;
        self.copied = self.copied.saturating_add(node.size());
        if self.aliases > MAX_ALIASES || self.copied > MAX_COPIED {
            let limits = format!("at most {MAX_ALIASES} aliases, for {MAX_COPIED} nodes");
            return Err(Mistake::at(line, format!("too many aliases: {limits}")));
        }
        Ok(Node { line, ..node.clone() })
    }
}
