//! From an `mcp:` entry to a route that can be used, with everything that is wrong with it.

use std::collections::BTreeMap;

use super::{ARGUMENTS, MCP_FACTS, McpRoute, SERVER, Tool, action, argument};
use crate::entity::EntityName;
use crate::mcp::Verb;
use crate::routes::build::{Errors, context};
use crate::routes::common::common_type;
use crate::routes::file::{McpEntry, RouteEntry, ToolEntry};
use crate::routes::json::Pointer;
use crate::routes::pattern::Params;
use crate::routes::types::{Type, is_id};
use crate::routes::{SchemaView, template};
use crate::yaml::Located;

/// The methods of HTTP that an endpoint has.
pub(in crate::routes) const METHODS: [&str; 3] = ["GET", "POST", "DELETE"];

/// Builds what an entry says of its server; what is wrong is in `errors`.
pub(in crate::routes) fn build(
    entry: &RouteEntry,
    mcp: &Located<McpEntry>,
    params: &Params,
    schema: &dyn SchemaView,
    errors: &mut Errors<'_>,
) -> Option<McpRoute> {
    let Located { value: McpEntry { server, hide_unlisted, tools }, line } = mcp;
    let alone = entry.action.is_none()
        && entry.resource.is_none()
        && entry.parents.is_none()
        && entry.fold.0.is_empty()
        && entry.context.is_empty()
        && entry.r#match.method.0.is_empty();
    errors.require(*line, alone, || {
        "`mcp` stands in the place of `action`, `resource`, `parents`, `fold`, `context` and `method`".into()
    });
    let plain = is_id(server) && !server.contains(['/', '{', '}', '"', '\\']);
    errors
        .require(*line, plain, || format!("server `{server}`: write a name without `/`, quotes and braces"));
    let declares = |verb: &Verb| schema.has_action(&action(verb.action()));
    let verbs: Vec<_> = Verb::ALL.into_iter().filter(declares).collect();
    errors.require(*line, declares(&Verb::Connect) && schema.has_entity_type(SERVER), || {
        "the schema has no action `MCP::Action::\"connect\"`: begin with `policies/mcp.cedarschema`".into()
    });
    for verb in &verbs {
        context::check(&action(verb.action()), (&BTreeMap::new(), &[]), &comes, *line, schema, errors);
    }
    let tools = tools
        .iter()
        .filter_map(|(name, entry)| Some((name.clone(), tool(name, entry, params, schema, errors)?)));
    let tools = tools.collect();
    Some(McpRoute {
        server: server.clone(),
        hide_unlisted: *hide_unlisted,
        tools,
        actions: verbs.iter().map(|verb| verb.action()).collect(),
    })
}

fn tool(
    name: &str,
    Located { value: entry, line }: &Located<ToolEntry>,
    params: &Params,
    schema: &dyn SchemaView,
    errors: &mut Errors<'_>,
) -> Option<Tool> {
    errors.require(*line, is_id(name), || format!("tool `{name}`: no tool has such a name"));
    let call = action(Verb::Call.action());
    let does = match &entry.action {
        None => Some(call.clone()),
        Some(text) => errors.keep(*line, own_action(text, &call, schema)),
    };
    let parse = |text: &str| argument(text);
    let context = context::fields(&entry.context, params, &parse, errors);
    if let Some(does) = &does {
        context::check(does, (&entry.context, &context), &comes, *line, schema, errors);
    }
    let mirrored = |(header, place): (&String, &String)| {
        let token = !header.is_empty()
            && header.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        errors.require(*line, token, || {
            format!("`{header}`: write the end of the header's name in lower case")
        });
        let pointer = Pointer::parse(place).ok_or_else(|| {
            format!("`{place}` is no JSON pointer into the arguments, like `/region` (RFC 6901)")
        });
        Some((header.clone(), errors.keep(*line, pointer)?.below(&ARGUMENTS)))
    };
    let params = entry.params.iter().filter_map(mirrored).collect();
    Some(Tool { action: does?, context, params })
}

/// The types of what every message says of itself.
fn comes(name: &str) -> Option<Type> {
    common_type(name).or_else(|| MCP_FACTS.contains(&name).then_some(Type::String))
}

/// An action of one tool: what a policy says of all calls must hold for it, too.
fn own_action(text: &str, call: &EntityName, schema: &dyn SchemaView) -> Result<EntityName, String> {
    let (ty, id) = template::entity(text)?;
    let own = EntityName::new(ty, id);
    if !schema.has_action(&own) {
        return Err(format!("the schema has no action `{text}`"));
    }
    if own != *call && !schema.lies_in(&own, call) {
        return Err(format!("`{text}` must lie in `{call}`: declare it `in [{call}]`"));
    }
    Ok(own)
}
