//! What a client posted: JSON-RPC messages, read in the one way in which the server can read them.

use std::collections::BTreeSet;
use std::ops::Range;

use super::loose::loose;
use super::{Conversation, Expected, Form, Version};
use crate::denial::{Denial, Reason};
use crate::reading::{Reading, Relaxed};
use crate::routes::body::Format;
use crate::routes::json::Json;

/// Most messages in a batch: each is a question to policy.
const MAX_BATCH: usize = 32;

/// Every member that a message can have at its top.
const MEMBERS: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

/// The header in which a client says its version.
pub(crate) const VERSION: &str = "mcp-protocol-version";

/// The member of `_meta` in which a request says its version, from 2026-07-28 on.
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// The id of a request, as it came.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Id {
    Text(String),
    Number(i64),
}

/// One message of a client.
#[derive(Debug)]
pub(crate) struct Message {
    /// Nothing for a notification and for a response.
    pub(crate) id: Option<Id>,
    /// Nothing for a response.
    pub(crate) method: Option<String>,
    /// All of it.
    pub(crate) json: Json,
}

/// A POST to an endpoint: how to answer it, and what it says or why that is not known.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) conversation: Conversation,
    /// The first and all others.
    pub(crate) messages: Result<(Message, Vec<Message>), Denial>,
    /// Where in the body stands what a client sends differently each time it asks for the same, in order.
    pub(crate) loose: Vec<Range<usize>>,
}

fn bad(detail: impl Into<String>) -> Denial {
    Denial::new(Reason::BadMessage, detail)
}

impl Post {
    /// Reads a body; without one, what is said is not known yet.
    pub(crate) fn of(reading: &Reading, body: Option<&[u8]>) -> Self {
        let stated = stated(reading);
        // Who says a version that nobody knows is answered in the latest.
        let spoken = stated.as_ref().ok().copied().flatten();
        let mut conversation = Conversation::unread(match &stated {
            Ok(version) => version.unwrap_or(Version::March2025),
            Err(_) => Version::July2026,
        });
        if stated.as_ref().is_err_and(|denial| denial.reason == Reason::UnsupportedVersion) {
            conversation.unknown = reading.header(VERSION).ok().flatten().map(str::to_owned);
        }
        let messages = body.map_or_else(|| Err(bad("there is no body")), |body| read(reading, body));
        let messages = messages.and_then(|(messages, batch)| {
            if spoken.is_none() {
                conversation.version = requested(&messages).unwrap_or(conversation.version);
            }
            conversation.expect(messages.iter().filter_map(expected).collect(), batch);
            check(&messages, batch, stated?, conversation.version, reading.relaxed())?;
            let mut messages = messages.into_iter();
            let first = messages.next().ok_or_else(|| bad("an empty batch"))?;
            Ok((first, messages.collect()))
        });
        let loose = body.filter(|_| messages.is_ok()).map(loose).unwrap_or_default();
        Self { conversation, messages, loose }
    }
}

impl Post {
    /// Whether a message asks which tools there are.
    pub(crate) fn lists(&self) -> bool {
        let asks = |message: &Message| message.method.as_deref() == Some("tools/list");
        self.messages.as_ref().is_ok_and(|(first, more)| asks(first) || more.iter().any(asks))
    }
}

/// The version that the header names; nothing when there is none.
pub(crate) fn stated(reading: &Reading) -> Result<Option<Version>, Denial> {
    let Some(name) = reading.header(VERSION)? else { return Ok(None) };
    match Version::named(name) {
        Some(version) => Ok(Some(version)),
        None => Err(Denial::new(Reason::UnsupportedVersion, format!("`{VERSION}: {name}`"))),
    }
}

/// The version that `initialize` asks for; the server may choose another. One that nobody knows is none.
fn requested(messages: &[Message]) -> Option<Version> {
    let [Message { method: Some(method), json, .. }] = messages else { return None };
    let asked = (method == "initialize").then(|| json.plain(&["params", "protocolVersion"])).flatten()?;
    // A server that knows no such version answers with its latest.
    Some(Version::named(asked).filter(|version| !version.is_stateless()).unwrap_or(Version::November2025))
}

/// All messages of a body, each by itself, and whether they came in an array.
fn read(reading: &Reading, body: &[u8]) -> Result<(Vec<Message>, bool), Denial> {
    Format::Json.check(reading)?;
    let relaxed = reading.relaxed();
    match Json::parse(body, relaxed)? {
        Json::List(all) if all.len() > MAX_BATCH => {
            Err(bad(format!("a batch of {} messages, at most {MAX_BATCH} are read", all.len())))
        }
        Json::List(all) => {
            let all = all.into_iter().map(|json| Message::of(json, relaxed)).collect::<Result<_, _>>()?;
            Ok((all, true))
        }
        one => Ok((vec![Message::of(one, relaxed)?], false)),
    }
}

