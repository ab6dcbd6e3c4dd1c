//! From an entry of the file to a route that can be used, with everything that is wrong with it.

pub(super) mod context;
mod matching;

use super::body::Format;
use super::common::common_type;
use super::facts::{Fact, Other, Source};
use super::file::{FILE, RouteEntry};
use super::messages::Messages;
use super::pattern::{self, Params};
use super::route::Route;
use super::template::{self, Template};
use super::{SchemaView, graphql, mcp};
use crate::digest::{is_secret, is_volatile};
use crate::entity::EntityName;
use crate::load::LoadError;
use crate::yaml::{Located, OneOrMany};
pub(super) use matching::Matching;

/// Most fields of a gRPC message that a route reads.
const MAX_FIELDS: usize = 256;

/// A route and which requests it takes.
pub(super) struct Placed {
    pub(super) matching: Matching,
    pub(super) route: Route,
}

/// Collects what is wrong, so that one load names it all.
pub(super) struct Errors<'a>(&'a mut Vec<LoadError>);

impl Errors<'_> {
    pub(super) fn keep<T>(&mut self, line: usize, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.0.push(LoadError::at(FILE, line, message))).ok()
    }

    pub(super) fn require(&mut self, line: usize, holds: bool, message: impl FnOnce() -> String) {
        if !holds {
            self.0.push(LoadError::at(FILE, line, message()));
        }
    }
}

/// Builds one route; `None` when something is wrong with it, which is then in `errors`.
pub(super) fn route(
    entry: Located<RouteEntry>,
    messages: &Messages,
    schema: &dyn SchemaView,
    errors: &mut Vec<LoadError>,
) -> Option<Placed> {
    let Located { value: entry, line } = entry;
    let mut errors = Errors(errors);
    let before = errors.0.len();
    let mut matching = matching::read(&entry.r#match, line, &mut errors)?;
    let params = &matching.params;
    let mcp = entry.mcp.as_ref().and_then(|mcp| mcp::build::build(&entry, mcp, params, schema, &mut errors));
    let roots = entry.graphql.as_ref();
    let graphql = roots.map(|roots| graphql::build::build(&entry, roots, params, schema, &mut errors));
    let method = entry.r#match.grpc.as_ref().map(|grpc| grpc.value.clone());
    let of_message = |text: &str| Fact::of_message(text, method.as_ref()?, messages);
    let known: (_, Other<'_>) = (params, &of_message);
    let (action, resource) = match (&mcp, &graphql) {
        (_, Some(graphql)) => {
            matching.methods = graphql::build::METHODS.map(str::to_owned).to_vec();
            graphql.any().unzip()
        }
        (Some(mcp), None) => {
            errors.require(line, !matching.form, || "`mcp` is JSON: leave `form` out".into());
            matching.methods = mcp::build::METHODS.map(str::to_owned).to_vec();
            (Some(mcp.connects()), Template::parse(&mcp.names(), known).ok())
        }
        (None, None) => (
            named(entry.action.as_ref(), line, "action", &mut errors)
                .and_then(|Located { value, line }| errors.keep(*line, action(value, schema))),
            named(entry.resource.as_ref(), line, "resource", &mut errors)
                .and_then(|Located { value, line }| entity(value, *line, known, schema, &mut errors)),
        ),
    };
    let parents = parents(entry.parents.as_ref(), known, schema, &mut errors);
    let fold = folds(&entry.fold.0, params, line, &mut errors);
    let context = context::fields(&entry.context, params, known.1, &mut errors);
    if let Some(action) = action.as_ref().filter(|_| mcp.is_none() && graphql.is_none()) {
        context::check(action, (&entry.context, &context), &common_type, line, schema, &mut errors);
        check_types(action, resource.as_ref(), &parents, lines(&entry), schema, &mut errors);
    }
    check_names(entry.volatile.0.iter().chain(&entry.redact.0), line, &mut errors);
    if errors.0.len() > before {
        return None;
    }
    let mut route = Route {
        line,
        name: format!("{FILE}:{line}"),
        action: action?,
        resource: resource?,
        parents,
        params: params.all.clone(),
        fold,
        context,
        body: None,
        message: None,
        volatile: entry.volatile.0,
        redacted: entry.redact.0,
        mcp: mcp.map(Box::new),
        graphql: graphql.map(Box::new),
    };
    route.body = format(&route, &matching, &mut errors);
    let message = method.filter(|_| route.body == Some(Format::Message));
    route.message = message.map(|method| messages.descriptor(&method));
    check_bound(&route, &matching, &mut errors);
    (errors.0.len() == before).then_some(Placed { matching, route })
}

fn check_names<'a>(names: impl Iterator<Item = &'a String>, line: usize, errors: &mut Errors<'_>) {
    for name in names {
        let known = pattern::is_header_name(name);
        errors.require(line, known, || format!("`{name}`: write the header's name in lower case"));
    }
}

/// A body has one format, and that of a gRPC method is its message.
fn format(route: &Route, matching: &Matching, errors: &mut Errors<'_>) -> Option<Format> {
    let mut formats = route.own_facts().filter_map(|fact| Some((fact, fact.format()?)));
    let (first, format) = formats.next()?;
    if let Some((other, _)) = formats.find(|(_, other)| *other != format) {
        let (first, other) = (&first.written, &other.written);
        errors.require(route.line, false, || {
            format!("the route reads `{first}` and `{other}`, but a body has one format")
        });
    }
    errors.require(route.line, !matching.form || format == Format::Form, || {
        format!("the route asks for a form and reads `{}`, but a body has one format", first.written)
    });
    errors.require(route.line, matching.grpc == (format == Format::Message), || {
        format!("the route reads `{}`, but in a gRPC message only `message:…` is read", first.written)
    });
    check_count(route, errors);
    Some(format)
}

/// More facts of one message would take longer than a request may.
fn check_count(route: &Route, errors: &mut Errors<'_>) {
    let count = route.own_facts().filter(|fact| fact.format() == Some(Format::Message)).count();
    errors.require(route.line, count <= MAX_FIELDS, || {
        format!("the route reads {count} fields of a message, at most {MAX_FIELDS} are read: take out what no policy is about")
    });
}

/// What policy reads must be what people approve, and stands in the question and in evidence: a header that may
/// change between tries is not the first, and one that is redacted must not be the second.
fn check_bound(route: &Route, matching: &Matching, errors: &mut Errors<'_>) {
    let taken = route.facts().filter_map(|fact| match &fact.source {
        Source::Header(name) => Some(name.as_str()),
        _ => None,
    });
    let reads = route.body.is_some() || matching.form;
    let format = reads.then_some(["content-type", "content-encoding"]).into_iter().flatten();
    for name in taken.chain(matching.headers()).chain(format) {
        let bound = !is_volatile(name, &route.volatile);
        errors.require(route.line, bound, || {
            format!(
                "the route reads `{name}`, which may change after an approval: take a header that is bound"
            )
        });
        errors.require(route.line, !bound || !is_secret(name, &route.redacted), || {
            format!("the route reads `{name}`, which is redacted: what policy reads is shown to people")
        });
    }
}

/// What only `mcp` may stand in for.
fn named<'a, T>(
    member: Option<&'a Located<T>>,
    line: usize,
    name: &str,
    errors: &mut Errors<'_>,
) -> Option<&'a Located<T>> {
    errors.require(line, member.is_some(), || format!("missing field `{name}`"));
    member
}

