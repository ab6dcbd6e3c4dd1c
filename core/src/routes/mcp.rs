//! Routes with `mcp:`: each message of a client is an action on a tool, resource or prompt of a server.

pub(super) mod build;
mod uri;

use std::collections::{BTreeMap, BTreeSet};

use super::body::Body;
use super::facts::{Fact, Inputs};
use super::fields::{self, Field};
use super::json::Pointer;
use super::types::{excess_text, is_id};
use super::{Mapped, Parts};
use crate::denial::{Denial, Reason};
use crate::dialect::Dialect;
use crate::entity::EntityName;
use crate::identity::Caller;
use crate::mcp::listing::Listing;
use crate::mcp::{Message, Verb, Version, check_argument, check_message, stated, verb};
use crate::reading::Reading;
use crate::value::Value;

/// The type of its actions.
const ACTION: &str = "MCP::Action";
/// The type of servers.
pub(super) const SERVER: &str = "MCP::Server";

/// What every message says of itself, for policies whose action declares it.
pub const MCP_FACTS: [&str; 2] = ["mcp_method", "mcp_version"];

/// Where the arguments of a tool stand in a message.
pub(super) const ARGUMENTS: [&str; 2] = ["params", "arguments"];

/// One server behind the gateway.
#[derive(Debug)]
pub(crate) struct McpRoute {
    /// Its name: `MCP::Server::"<name>"`.
    pub(super) server: String,
    /// Whether answers to `tools/list` show only what the caller could call.
    pub(crate) hide_unlisted: bool,
    pub(super) tools: BTreeMap<String, Tool>,
    /// The ids of actions that the schema declares.
    pub(super) actions: BTreeSet<&'static str>,
}

/// A tool whose arguments policy reads.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) action: EntityName,
    pub(super) context: Vec<Field>,
    /// From the end of an `Mcp-Param-…` header's name to the argument in a message.
    pub(super) params: Vec<(String, Pointer)>,
}

/// The action that a kind of message is.
pub(crate) fn action(id: &str) -> EntityName {
    EntityName::new(ACTION, id)
}

/// A fact that is an argument of the tool, `arg:/title`.
pub(super) fn argument(written: &str) -> Option<Result<Fact, String>> {
    let rest = written.strip_prefix("arg:")?;
    let pointer = Pointer::parse(rest).map(|pointer| pointer.below(&ARGUMENTS));
    let fact = pointer.map(|pointer| Fact::in_body(pointer, written));
    Some(
        fact.ok_or_else(|| {
            format!("`{written}`: after `arg:` comes a JSON pointer like `/title` (RFC 6901)")
        }),
    )
}

impl McpRoute {
    /// What is done by a request that posts nothing.
    pub(super) fn connects(&self) -> EntityName {
        action(Verb::Connect.action())
    }

    /// The server, as a template without places.
    pub(super) fn names(&self) -> String {
        format!("{SERVER}::\"{}\"", self.server)
    }

