//! Routes: which request is which action on which resource, with which context.

mod asked;
pub(crate) mod body;
mod build;
mod choice;
mod common;
mod conditions;
mod document;
mod explain;
mod facts;
mod fields;
mod file;
mod graphql;
mod hidden;
mod http;
pub(crate) mod json;
mod mcp;
mod messages;
mod pattern;
mod route;
mod template;
mod tree;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use asked::Unfound;
pub use common::{COMMON_FACTS, common_facts};
pub(crate) use document::{Place, Typed, strict};
pub(crate) use explain::written;
pub use explain::{Miss, WrittenRoute};
pub use mcp::MCP_FACTS;
pub(crate) use mcp::McpRoute;
pub(crate) use pattern::is_header_name;
pub(crate) use template::is_type;

use crate::denial::{Denial, Reason};
use crate::entity::EntityName;
use crate::load::LoadError;
use crate::mcp::Post;
use crate::reading::Reading;
use crate::types::Attribute;
use crate::value::Value;
use crate::yaml;
use asked::Asked;
use build::Placed;
use choice::Tie;
use file::{FILE, Fallback, RoutesFile};
use graphql::GraphqlRoute;
use messages::Messages;
use route::Route;
use tree::{Found, Host};

/// What routes need to know of the schema.
pub trait SchemaView {
    /// Whether it declares this action.
    fn has_action(&self, action: &EntityName) -> bool;
    /// Whether it declares this entity type.
    fn has_entity_type(&self, ty: &str) -> bool;
    /// The members of the action's context; `None` for an unknown action.
    fn context_attributes(&self, action: &EntityName) -> Option<BTreeMap<String, Attribute>>;
    /// Whether an action lies in another by the schema.
    fn lies_in(&self, action: &EntityName, other: &EntityName) -> bool;
    /// Whether it applies the action to resources of this type.
    fn takes_resource(&self, action: &EntityName, ty: &str) -> bool;
    /// Whether entities of type `child` may lie in entities of type `parent`.
    fn may_lie_in(&self, child: &str, parent: &str) -> bool;
}

/// All routes of a bundle. A host with routes is closed: what none matches is denied, unless `hosts` says
/// otherwise.
#[derive(Debug)]
pub struct Routes {
    hosts: BTreeMap<String, Host>,
    /// Whether a tool has an action of its own.
    shares_call: bool,
    /// Methods for which plain HTTP is declared.
    http: BTreeSet<&'static str>,
}

fn tie((one, other): Tie) -> LoadError {
    let (first, second) = (one.line.min(other.line), one.line.max(other.line));
    let message = if first == second {
        "the route names a host, a method or a content type twice".to_owned()
    } else {
        format!("the routes at lines {first} and {second} match the same requests")
    };
    LoadError::at(FILE, second, message)
}

/// What a request is about.
#[derive(Debug)]
pub struct Target<'a>(Kind<'a>);

#[derive(Debug)]
enum Kind<'a> {
    Route {
        route: &'a Route,
        captured: Vec<String>,
    },
    /// Messages of the Model Context Protocol are posted.
    Mcp {
        route: &'a Route,
        mcp: &'a McpRoute,
        captured: Vec<String>,
    },
    /// What a document asks for.
    Graphql {
        route: &'a Route,
        graphql: &'a GraphqlRoute,
        captured: Vec<String>,
    },
    Http {
        action: EntityName,
    },
}

/// What a request is about, in the terms of policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// What is done.
    pub action: EntityName,
    /// To what.
    pub resource: EntityName,
    /// The resource's ancestors, all of them direct parents.
    pub parents: Vec<EntityName>,
    /// In which circumstances, without the common facts.
    pub context: BTreeMap<String, Value>,
}

/// All that one request does: its parts in their order, one mostly, several where a body holds several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// The first.
    pub first: Mapped,
    /// All others.
    pub more: Vec<Mapped>,
}

impl From<Mapped> for Parts {
    fn from(first: Mapped) -> Self {
        Self { first, more: Vec::new() }
    }
}