impl Message {
    fn of(json: Json, relaxed: &Relaxed) -> Result<Self, Denial> {
        let Json::Object(members) = &json else { return Err(bad("a message is an object")) };
        // Also looks whether there is another spelling of a name that is not there.
        for name in MEMBERS {
            json.member(&[name], relaxed)?;
        }
        if let Some(other) = members.keys().find(|key| !MEMBERS.contains(&key.as_str())) {
            let shown: String = other.chars().take(40).collect();
            return Err(bad(format!("a message has no member `{shown}`")));
        }
        if members.get("jsonrpc") != Some(&Json::Text("2.0".into())) {
            return Err(bad("`jsonrpc` is not \"2.0\""));
        }
        let id = match members.get("id") {
            None => None,
            Some(Json::Int(id)) => Some(Id::Number(*id)),
            Some(Json::Text(id)) => Some(Id::Text(id.clone())),
            Some(_) => return Err(bad("`id` is neither a string nor a whole number inside 64 bits")),
        };
        let outcome = (members.contains_key("result"), members.contains_key("error"));
        let (id, method) = match (members.get("method"), outcome) {
            (Some(Json::Text(method)), (false, false)) => (id, Some(method.clone())),
            (None, (true, false) | (false, true)) if id.is_some() => (None, None),
            // The client could not read what it was asked.
            (None, (false, true)) => (None, None),
            _ => {
                return Err(bad(
                    "a message is a request, a notification or a response, and only one of them",
                ));
            }
        };
        if members.get("params").is_some_and(|params| !matches!(params, Json::Object(_)) || method.is_none())
        {
            return Err(bad("`params` is not an object of a request or notification"));
        }
        Ok(Self { id, method, json })
    }

    /// The version that the message itself states (2026-07-28, `_meta`).
    fn version(&self, relaxed: &Relaxed) -> Result<Option<&str>, Denial> {
        match self.json.member(&["params", "_meta", META_VERSION], relaxed)? {
            None => Ok(None),
            Some(Json::Text(version)) => Ok(Some(version)),
            Some(_) => Err(bad(format!("`{META_VERSION}` is no text"))),
        }
    }
}

/// Which answer a message waits for, if any.
fn expected(message: &Message) -> Option<Expected> {
    let (id, method) = (message.id.clone()?, message.method.as_deref()?);
    // A call that becomes a task is answered by something else than a tool's result.
    let becomes_task = matches!(message.json.get(&["params", "task"]), Some(Json::Object(_)));
    let is_call = method == "tools/call" && !becomes_task;
    Some(Expected { id, form: if is_call { Form::Tool } else { Form::Plain } })
}

/// Whether this version has such messages, and header and messages name the same one.
fn check(
    messages: &[Message],
    batch: bool,
    stated: Option<Version>,
    version: Version,
    relaxed: &Relaxed,
) -> Result<(), Denial> {
    for message in messages {
        let own = message.version(relaxed)?;
        if own.is_some() && own != stated.map(Version::name) {
            let detail = format!("`{VERSION}` and `{META_VERSION}` differ");
            return Err(Denial::new(Reason::HeaderMismatch, detail));
        }
        if version.is_stateless() {
            match (&message.method, own) {
                (None, _) => return Err(bad("a client sends no responses in this version")),
                (Some(_), None) if message.id.is_some() => {
                    return Err(bad(format!("there is no `{META_VERSION}`")));
                }
                _ => {}
            }
        }
    }
    if batch { check_batch(messages, version) } else { Ok(()) }
}

fn check_batch(messages: &[Message], version: Version) -> Result<(), Denial> {
    if !version.has_batches() {
        return Err(bad(format!("version {} has no batches", version.name())));
    }
    let responses = messages.iter().filter(|message| message.method.is_none()).count();
    if responses > 0 && responses < messages.len() {
        return Err(bad("a batch of responses holds nothing else"));
    }
    if messages.iter().any(|message| message.method.as_deref() == Some("initialize")) {
        return Err(bad("`initialize` stands in no batch"));
    }
    let mut ids = BTreeSet::new();
    match messages.iter().filter_map(|message| message.id.as_ref()).all(|id| ids.insert(id)) {
        true => Ok(()),
        false => Err(bad("two requests of a batch have one id")),
    }
}