/// The lines of resource and parents.
fn lines(entry: &RouteEntry) -> (usize, usize) {
    let resource = entry.resource.as_ref().map_or(0, |resource| resource.line);
    (resource, entry.parents.as_ref().map_or(resource, |parents| parents.line))
}

pub(super) fn action(text: &str, schema: &dyn SchemaView) -> Result<EntityName, String> {
    let (ty, id) = template::entity(text)?;
    let action = EntityName::new(ty, id);
    if schema.has_action(&action) { Ok(action) } else { Err(format!("the schema has no action `{text}`")) }
}

pub(super) fn entity(
    text: &str,
    line: usize,
    known: (&Params, Other<'_>),
    schema: &dyn SchemaView,
    errors: &mut Errors<'_>,
) -> Option<Template> {
    let template = errors.keep(line, Template::parse(text, known))?;
    let list = template.facts().find(|fact| fact.is_list());
    errors.require(line, list.is_none(), || {
        format!("`{}` is a list, and an id is one text", list.map_or("", |fact| &fact.written))
    });
    let ty = &template.ty;
    errors.require(line, schema.has_entity_type(ty), || format!("the schema has no entity type `{ty}`"));
    schema.has_entity_type(ty).then_some(template)
}

pub(super) fn parents(
    list: Option<&Located<OneOrMany>>,
    known: (&Params, Other<'_>),
    schema: &dyn SchemaView,
    errors: &mut Errors<'_>,
) -> Vec<Template> {
    let Some(Located { value: OneOrMany(list), line }) = list else { return Vec::new() };
    list.iter().filter_map(|parent| entity(parent, *line, known, schema, errors)).collect()
}

/// The action must be about such a resource, and the resource may lie in such parents: else every request of the
/// route would be one that does not fit the schema.
pub(super) fn check_types(
    action: &EntityName,
    resource: Option<&Template>,
    parents: &[Template],
    (line, parents_line): (usize, usize),
    schema: &dyn SchemaView,
    errors: &mut Errors<'_>,
) {
    let Some(Template { ty, .. }) = resource else { return };
    errors.require(line, schema.takes_resource(action, ty), || {
        format!("the schema does not apply `{action}` to resources of the type `{ty}`")
    });
    for parent in parents.iter().map(|parent| &parent.ty) {
        errors.require(parents_line, schema.may_lie_in(ty, parent), || {
            format!("by the schema, `{ty}` cannot lie in `{parent}`")
        });
    }
}

/// The places of the parameters that are folded.
fn folds(names: &[String], params: &Params, line: usize, errors: &mut Errors<'_>) -> Vec<usize> {
    let place = |name: &String| {
        let place = params.place(name);
        place.ok_or_else(|| format!("`fold`: the path template has no parameter `{name}`"))
    };
    names.iter().filter_map(|name| errors.keep(line, place(name))).collect()
}