impl Routes {
    /// Reads `routes.yaml`, and `messages.yaml` with what it takes from gRPC messages; without the first every host is open
    /// and judged as plain HTTP.
    ///
    /// # Errors
    /// All that is wrong with them, each with its line.
    pub fn load(
        text: Option<&str>,
        messages: Option<&str>,
        schema: &dyn SchemaView,
    ) -> Result<Self, Vec<LoadError>> {
        let messages = Messages::load(messages)?;
        let file: RoutesFile = match text {
            Some(text) => yaml::read(FILE, text).map_err(|error| vec![error])?,
            None => RoutesFile::default(),
        };
        let mut errors = Vec::new();
        let mut hosts: BTreeMap<String, Host> = BTreeMap::new();
        let mut shares_call = false;
        for (name, entry) in file.hosts {
            match pattern::host(&name) {
                Ok(host) => hosts.entry(host).or_default().fallback = Some(entry.value.fallback),
                Err(message) => errors.push(LoadError::at(FILE, entry.line, message)),
            }
        }
        for entry in file.routes {
            let Some(Placed { matching, route }) = build::route(entry, &messages, schema, &mut errors) else {
                continue;
            };
            let mcp = route.mcp.as_deref();
            shares_call |= mcp.is_some_and(|mcp| mcp.own_actions().next().is_some());
            let route = Arc::new(route);
            for host in matching.hosts {
                let host = hosts.entry(host).or_default();
                let added = host.add(&matching.steps, &matching.methods, &matching.alternatives, &route);
                errors.extend(added.map_err(tie).err());
            }
        }
        errors.extend(hosts.values().flat_map(Host::ties).map(tie));
        errors.sort_by_key(|error| error.line);
        errors.dedup();
        if errors.is_empty() {
            Ok(Self { hosts, shares_call, http: http::declared(schema) })
        } else {
            Err(errors)
        }
    }

    /// What a request is about. `body` is the whole body, if it is there already.
    ///
    /// # Errors
    /// [`Unfound::NeedsBody`] when a route is chosen by what is in it; else
    /// [`Reason::NoRoute`] when nothing matches and the host is closed, or the schema knows no such action of
    /// plain HTTP; [`Reason::Ambiguous`] when a header that a route matches on can be read in two ways.
    pub fn find<'a>(&'a self, reading: &Reading, body: Option<&[u8]>) -> Result<Target<'a>, Unfound> {
        let (mut closed, mut fallback) = (false, None);
        let asked = Asked::new(reading, body);
        for host in self.covering(&reading.host) {
            let found = host.find(&asked)?;
            // Nothing is more specific than what is literally there.
            if found.as_ref().is_none_or(|found| !found.captured.is_empty()) {
                host.refuse_other_spelling(&asked)?;
            }
            if let Some(Found { route, captured }) = found {
                let captured = route.folded(captured);
                if let Some(graphql) = route.graphql.as_deref() {
                    return Ok(Target(Kind::Graphql { route, graphql, captured }));
                }
                let posted = route.mcp.as_deref().filter(|_| reading.method == "POST");
                return Ok(Target(match posted {
                    Some(mcp) => Kind::Mcp { route, mcp, captured },
                    None => Kind::Route { route, captured },
                }));
            }
            closed |= host.closed;
            fallback = fallback.or(host.fallback);
        }
        let open = fallback.map_or(!closed, |fallback| fallback == Fallback::Http);
        if open && self.http.contains(reading.method.as_str()) {
            return Ok(Target(Kind::Http { action: http::action(&reading.method) }));
        }
        let detail = format!("no route for `{}` on host `{}`", reading.method, reading.host);
        Err(Denial::new(Reason::NoRoute, detail).into())
    }

    /// The action of all tool calls, when a tool has another one in it.
    pub(crate) fn shared_call(&self) -> Option<EntityName> {
        self.shares_call.then(|| mcp::action("call"))
    }

    /// What is known of a host, the most specific first: itself, then the domains above it.
    fn covering<'a>(&'a self, host: &str) -> impl Iterator<Item = &'a Host> {
        let domains = host.match_indices('.').filter_map(|(dot, _)| host.get(dot..));
        let wildcards = domains.filter_map(|domain| self.hosts.get(&format!("*{domain}")));
        self.hosts.get(host).into_iter().chain(wildcards)
    }
}

