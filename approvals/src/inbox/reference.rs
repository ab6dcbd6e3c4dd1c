//! The interface on a page, made of its OpenAPI document.

use askama::Template;
use serde_json::Value;

/// The page. It loads nothing and runs nothing, so the rules for pages need no exception for it.
#[derive(Template)]
#[template(path = "reference.html")]
struct ReferencePage {
    title: String,
    description: String,
    groups: Vec<Group>,
    types: Vec<(String, String)>,
}

/// Operations of one kind of caller.
struct Group {
    name: String,
    description: String,
    proof: &'static str,
    operations: Vec<Operation>,
}

struct Operation {
    method: String,
    path: String,
    summary: String,
    parameters: Vec<Parameter>,
    body: Option<String>,
    replies: Vec<Reply>,
}

struct Parameter {
    name: String,
    place: String,
    description: String,
}

struct Reply {
    status: String,
    description: String,
    schema: Option<String>,
}

/// The page as HTML.
pub(crate) fn page(document: &Value) -> Result<String, askama::Error> {
    let operations: Vec<_> = members(&document["paths"]).flat_map(operations).collect();
    let groups = document["tags"].as_array().into_iter().flatten().map(|tag| {
        let name = text(&tag["name"]);
        let own = operations.iter().filter(|(tag, _)| *tag == name);
        Group {
            description: text(&tag["description"]),
            proof: proof(&name),
            operations: own.map(|(_, about)| operation(about)).collect(),
            name,
        }
    });
    let page = ReferencePage {
        title: text(&document["info"]["title"]),
        description: text(&document["info"]["description"]),
        groups: groups.collect(),
        types: members(&document["components"]["schemas"])
            .map(|(name, schema)| (name.clone(), pretty(schema)))
            .collect(),
    };
    page.render()
}

/// How callers of that kind prove who they are.
fn proof(tag: &str) -> &'static str {
    match tag {
        "gateways" => "With the gateway\u{2019}s token as Authorization: Bearer, or its certificate.",
        "people" | "auditors" | "admins" => {
            "With a session or an API token as Authorization: Bearer, or the cookie."
        }
        _ => "",
    }
}

type About<'a> = (&'a str, &'a str, &'a Value);

/// The operations of a path, each under its tag.
fn operations<'a>((path, item): (&'a String, &'a Value)) -> Vec<(String, About<'a>)> {
    let operations = members(item).filter(|(_, about)| about["tags"].is_array());
    operations
        .map(|(method, about)| (text(&about["tags"][0]), (path.as_str(), method.as_str(), about)))
        .collect()
}

fn operation((path, method, about): &About<'_>) -> Operation {
    let parameter = |one: &Value| Parameter {
        name: text(&one["name"]),
        place: text(&one["in"]),
        description: text(&one["description"]),
    };
    let reply = |(status, one): (&String, &Value)| Reply {
        status: status.clone(),
        description: text(&one["description"]),
        schema: schema(one),
    };
    Operation {
        method: method.to_uppercase(),
        path: (*path).to_owned(),
        summary: text(&about["summary"]),
        parameters: about["parameters"].as_array().into_iter().flatten().map(parameter).collect(),
        body: schema(&about["requestBody"]),
        replies: members(&about["responses"]).map(reply).collect(),
    }
}

/// The media type and schema of a body or reply that has one.
fn schema(of: &Value) -> Option<String> {
    let (kind, content) = members(&of["content"]).next()?;
    Some(format!("{kind}\n{}", pretty(&content["schema"])))
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
