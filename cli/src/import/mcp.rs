//! The tools of an MCP server: what `tools/list` answers, whole or its `result` alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::merge::{Entry, Frame};
use super::model::Member;
use super::names::{self, is_id, quoted};
use super::schema::{Kind, Members, Shape, shape};
use super::write::{declared, field, gates_frame, routes_frame, schema_frame};
use super::{Generated, Generation};

/// What every message and each request says of itself, as a tool's action declares it; arguments get other names.
const COMMON: &str =
    "mcp_method: String, mcp_version: String, now?: datetime, source_ip?: ipaddr, justification?: String";
/// The schemas that tools build on.
const MCP: &str = include_str!("../../../policies/mcp.cedarschema");
const HTTP: &str = include_str!("../../../policies/http.cedarschema");

/// The line of them by which a folder has them.
const OPENS: &str = "namespace MCP {";

/// Who calls, unless it is said otherwise: the types of `http.cedarschema`.
const CALLERS: &str = "[Http::Client, Http::User]";

/// How to import the tools of a server.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// What the server answered to `tools/list`.
    pub file: PathBuf,
    /// The policy folder that the schema, the routes and the suggested gates go into.
    #[arg(long, value_name = "FOLDER")]
    pub into: PathBuf,
    /// The name of the server in policies, `MCP::Server::"<name>"`.
    #[arg(long)]
    pub server: String,
    /// The host of its endpoint; may be given more than once.
    #[arg(long = "host", value_name = "HOST", required = true)]
    pub hosts: Vec<String>,
    /// The path of its endpoint.
    #[arg(long, default_value = "/mcp")]
    pub path: String,
    /// An entity type of callers that a schema in the folder declares; may be given more than once. Left out, those of
    /// `http.cedarschema`.
    #[arg(long = "principal", value_name = "TYPE")]
    pub principals: Vec<String>,
}

/// One tool.
struct Tool<'a> {
    name: &'a str,
    context: Vec<Member>,
    /// From `Mcp-Param-…` header, in lower case and without that, to where its argument is.
    headers: Vec<(String, String)>,
    /// Why somebody may want a gate.
    destructive: Option<&'static str>,
}

/// Reads a list of tools, which goes into a folder of `files`.
///
/// # Errors
/// When it is no such list, or the server's name is none.
pub(super) fn read(
    document: &Value,
    arguments: &Arguments,
    files: &BTreeMap<String, String>,
) -> Result<Generated> {
    let server = arguments.server.as_str();
    ensure!(
        is_id(server) && !server.contains('/'),
        "`--server {server}`: a name has no `/`, quotes or line breaks"
    );
    let slug = names::slug(server);
    let name = names::pascal(server).context("`--server` has no letters")?;
    let namespace = format!("MCP::{name}");
    let result = document.get("result").unwrap_or(document);
    let list = result.get("tools").unwrap_or(result).as_array().context("it has no list `tools`")?;
    let callers = match arguments.principals.as_slice() {
        [] => CALLERS.to_owned(),
        types => format!("[{}]", types.join(", ")),
    };
    let mut skipped = Vec::new();
    if result.get("nextCursor").and_then(Value::as_str).is_some() {
        skipped.push("incomplete: the list has a `nextCursor`: put all its pages into one".to_owned());
    }
    let tools: Vec<_> = list.iter().filter_map(|tool| Tool::of(tool, &mut skipped)).collect();
    if tools.is_empty() {
        bail!("no tool is left to import\n{}", skipped.join("\n"));
    }
    let typed: Vec<_> = tools.iter().filter(|tool| !tool.context.is_empty()).collect();
    let part = |file: &str, frame, source: &str, entries| Generation {
        file: file.to_owned(),
        frame,
        source: source.to_owned(),
        entries,
    };
    let route = vec![endpoint(arguments, !typed.is_empty())];
    // Its tools are in the same file, and have marks of their own.
    let mut parts = vec![part("routes.yaml", routes_frame(), &format!("{slug}/endpoint"), route)];
    if !typed.is_empty() {
        let actions = typed.iter().map(|tool| tool.action(&callers)).collect();
        let entries = typed.iter().map(|tool| tool.entry(&namespace)).collect();
        parts.push(part(&format!("{slug}.cedarschema"), schema_frame(&namespace), &slug, actions));
        parts.push(part("routes.yaml", tools_frame(server), &slug, entries));
    }
    let gates = tools.iter().filter_map(|tool| tool.gate(server, &slug)).collect();
    parts.push(part(&format!("{slug}.cedar"), gates_frame(&namespace), &slug, gates));
    skipped.extend(other_callers(files, &callers));
    let mut needed = vec![(OPENS, "mcp.cedarschema", MCP.replace(CALLERS, &callers))];
    if arguments.principals.is_empty() {
        needed.push(("namespace Http {", "http.cedarschema", HTTP.to_owned()));
    }
    Ok(Generated { parts, needed, skipped })
}

/// What is to be said when the folder's schema has other callers than the tools get: a policy on `MCP::Action::"call"`
/// would be about callers that their actions do not have, or the other way round.
fn other_callers(files: &BTreeMap<String, String>, callers: &str) -> Option<String> {
    let (name, text) = files.iter().find(|(_, text)| text.lines().any(|line| line.trim_end() == OPENS))?;
    let (own, there) = (types(callers), principals(text)?);
    (own != there).then(|| {
        let shown = |types: &BTreeSet<String>| types.iter().cloned().collect::<Vec<_>>().join(", ");
        format!(
            "note: the callers of {name} are [{}], and those of the imported tools [{}]: name the first by `--principal`, \
             or change that file",
            shown(&there),
            shown(&own),
        )
    })
}

