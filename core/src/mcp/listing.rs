//! Answers to `tools/list` without the tools that the caller could never call.

use std::ops::Range;

use serde_json::value::RawValue;

use super::pieces::{Pairs, one_or_many, range};
use crate::denial::{Denial, Reason};
use crate::dialect::Dialect;
use crate::engine::Engine;
use crate::entity::EntityName;
use crate::life::Reply;
use crate::policy::{Claimed, Query};

/// Most tools of a list that is looked through.
const MAX_TOOLS: usize = 1000;

/// What is shown of a server's tools to one caller.
#[derive(Debug, Clone)]
pub struct Listing {
    pub(crate) principal: EntityName,
    pub(crate) claimed: Claimed,
    pub(crate) anonymous: bool,
    pub(crate) server: EntityName,
    /// Actions of tools that have one of their own.
    pub(crate) own: Vec<(String, EntityName)>,
    pub(crate) call: EntityName,
    /// How it is said that an answer cannot be shown.
    pub(crate) dialect: Dialect,
}

/// An answer that cannot be looked through, and so is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

/// In which form an answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One JSON document.
    Json,
    /// Server-sent events, each with a message.
    Events,
    /// It shows no tools.
    Other,
}

impl Form {
    /// The form of an answer with this status and these headers.
    ///
    /// # Errors
    /// When its content is encoded, or a success of a form that no client reads.
    pub fn of(status: &[u8], media: Option<&[u8]>, encoding: Option<&[u8]>) -> Result<Self, Unreadable> {
        if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
            return Err(Unreadable);
        }
        let media = media.and_then(|media| media.split(|byte| *byte == b';').next()).unwrap_or_default();
        match media.trim_ascii().to_ascii_lowercase().as_slice() {
            b"application/json" => Ok(Self::Json),
            b"text/event-stream" => Ok(Self::Events),
            _ if status == b"200" => Err(Unreadable),
            _ => Ok(Self::Other),
        }
    }
}

impl Listing {
    fn shows(&self, engine: &Engine, tool: &str) -> bool {
        let own = self.own.iter().find(|(name, _)| name == tool).map(|(_, action)| action);
        engine.policies.could_allow(&Query {
            principal: self.principal.clone(),
            claimed: self.claimed.clone(),
            anonymous: self.anonymous,
            action: own.unwrap_or(&self.call).clone(),
            resource: EntityName::new("MCP::Tool", format!("{}/{tool}", self.server.id)),
            parents: vec![self.server.clone()],
            context: std::collections::BTreeMap::new(),
        })
    }

    /// What is told in place of an answer that cannot be shown.
    #[must_use]
    pub fn refusal(&self) -> Reply {
        let detail = "the server's list of tools cannot be read, so it is not shown";
        Reply::denial(&Denial::new(Reason::AnswerUnreadable, detail), &self.dialect)
    }

    /// The text of one or several messages without the tools that are not shown; all else as it was.
    ///
    /// # Errors
    /// When it is no JSON, or could be read in two ways.
    pub fn filter(&self, engine: &Engine, text: &str) -> Result<String, Unreadable> {
        let mut left = MAX_TOOLS;
        let mut cuts: Vec<(Range<usize>, String)> = Vec::new();
        for message in one_or_many(text).ok_or(Unreadable)? {
            if let Some((list, kept)) = self.filter_message(engine, message, &mut left)? {
                cuts.push((range(text.as_bytes(), list).ok_or(Unreadable)?, kept));
            }
        }
        let mut whole = String::with_capacity(text.len());
        let mut from = 0;
        for (cut, kept) in cuts {
            whole.push_str(text.get(from..cut.start).ok_or(Unreadable)?);
            whole.push_str(&kept);
            from = cut.end;
        }
        whole.push_str(text.get(from..).ok_or(Unreadable)?);
        Ok(whole)
    }

