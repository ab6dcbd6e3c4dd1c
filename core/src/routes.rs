//! Routes: which request is which action on which resource, with which context.

mod build;
mod common;
mod document;
mod explain;
mod facts;
mod file;
mod http;
mod json;
mod pattern;
mod route;
mod template;
mod tree;
mod types;

use std::collections::{BTreeMap, BTreeSet};

pub use common::{COMMON_FACTS, common_facts};
pub(crate) use document::{Place, Typed, strict};
pub(crate) use explain::written;
pub use explain::{Miss, WrittenRoute};
pub(crate) use pattern::is_header_name;
pub(crate) use template::is_type;

use crate::denial::{Denial, Reason};
use crate::entity::EntityName;
use crate::load::LoadError;
use crate::reading::Reading;
use crate::value::Value;
use crate::yaml;
use facts::Fact;
use file::{FILE, Fallback, RoutesFile};
use route::Route;
use tree::{Found, Host};

/// What routes need to know of the schema.
pub trait SchemaView {
    /// Whether it declares this action.
    fn has_action(&self, action: &EntityName) -> bool;
    /// Whether it declares this entity type.
    fn has_entity_type(&self, ty: &str) -> bool;
    /// The members of the action's context and whether each is required; `None` for an unknown action.
    fn context_attributes(&self, action: &EntityName) -> Option<BTreeMap<String, bool>>;
}

/// All routes of a bundle. A host with routes is closed: what none matches is denied, unless `hosts` says
/// otherwise.
#[derive(Debug)]
pub struct Routes {
    hosts: BTreeMap<String, Host>,
    /// Methods for which plain HTTP is declared.
    http: BTreeSet<&'static str>,
}

/// What a request is about.
#[derive(Debug)]
pub struct Target<'a>(Kind<'a>);

#[derive(Debug)]
enum Kind<'a> {
    Route { route: &'a Route, captured: Vec<String> },
    Http { action: EntityName },
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

impl Routes {
    /// Reads `routes.yaml`; without it every host is open and judged as plain HTTP.
    ///
    /// # Errors
    /// All that is wrong with it, each with its line.
    pub fn load(text: Option<&str>, schema: &dyn SchemaView) -> Result<Self, Vec<LoadError>> {
        let file: RoutesFile = match text {
            Some(text) => yaml::read(FILE, text).map_err(|error| vec![error])?,
            None => RoutesFile::default(),
        };
        let mut errors = Vec::new();
        let mut hosts: BTreeMap<String, Host> = BTreeMap::new();
        for (name, entry) in file.hosts {
            match pattern::host(&name) {
                Ok(host) => hosts.entry(host).or_default().fallback = Some(entry.value.fallback),
                Err(message) => errors.push(LoadError::at(FILE, entry.line, message)),
            }
        }
        for entry in file.routes {
            let Some(placed) = build::route(entry, schema, &mut errors) else { continue };
            let added = hosts.entry(placed.host).or_default().add(&placed.steps, placed.route);
            errors.extend(added.err());
        }
        errors.sort_by_key(|error| error.line);
        if errors.is_empty() { Ok(Self { hosts, http: http::declared(schema) }) } else { Err(errors) }
    }

    /// What a request is about.
    ///
    /// # Errors
    /// [`Reason::NoRoute`] when nothing matches and the host is closed, or the schema knows no such action of
    /// plain HTTP; [`Reason::Ambiguous`] when a header that a route matches on can be read in two ways.
    pub fn find<'a>(&'a self, reading: &Reading) -> Result<Target<'a>, Denial> {
        let (mut closed, mut fallback) = (false, None);
        for host in self.covering(&reading.host) {
            if let Some(Found { route, captured }) = host.find(reading)? {
                return Ok(Target(Kind::Route { route, captured: route.folded(captured) }));
            }
            closed |= host.closed;
            fallback = fallback.or(host.fallback);
        }
        let open = fallback.map_or(!closed, |fallback| fallback == Fallback::Http);
        if open && self.http.contains(reading.method.as_str()) {
            return Ok(Target(Kind::Http { action: http::action(&reading.method) }));
        }
        Err(Denial::new(
            Reason::NoRoute,
            format!("no route for `{}` on host `{}`", reading.method, reading.host),
        ))
    }

    /// What is known of a host, the most specific first: itself, then the domains above it.
    fn covering<'a>(&'a self, host: &str) -> impl Iterator<Item = &'a Host> {
        let domains = host.match_indices('.').filter_map(|(dot, _)| host.get(dot..));
        let wildcards = domains.filter_map(|domain| self.hosts.get(&format!("*{domain}")));
        self.hosts.get(host).into_iter().chain(wildcards)
    }
}

impl Target<'_> {
    /// The action, known before the body is.
    #[must_use]
    pub fn action(&self) -> &EntityName {
        match &self.0 {
            Kind::Route { route, .. } => &route.action,
            Kind::Http { action } => action,
        }
    }

    /// Whether the body must be there to tell resource and context.
    #[must_use]
    pub fn needs_body(&self) -> bool {
        match &self.0 {
            Kind::Route { route, .. } => route.facts().any(Fact::reads_body),
            Kind::Http { .. } => false,
        }
    }

    /// For evidence: `routes.yaml:12`, or `http`.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.0 {
            Kind::Route { route, .. } => &route.name,
            Kind::Http { .. } => "http",
        }
    }

    /// Headers that this route says change from try to try, in lower case.
    #[must_use]
    pub fn volatile(&self) -> &[String] {
        match &self.0 {
            Kind::Route { route, .. } => &route.volatile,
            Kind::Http { .. } => &[],
        }
    }

    /// Headers that this route says nobody may see, in lower case.
    #[must_use]
    pub fn redacted(&self) -> &[String] {
        match &self.0 {
            Kind::Route { route, .. } => &route.redacted,
            Kind::Http { .. } => &[],
        }
    }

    /// Resource and context. `body` is the whole body, and needed when [`Target::needs_body`] says so.
    ///
    /// # Errors
    /// [`Reason::BadFact`] or [`Reason::Ambiguous`], naming route and fact.
    pub fn map(&self, reading: &Reading, body: Option<&[u8]>) -> Result<Mapped, Denial> {
        match &self.0 {
            Kind::Route { route, captured } => route
                .map(reading, captured, body)
                .map_err(|denial| Denial::new(denial.reason, format!("{}: {}", route.name, denial.detail))),
            Kind::Http { action } => http::map(action, reading),
        }
    }
}
