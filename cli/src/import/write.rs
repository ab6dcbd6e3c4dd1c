//! The entries of a schema, of routes and of suggested gates.

use std::collections::{BTreeMap, BTreeSet};

use super::Generation;
use super::merge::{Entry, Frame};
use super::model::{Api, Content, Entity, Member, Operation, Requests};
use super::names::{attribute, quoted};

/// The context that every generated action has beside its own: facts that each request has anyway.
const COMMON: &str = "now: datetime, source_ip?: ipaddr, justification?: String";

/// What every imported file begins with.
fn note(comment: &str) -> String {
    format!(
        "{comment} Imported by `countersign import`. Imported again, entries that nobody touched follow the document, and\n\
         {comment} what was edited stays as it is. To leave an entry out, delete its lines and keep its mark.\n"
    )
}

/// The layout of a schema with one namespace.
pub(super) fn schema_frame(namespace: &str) -> Frame {
    let opens = format!("namespace {namespace} {{");
    Frame { comment: "//", indent: "  ", head: note("//"), opens, depth: 0, closes: Some("}"), shared: false }
}

/// The layout of `routes.yaml`.
pub(super) fn routes_frame() -> Frame {
    Frame {
        comment: "#",
        indent: "  ",
        head: note("#"),
        opens: "routes:".into(),
        depth: 1,
        closes: None,
        shared: false,
    }
}

/// The layout of suggested gates.
pub(super) fn gates_frame(namespace: &str) -> Frame {
    let opens = format!("// Suggested gates of {namespace}.");
    Frame { comment: "//", indent: "", head: note("//"), opens, depth: 0, closes: None, shared: false }
}

/// What an import of an API writes.
pub(super) fn all(api: &Api) -> [Generation; 3] {
    let Api { name, namespace, .. } = api;
    let part = |file: String, frame, entries| Generation { file, frame, source: name.clone(), entries };
    let routes = api.operations.iter().map(|operation| route(api, operation));
    [
        part(format!("{name}.cedarschema"), schema_frame(namespace), schema(api)),
        part("routes.yaml".into(), routes_frame(), routes.collect()),
        part(format!("{name}.cedar"), gates_frame(namespace), gates(api)),
    ]
}

fn schema(api: &Api) -> Vec<Entry> {
    let mut entries = Vec::new();
    let principals = if api.principals.is_empty() {
        let text = "  entity User;\n  entity Agent { owner?: User };".to_owned();
        entries.push(Entry { key: "principals".into(), text });
        "[Agent, User]".to_owned()
    } else {
        format!("[{}]", api.principals.join(", "))
    };
    for (ty, parents) in &api.types {
        let parents: Vec<_> = parents.iter().map(String::as_str).collect();
        let within = if parents.is_empty() { String::new() } else { format!(" in [{}]", parents.join(", ")) };
        entries.push(Entry { key: format!("entity {ty}"), text: format!("  entity {ty}{within};") });
    }
    let tags: BTreeSet<_> = api.operations.iter().flat_map(|operation| &operation.tags).collect();
    for tag in tags {
        let id = quoted(&group(tag));
        entries.push(Entry { key: format!("tag {tag}"), text: format!("  action {id};") });
    }
    // One action may have several routes.
    let mut actions: BTreeMap<&str, Entry> = BTreeMap::new();
    for operation in &api.operations {
        actions.entry(&operation.action).or_insert_with(|| action(operation, &principals));
    }
    entries.extend(actions.into_values());
    entries
}

/// The id of the group of a tag's actions.
fn group(tag: &str) -> String {
    format!("tag {tag}")
}

fn action(operation: &Operation, principals: &str) -> Entry {
    let groups: Vec<_> = operation.tags.iter().map(|tag| quoted(&group(tag))).collect();
    let within = if groups.is_empty() { String::new() } else { format!(" in [{}]", groups.join(", ")) };
    let own: String =
        operation.context.iter().map(|member| format!("      {},\n", declared(member))).collect();
    let text = format!(
        "  action {}{within} appliesTo {{\n    principal: {principals},\n    resource: {},\n    context: {{\n      \
         {COMMON},\n{own}    }},\n  }};",
        quoted(&operation.action),
        operation.resource.ty,
    );
    Entry { key: format!("action {}", operation.action), text }
}