    /// The list of a message, and what is left of it.
    fn filter_message<'a>(
        &self,
        engine: &Engine,
        message: &'a RawValue,
        left: &mut usize,
    ) -> Result<Option<(&'a RawValue, String)>, Unreadable> {
        let message = Pairs::of(message).ok_or(Unreadable)?;
        let Some(result) = once(&message, "result")? else { return Ok(None) };
        // A result that is no object shows nothing.
        let Some(result) = Pairs::of(result) else { return Ok(None) };
        let Some(list) = once(&result, "tools")? else { return Ok(None) };
        let tools: Vec<&RawValue> = serde_json::from_str(list.get()).map_err(|_| Unreadable)?;
        *left = left.checked_sub(tools.len()).ok_or(Unreadable)?;
        let mut kept = Vec::new();
        for tool in tools {
            let name = once(&Pairs::of(tool).ok_or(Unreadable)?, "name")?.ok_or(Unreadable)?;
            let name: String = serde_json::from_str(name.get()).map_err(|_| Unreadable)?;
            if self.shows(engine, &name) {
                kept.push(tool.get());
            }
        }
        Ok(Some((list, format!("[{}]", kept.join(",")))))
    }
}

/// The one member of this name.
fn once<'a>(members: &Pairs<'a>, name: &str) -> Result<Option<&'a RawValue>, Unreadable> {
    match (members.count(name), members.get(name)) {
        (0, _) => Ok(None),
        (1, Some(value)) => Ok(Some(value)),
        _ => Err(Unreadable),
    }
}

/// Server-sent events, as far as they came.
#[derive(Debug, Default)]
pub struct Events {
    /// The beginning of an event whose end did not come yet.
    rest: Vec<u8>,
    /// Where its last line begins, and how far it was searched for its end: no byte is looked at again when more come.
    line: usize,
    searched: usize,
}

impl Events {
    /// Takes more bytes and gives the events that are whole now. At the end of the stream an event without its end is
    /// left out, as clients leave it out.
    ///
    /// # Errors
    /// When an event cannot be read, or is longer than `limit` bytes.
    pub fn push(
        &mut self,
        listing: &Listing,
        engine: &Engine,
        bytes: &[u8],
        limit: usize,
    ) -> Result<Vec<u8>, Unreadable> {
        self.rest.extend_from_slice(bytes);
        let mut shown = Vec::new();
        while let Some(end) = self.end() {
            let rest = self.rest.split_off(end);
            let event = std::mem::replace(&mut self.rest, rest);
            let event = String::from_utf8(event).map_err(|_| Unreadable)?;
            shown.extend_from_slice(filter_event(listing, engine, &event)?.as_bytes());
        }
        if self.rest.len() > limit { Err(Unreadable) } else { Ok(shown) }
    }

    /// Where the first event ends: after an empty line. Lines end with a line feed, perhaps after a carriage return.
    fn end(&mut self) -> Option<usize> {
        let bytes = self.rest.iter().enumerate().skip(self.searched);
        for (index, _) in bytes.filter(|(_, byte)| **byte == b'\n') {
            let next = index.saturating_add(1);
            if matches!(self.rest.get(self.line..index), Some(b"" | b"\r")) {
                (self.line, self.searched) = (0, 0);
                return Some(next);
            }
            self.line = next;
        }
        self.searched = self.rest.len();
        None
    }
}

fn filter_event(listing: &Listing, engine: &Engine, event: &str) -> Result<String, Unreadable> {
    let lines = || event.lines();
    // Some readers end a line at a carriage return alone, and some drop a byte order mark.
    if lines().any(|line| line.contains(['\r', '\u{feff}'])) {
        return Err(Unreadable);
    }
    let data = |line: &str| {
        let rest = line.strip_prefix("data")?;
        if rest.is_empty() {
            return Some(String::new());
        }
        rest.strip_prefix(':').map(|value| value.strip_prefix(' ').unwrap_or(value).to_owned())
    };
    let all: Vec<_> = lines().filter_map(data).collect();
    let text = all.join("\n");
    if text.is_empty() {
        return Ok(event.to_owned());
    }
    let filtered = listing.filter(engine, &text)?;
    if filtered == text {
        return Ok(event.to_owned());
    }
    let others = lines().filter(|line| data(line).is_none() && !line.is_empty());
    let data = filtered.lines().map(|line| format!("data: {line}"));
    let whole: Vec<_> = others.map(str::to_owned).chain(data).collect();
    Ok(format!("{}\n\n", whole.join("\n")))
}