/// The callers of the first action of the namespace `MCP`.
fn principals(schema: &str) -> Option<BTreeSet<String>> {
    let plain = schema.lines().map(|line| line.split("//").next().unwrap_or_default());
    let plain: String = plain.skip_while(|line| line.trim_end() != OPENS).collect();
    let (_, rest) = plain.split_once("principal:")?;
    let rest = rest.trim_start();
    let end = if rest.starts_with('[') { ']' } else { ',' };
    rest.split(end).next().map(types)
}

/// The entity types of a list, or the one type.
fn types(list: &str) -> BTreeSet<String> {
    let names = list.trim_matches(['[', ']']).split(',').map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The line under which the tools of a server stand.
fn tools_line(server: &str) -> String {
    format!("      tools: # of {server}")
}

fn tools_frame(server: &str) -> Frame {
    Frame {
        comment: "#",
        indent: "        ",
        head: String::new(),
        opens: tools_line(server),
        depth: 8,
        closes: None,
        shared: false,
    }
}

/// The route of the endpoint; its tools are entries of their own.
fn endpoint(arguments: &Arguments, tools: bool) -> Entry {
    let hosts: Vec<_> = arguments.hosts.iter().map(|host| quoted(host)).collect();
    let tools = if tools { format!("\n{}", tools_line(&arguments.server)) } else { String::new() };
    let text = format!(
        "  - match: {{ host: [{}], path: {} }}\n    mcp:\n      server: {}{tools}",
        hosts.join(", "),
        quoted(&arguments.path),
        quoted(&arguments.server),
    );
    Entry { key: "the endpoint".into(), text }
}

impl<'a> Tool<'a> {
    fn of(tool: &'a Value, skipped: &mut Vec<String>) -> Option<Self> {
        let Some(name) = tool.get("name").and_then(Value::as_str).filter(|name| is_id(name)) else {
            skipped.push("skipped: a tool without a name that policy could have".into());
            return None;
        };
        let schema = tool.get("inputSchema").unwrap_or(&Value::Null);
        let mut context = match shape(schema, schema) {
            Ok(Shape { kind: Kind::Object(object), .. }) => {
                let mut tell = |place: &str, why: &str| {
                    skipped.push(format!("skipped: {name}: argument {place}: {why}"))
                };
                Members { root: schema, kind: "arg", tell: &mut tell }.of(&object, "", false, 0)
            }
            _ => Vec::new(),
        };
        for member in &mut context {
            let reserved = |name: &str| {
                countersign_core::routes::MCP_FACTS.contains(&name)
                    || countersign_core::routes::COMMON_FACTS.contains(&name)
            };
            if reserved(&member.name) {
                member.name.push('_');
            }
        }
        let headers = headers(name, schema, skipped);
        Some(Self { name, context, headers, destructive: destructive(tool) })
    }

    fn action(&self, callers: &str) -> Entry {
        let own: String =
            self.context.iter().map(|member| format!("      {},\n", declared(member))).collect();
        let text = format!(
            "  action {} in [MCP::Action::\"call\"] appliesTo {{\n    principal: {callers},\n    \
             resource: [MCP::Tool],\n    context: {{\n      {COMMON},\n{own}    }},\n  }};",
            quoted(self.name),
        );
        Entry { key: format!("action {}", self.name), text }
    }

    fn entry(&self, namespace: &str) -> Entry {
        let action = format!("{namespace}::Action::{}", quoted(self.name));
        let action = action.replace('\'', "''");
        let mut text =
            format!("        {}:\n          action: '{action}'\n          context:", quoted(self.name));
        self.context.iter().for_each(|member| field(&mut text, member, 12));
        if !self.headers.is_empty() {
            text.push_str("\n          params:");
            for (header, pointer) in &self.headers {
                text.push_str(&format!("\n            {}: {}", quoted(header), quoted(pointer)));
            }
        }
        Entry { key: format!("tool {}", self.name), text }
    }

    fn gate(&self, server: &str, slug: &str) -> Option<Entry> {
        let why = self.destructive?;
        let id = format!("{slug}-{}-needs-a-person", names::slug(self.name));
        let tool = quoted(&format!("{server}/{}", self.name));
        let text = format!(
            "// @doc_why({})\n// @id({})\n// @approval(\"owners\")\n// @reason({})\n// forbid (principal, action in MCP::Action::\"call\", \
             resource == MCP::Tool::{tool});",
            quoted(why),
            quoted(&id),
            quoted(&format!("{} may destroy something", self.name)),
        );
        Some(Entry { key: format!("tool {}", self.name), text })
    }
}

/// Why a tool may destroy something. A hint that is missing means that it may (`ToolAnnotations`).
fn destructive(tool: &Value) -> Option<&'static str> {
    let hint =
        |name: &str| tool.get("annotations").and_then(|hints| hints.get(name)).and_then(Value::as_bool);
    match (hint("readOnlyHint"), hint("destructiveHint")) {
        (_, Some(true)) => Some("its server calls it destructive"),
        (Some(true), _) | (_, Some(false)) => None,
        _ => Some("its server does not say whether it is destructive"),
    }
}

/// Top-level arguments that a client repeats in a header (`x-mcp-header`).
fn headers(tool: &str, schema: &Value, skipped: &mut Vec<String>) -> Vec<(String, String)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let header = |(name, schema): (&String, &Value)| {
        let header = schema.get("x-mcp-header")?.as_str()?.to_ascii_lowercase();
        // With a `_` it would have a twin that gateways to CGI take for it.
        if header.is_empty() || !header.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            skipped.push(format!(
                "skipped: {tool}: argument {name}: `x-mcp-header` is no end of a header's name"
            ));
            return None;
        }
        Some((header, format!("/{}", name.replace('~', "~0").replace('/', "~1"))))
    };
    properties.into_iter().flatten().filter_map(header).collect()
}