pub(super) fn declared(member: &Member) -> String {
    let mark = if member.optional { "?" } else { "" };
    let ty = match &member.content {
        Content::Fact(_, ty) => ty.clone(),
        Content::Record { members, .. } => {
            format!("{{ {} }}", members.iter().map(declared).collect::<Vec<_>>().join(", "))
        }
    };
    format!("{}{mark}: {ty}", attribute(&member.name))
}

fn route(api: &Api, operation: &Operation) -> Entry {
    let hosts = match operation.hosts.as_slice() {
        [host] => plain(host),
        hosts => format!("[{}]", hosts.iter().map(|host| plain(host)).collect::<Vec<_>>().join(", ")),
    };
    let requests = match &operation.requests {
        Requests::Http { method, path } => format!("method: {method}, path: {}", quoted(path)),
        Requests::Grpc(method) => format!("grpc: {method}"),
    };
    let mut text = format!(
        "  - match: {{ host: {hosts}, {requests} }}\n    action: {}\n    resource: {}",
        scalar(&format!("{}::Action::{}", api.namespace, quoted(&operation.action))),
        entity(api, &operation.resource),
    );
    if !operation.parents.is_empty() {
        text.push_str("\n    parents:");
        for parent in &operation.parents {
            text.push_str(&format!("\n      - {}", entity(api, parent)));
        }
    }
    if !operation.context.is_empty() {
        text.push_str("\n    context:");
        operation.context.iter().for_each(|member| field(&mut text, member, 6));
    }
    Entry { key: operation.key.clone(), text }
}

fn entity(api: &Api, entity: &Entity) -> String {
    scalar(&format!("{}::{}::\"{}\"", api.namespace, entity.ty, entity.id))
}

pub(super) fn field(text: &mut String, member: &Member, indent: usize) {
    let name =
        if attribute(&member.name).starts_with('"') { quoted(&member.name) } else { member.name.clone() };
    let optional = if member.optional { ", optional: true" } else { "" };
    match &member.content {
        Content::Fact(from, ty) => {
            text.push_str(&format!(
                "\n{:indent$}{name}: {{ from: {}, type: {ty}{optional} }}",
                "",
                quoted(from)
            ));
        }
        Content::Record { from, members } => {
            text.push_str(&format!("\n{:indent$}{name}:", ""));
            if let Some(from) = from {
                text.push_str(&format!("\n{:indent$}  from: {}", "", quoted(from)));
            }
            if member.optional {
                text.push_str(&format!("\n{:indent$}  optional: true", ""));
            }
            text.push_str(&format!("\n{:indent$}  fields:", ""));
            members.iter().for_each(|member| field(text, member, indent + 4));
        }
    }
}

/// A host; a wildcard needs quotes.
fn plain(host: &str) -> String {
    if host.starts_with('*') { quoted(host) } else { host.to_owned() }
}

/// A plain scalar where YAML reads it as it is, else in single quotes.
pub(super) fn scalar(text: &str) -> String {
    let odd = text.contains(": ") || text.contains(" #") || text.ends_with(':');
    if odd { format!("'{}'", text.replace('\'', "''")) } else { text.to_owned() }
}

/// Gates that somebody may want, behind comment marks: one for each action that destroys something.
fn gates(api: &Api) -> Vec<Entry> {
    let mut gates: BTreeMap<&str, Entry> = BTreeMap::new();
    for operation in api.operations.iter().filter(|operation| operation.destructive) {
        gates.entry(&operation.action).or_insert_with(|| gate(api, &operation.action));
    }
    gates.into_values().collect()
}

fn gate(Api { name, namespace, .. }: &Api, action: &str) -> Entry {
    let id = format!("{name}-{}-needs-a-person", super::names::slug(action));
    let text = format!(
        "// @id({})\n// @approval(\"owners\")\n// @reason({})\n// forbid (principal, action == {namespace}::Action::{}, resource);",
        quoted(&id),
        quoted(&format!("{action} cannot be undone")),
        quoted(action),
    );
    Entry { key: format!("action {action}"), text }
}
