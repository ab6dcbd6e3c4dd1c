//! From an entry of the file to a route that can be used, with everything that is wrong with it.

use std::collections::BTreeMap;

use super::facts::{Fact, Params};
use super::file::{FILE, FieldEntry, MatchEntry, RouteEntry};
use super::pattern::{self, Conditions, HostPattern, Step};
use super::route::{Field, Route};
use super::template::{self, Template};
use super::types::Type;
use super::{COMMON_FACTS, SchemaView, mcp};
use crate::digest::{is_secret, is_volatile};
use crate::entity::EntityName;
use crate::load::LoadError;
use crate::yaml::{Located, OneOrMany};

/// A route and where it belongs.
pub(super) struct Placed {
    pub(super) host: HostPattern,
    pub(super) steps: Vec<Step>,
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
    schema: &dyn SchemaView,
    errors: &mut Vec<LoadError>,
) -> Option<Placed> {
    let Located { value: entry, line } = entry;
    let mut errors = Errors(errors);
    let before = errors.0.len();
    let host = errors.keep(line, pattern::host(&entry.r#match.host));
    let path = &entry.r#match.path;
    let (steps, params) = errors.keep(path.line, pattern::path(&path.value))?;
    let mut conditions = conditions(&entry.r#match, line, &mut errors);
    if entry.mcp.is_some() {
        conditions.methods = mcp::build::METHODS.map(str::to_owned).to_vec();
    }
    let mcp = entry.mcp.as_ref().and_then(|mcp| mcp::build::build(&entry, mcp, &params, schema, &mut errors));
    let (action, resource) = match &mcp {
        Some(mcp) => (Some(mcp.connects()), Template::parse(&mcp.names(), &params).ok()),
        None => (
            named(entry.action.as_ref(), line, "action", &mut errors)
                .and_then(|Located { value, line }| errors.keep(*line, action(value, schema))),
            named(entry.resource.as_ref(), line, "resource", &mut errors)
                .and_then(|Located { value, line }| entity(value, *line, &params, schema, &mut errors)),
        ),
    };
    let parents = parents(entry.parents.as_ref(), &params, schema, &mut errors);
    let fold = folds(&entry.fold.0, &params, line, &mut errors);
    let context = fields(&entry.context, &params, &|_| None, &mut errors);
    if let Some(action) = action.as_ref().filter(|_| mcp.is_none()) {
        check_context(action, &entry.context, &[], line, schema, &mut errors);
    }
    for name in entry.volatile.0.iter().chain(&entry.redact.0) {
        let known = pattern::is_header_name(name);
        errors.require(line, known, || format!("`{name}`: write the header's name in lower case"));
    }
    if errors.0.len() > before {
        return None;
    }
    let (volatile, redacted) = (entry.volatile.0, entry.redact.0);
    let route = Route {
        line,
        name: format!("{FILE}:{line}"),
        conditions,
        action: action?,
        resource: resource?,
        parents,
        fold,
        context,
        volatile,
        redacted,
        mcp: mcp.map(Box::new),
    };
    check_bound(&route, &mut errors);
    (errors.0.len() == before).then_some(Placed { host: host?, steps, route })
}

/// What policy reads must be what people approve, and stands in the question and in evidence: a header that may
/// change between tries is not the first, and one that is redacted must not be the second.
fn check_bound(route: &Route, errors: &mut Errors<'_>) {
    for name in route.headers() {
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

fn conditions(entry: &MatchEntry, line: usize, errors: &mut Errors<'_>) -> Conditions {
    let methods = entry.method.0.iter().filter_map(|text| errors.keep(line, pattern::method(text))).collect();
    for name in entry.headers.keys() {
        let known = pattern::is_header_name(name);
        errors.require(line, known, || format!("`{name}`: write the header's name in lower case"));
    }
    let headers = entry.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    Conditions { methods, headers }
}

fn action(text: &str, schema: &dyn SchemaView) -> Result<EntityName, String> {
    let (ty, id) = template::entity(text)?;
    let action = EntityName::new(ty, id);
    if schema.has_action(&action) { Ok(action) } else { Err(format!("the schema has no action `{text}`")) }
}

fn entity(
    text: &str,
    line: usize,
    params: &Params,
    schema: &dyn SchemaView,
    errors: &mut Errors<'_>,
) -> Option<Template> {
    let template = errors.keep(line, Template::parse(text, params))?;
    let ty = &template.ty;
    errors.require(line, schema.has_entity_type(ty), || format!("the schema has no entity type `{ty}`"));
    Some(template)
}

fn parents(
    list: Option<&Located<OneOrMany>>,
    params: &Params,
    schema: &dyn SchemaView,
    errors: &mut Errors<'_>,
) -> Vec<Template> {
    let Some(Located { value: OneOrMany(list), line }) = list else { return Vec::new() };
    list.iter().filter_map(|parent| entity(parent, *line, params, schema, errors)).collect()
}

/// The places of the parameters that are folded.
fn folds(names: &[String], params: &Params, line: usize, errors: &mut Errors<'_>) -> Vec<usize> {
    let place = |name: &String| {
        let place = params.names.iter().position(|param| param == name);
        place.ok_or_else(|| format!("`fold`: the path template has no parameter `{name}`"))
    };
    names.iter().filter_map(|name| errors.keep(line, place(name))).collect()
}

/// The members of a context. `other` reads what only this kind of route knows.
pub(super) fn fields(
    context: &BTreeMap<String, Located<FieldEntry>>,
    params: &Params,
    other: &dyn Fn(&str) -> Option<Result<Fact, String>>,
    errors: &mut Errors<'_>,
) -> Vec<Field> {
    let field = |(name, field): (&String, &Located<FieldEntry>)| {
        let from = &field.value.from;
        let fact = errors.keep(field.line, other(from).unwrap_or_else(|| Fact::parse(from, params)))?;
        let ty = Type::parse(&field.value.r#type);
        Some(Field { name: name.clone(), fact, ty, optional: field.value.optional })
    };
    context.iter().filter_map(field).collect()
}

/// The context that a route makes, with what `comes` by itself, is the context that the action's schema declares.
pub(super) fn check_context(
    action: &EntityName,
    context: &BTreeMap<String, Located<FieldEntry>>,
    comes: &[&str],
    line: usize,
    schema: &dyn SchemaView,
    errors: &mut Errors<'_>,
) {
    let declared = schema.context_attributes(action).unwrap_or_default();
    for (name, Located { value: field, line }) in context {
        let shadows = COMMON_FACTS.contains(&name.as_str()) || comes.contains(&name.as_str());
        errors
            .require(*line, !shadows, || format!("`{name}` is a fact of every request: choose another name"));
        errors.require(*line, declared.contains_key(name), || {
            format!("the schema's context of `{action}` has no `{name}`")
        });
        let weak = field.optional && declared.get(name) == Some(&true);
        errors.require(*line, !weak, || format!("`{name}` is optional here and required by the schema"));
        let ty = Type::parse(&field.r#type);
        check_type(name, &ty, field, *line, schema, errors);
    }
    for (name, _) in declared.iter().filter(|(_, required)| **required) {
        let own = context.contains_key(name) || comes.contains(&name.as_str());
        let given = own || COMMON_FACTS.contains(&name.as_str());
        errors.require(line, given, || {
            format!("`{action}` requires `{name}` in its context: say where it comes from")
        });
    }
}

fn check_type(
    name: &str,
    ty: &Type,
    field: &FieldEntry,
    line: usize,
    schema: &dyn SchemaView,
    errors: &mut Errors<'_>,
) {
    if let Type::Entity(entity) = ty {
        errors.require(line, schema.has_entity_type(entity), || {
            format!(
                "`{name}`: `{entity}` is no entity type of the schema and none of `String`, `Long`, `Bool`, \
                 `Set<String>`, `decimal`, `datetime`, `ipaddr`"
            )
        });
    }
    let single = *ty != Type::Strings || !field.from.starts_with("path");
    errors.require(line, single, || format!("`{name}`: a path parameter is no `Set<String>`"));
}