    /// The facts that its tools take.
    pub(super) fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.tools.values().flat_map(|tool| fields::facts(&tool.context))
    }

    /// Every action that a request to it can be.
    pub(super) fn all_actions(&self) -> impl Iterator<Item = EntityName> {
        self.actions.iter().map(|id| action(id)).chain(self.own_actions().cloned())
    }

    /// Actions of tools that have one of their own.
    pub(crate) fn own_actions(&self) -> impl Iterator<Item = &EntityName> {
        let call = action(Verb::Call.action());
        self.tools.values().map(|tool| &tool.action).filter(move |own| **own != call)
    }

    /// What each message is, in their order.
    pub(super) fn map(
        &self,
        reading: &Reading,
        captured: &[String],
        (first, more): (Message, Vec<Message>),
        version: Version,
    ) -> Result<Parts, Denial> {
        let map = |message| self.map_one(reading, captured, message, version);
        Ok(Parts { first: map(first)?, more: more.into_iter().map(map).collect::<Result<_, _>>()? })
    }

    fn map_one(
        &self,
        reading: &Reading,
        captured: &[String],
        message: Message,
        version: Version,
    ) -> Result<Mapped, Denial> {
        let method = message.method.as_deref();
        let verb = match method {
            Some(method) => verb(method, version, message.id.is_some()),
            None => Some(Verb::Connect),
        };
        let verb = verb
            .filter(|verb| self.actions.contains(verb.action()))
            .ok_or_else(|| unknown(method, version))?;
        let name = match verb.names() {
            Some(member) => Some(name(&message, verb, member, reading)?),
            None => None,
        };
        check_message(reading, &message, verb, name.as_deref(), version)?;
        let mut context = facts(method.unwrap_or("response"), version);
        let (mut does, id) =
            (action(verb.action()), name.as_deref().map(|name| format!("{}/{name}", self.server)));
        if verb == Verb::Call
            && let Some(tool) = name.as_ref().and_then(|name| self.tools.get(name))
        {
            does = tool.action.clone();
            tool.read(reading, captured, message, version, &mut context)?;
        }
        let server = EntityName::new(SERVER, &self.server);
        let (resource, parents) = match (kind(verb), id) {
            (Some(ty), Some(id)) => (EntityName::new(ty, id), vec![server]),
            _ => (server, Vec::new()),
        };
        Ok(Mapped { action: does, resource, parents, context })
    }

    /// What of its tools one caller is shown.
    pub(crate) fn listing(&self, caller: &Caller, dialect: Dialect) -> Listing {
        Listing {
            principal: caller.principal.clone(),
            claimed: caller.claimed.clone(),
            anonymous: caller.anonymous,
            server: EntityName::new(SERVER, &self.server),
            own: self.tools.iter().map(|(name, tool)| (name.clone(), tool.action.clone())).collect(),
            call: action(Verb::Call.action()),
            dialect,
        }
    }

    /// What a request without a message is: the stream that a client listens to, or the end of its session.
    pub(super) fn facts_of_endpoint(reading: &Reading) -> Result<BTreeMap<String, Value>, Denial> {
        Ok(facts(&reading.method, stated(reading)?.unwrap_or(Version::March2025)))
    }
}

fn facts(method: &str, version: Version) -> BTreeMap<String, Value> {
    let texts = [method, version.name()].map(|text| Value::String(text.to_owned()));
    MCP_FACTS.into_iter().map(str::to_owned).zip(texts).collect()
}

fn unknown(method: Option<&str>, version: Version) -> Denial {
    let shown: String = method.unwrap_or("response").chars().take(80).collect();
    Denial::new(
        Reason::NoRoute,
        format!("`{shown}` is no message of version {} that is known", version.name()),
    )
}

const fn kind(verb: Verb) -> Option<&'static str> {
    match verb {
        Verb::Call => Some("MCP::Tool"),
        Verb::Read => Some("MCP::Resource"),
        Verb::Get => Some("MCP::Prompt"),
        _ => None,
    }
}

/// The name of what a message is about.
fn name(message: &Message, verb: Verb, member: &str, reading: &Reading) -> Result<String, Denial> {
    let pointer = Pointer::default().below(&["params", member]);
    let fact = Fact::in_body(pointer, &format!("params.{member}"));
    let found = message.json.member(&["params", member], reading.relaxed())?;
    let text = match found {
        Some(super::json::Json::Text(text)) => text,
        Some(_) => return Err(fact.bad("is no string")),
        None => return Err(fact.bad("is missing")),
    };
    if !is_id(text) {
        return Err(fact.bad("is empty or has control characters"));
    }
    if let Some(excess) = excess_text(text) {
        return Err(fact.bad(excess));
    }
    if verb == Verb::Read {
        uri::check(text, reading.relaxed(), format_args!("`params.{member}`"))?;
    }
    Ok(text.clone())
}

impl Tool {
    /// Takes the arguments that policy reads.
    fn read(
        &self,
        reading: &Reading,
        captured: &[String],
        message: Message,
        version: Version,
        context: &mut BTreeMap<String, Value>,
    ) -> Result<(), Denial> {
        for (name, pointer) in &self.params {
            let argument = message.json.at(pointer, reading.relaxed())?;
            check_argument(reading, name, argument, version)?;
        }
        let inputs = Inputs { reading, captured, body: Some(Body::Json(message.json)) };
        context.extend(fields::values(&self.context, &inputs)?);
        Ok(())
    }
}