impl Target<'_> {
    /// The action, known before the body is; of several that wait for it anyway, one.
    #[must_use]
    pub fn action(&self) -> &EntityName {
        match &self.0 {
            Kind::Route { route, .. } | Kind::Mcp { route, .. } | Kind::Graphql { route, .. } => {
                &route.action
            }
            Kind::Http { action } => action,
        }
    }

    /// Whether the body must be there to tell resource and context.
    #[must_use]
    pub fn needs_body(&self) -> bool {
        match &self.0 {
            Kind::Mcp { .. } | Kind::Graphql { .. } => true,
            Kind::Route { route, .. } => route.body.is_some(),
            Kind::Http { .. } => false,
        }
    }

    /// For evidence: `routes.yaml:12`, or `http`.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.0 {
            Kind::Route { route, .. } | Kind::Mcp { route, .. } | Kind::Graphql { route, .. } => &route.name,
            Kind::Http { .. } => "http",
        }
    }

    /// Headers that this route says change from try to try, in lower case.
    #[must_use]
    pub fn volatile(&self) -> &[String] {
        match &self.0 {
            Kind::Route { route, .. } | Kind::Mcp { route, .. } | Kind::Graphql { route, .. } => {
                &route.volatile
            }
            Kind::Http { .. } => &[],
        }
    }

    /// Headers that this route says nobody may see, in lower case.
    #[must_use]
    pub fn redacted(&self) -> &[String] {
        match &self.0 {
            Kind::Route { route, .. } | Kind::Mcp { route, .. } | Kind::Graphql { route, .. } => {
                &route.redacted
            }
            Kind::Http { .. } => &[],
        }
    }

    /// The server of the Model Context Protocol that it is about.
    pub(crate) fn mcp(&self) -> Option<&McpRoute> {
        match &self.0 {
            Kind::Mcp { mcp, .. } => Some(mcp),
            Kind::Route { route, .. } => route.mcp.as_deref(),
            Kind::Graphql { .. } | Kind::Http { .. } => None,
        }
    }

    /// What was posted, where messages are.
    pub(crate) fn post(&self, reading: &Reading, body: Option<&[u8]>) -> Option<Post> {
        matches!(self.0, Kind::Mcp { .. }).then(|| Post::of(reading, body))
    }

    /// What a request does. `body` is the whole body, and needed when [`Target::needs_body`] says so.
    ///
    /// # Errors
    /// [`Reason::BadFact`] or [`Reason::Ambiguous`], naming route and fact, and what else is wrong with messages.
    pub fn map(&self, reading: &Reading, body: Option<&[u8]>) -> Result<Parts, Denial> {
        self.map_posted(reading, body, self.post(reading, body))
    }

    /// As [`Target::map`], where the messages are read already.
    pub(crate) fn map_posted(
        &self,
        reading: &Reading,
        body: Option<&[u8]>,
        post: Option<Post>,
    ) -> Result<Parts, Denial> {
        let (route, mapped) = match &self.0 {
            Kind::Http { action } => return http::map(action, reading).map(Parts::from),
            Kind::Route { route, captured } => {
                let typed = route.typed(captured);
                (route, typed.and_then(|captured| route.map(reading, &captured, body)).map(Parts::from))
            }
            Kind::Graphql { route, graphql, captured } => {
                let typed = route.typed(captured);
                (route, typed.and_then(|captured| graphql.map(reading, &captured, body)))
            }
            Kind::Mcp { route, mcp, captured } => {
                let post = post.unwrap_or_else(|| Post::of(reading, body));
                let (version, typed) = (post.conversation.version, route.typed(captured));
                let mapped = post
                    .messages
                    .and_then(|all| typed.and_then(|captured| mcp.map(reading, &captured, all, version)));
                (route, mapped)
            }
        };
        mapped.map_err(|denial| denial.within(&route.name))
    }
}
