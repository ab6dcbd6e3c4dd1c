//! From a `graphql:` entry to a route that can be used, with everything that is wrong with it.

use std::collections::BTreeMap;

use super::{GraphqlRoute, Root, fact};
use crate::graphql::Operation;
use crate::routes::SchemaView;
use crate::routes::build::{self, Errors, context};
use crate::routes::common::common_type;
use crate::routes::file::{RootEntry, RouteEntry};
use crate::routes::pattern::Params;
use crate::yaml::Located;

/// The methods of HTTP that an endpoint has.
pub(in crate::routes) const METHODS: [&str; 2] = ["GET", "POST"];

/// Builds what an entry says of its fields; what is wrong is in `errors`.
pub(in crate::routes) fn build(
    entry: &RouteEntry,
    roots: &Located<BTreeMap<String, Located<RootEntry>>>,
    params: &Params,
    schema: &dyn SchemaView,
    errors: &mut Errors<'_>,
) -> GraphqlRoute {
    let alone = entry.action.is_none()
        && entry.resource.is_none()
        && entry.parents.is_none()
        && entry.context.is_empty()
        && entry.mcp.is_none();
    errors.require(roots.line, alone, || {
        "`graphql` stands in the place of `action`, `resource`, `parents`, `context` and `mcp`".into()
    });
    let plain = entry.r#match.method.0.is_empty()
        && entry.r#match.content_type.0.is_empty()
        && entry.r#match.form.is_empty()
        && entry.r#match.grpc.is_none();
    errors.require(roots.line, plain, || {
        "`graphql` says method and content type itself: leave them, `form` and `grpc` out".into()
    });
    errors.require(roots.line, !roots.value.is_empty(), || "`graphql` names no field".into());
    let mut route = GraphqlRoute { named: BTreeMap::new(), rest: BTreeMap::new() };
    for (name, entry) in &roots.value {
        let (place, root) = (errors.keep(entry.line, place(name)), root(entry, params, schema, errors));
        match (place, root) {
            (Some((operation, "*")), Some(root)) => drop(route.rest.insert(operation, root)),
            (Some((operation, name)), Some(root)) => {
                drop(route.named.insert((operation, name.to_owned()), root))
            }
            _ => {}
        }
    }
    route
}

/// `mutation.deleteUser`, or `query.*` for all others.
fn place(text: &str) -> Result<(Operation, &str), String> {
    let word = |name: &str| {
        let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        starts && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let parts = text.split_once('.').and_then(|(operation, name)| {
        let operation = Operation::ALL.into_iter().find(|known| known.word() == operation)?;
        (name == "*" || word(name)).then_some((operation, name))
    });
    parts.ok_or_else(|| {
        format!("`{text}`: write a root field as `query.user`, `mutation.deleteUser` or `subscription.orders`, all others as `query.*`")
    })
}

fn root(
    Located { value: entry, line }: &Located<RootEntry>,
    params: &Params,
    schema: &dyn SchemaView,
    errors: &mut Errors<'_>,
) -> Option<Root> {
    let action = errors.keep(entry.action.line, build::action(&entry.action.value, schema));
    let resource = build::entity(&entry.resource.value, entry.resource.line, (params, &fact), schema, errors);
    let parents = build::parents(entry.parents.as_ref(), (params, &fact), schema, errors);
    let fields = context::fields(&entry.context, params, &fact, errors);
    let action = action?;
    context::check(&action, (&entry.context, &fields), &common_type, *line, schema, errors);
    let parents_line = entry.parents.as_ref().map_or(*line, |parents| parents.line);
    let lines = (entry.resource.line, parents_line);
    build::check_types(&action, resource.as_ref(), &parents, lines, schema, errors);
    Some(Root { action, resource: resource?, parents, context: fields })
}
