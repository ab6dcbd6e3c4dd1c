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
    let operations: Vec<_> = members(at(document, "/paths")).flat_map(operations).collect();
    let groups = at(document, "/tags").as_array().into_iter().flatten().map(|tag| {
        let name = text(at(tag, "/name"));
        let own = operations.iter().filter(|(tag, _)| *tag == name);
        Group {
            description: text(at(tag, "/description")),
            proof: proof(&name),
            operations: own.map(|(_, about)| operation(about)).collect(),
            name,
        }
    });
    let page = ReferencePage {
        title: text(at(document, "/info/title")),
        description: text(at(document, "/info/description")),
        groups: groups.collect(),
        types: members(at(document, "/components/schemas"))
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
    let operations = members(item).filter(|(_, about)| at(about, "/tags").is_array());
    operations
        .map(|(method, about)| (text(at(about, "/tags/0")), (path.as_str(), method.as_str(), about)))
        .collect()
}

fn operation((path, method, about): &About<'_>) -> Operation {
    let parameter = |one: &Value| Parameter {
        name: text(at(one, "/name")),
        place: text(at(one, "/in")),
        description: text(at(one, "/description")),
    };
    let reply = |(status, one): (&String, &Value)| Reply {
        status: status.clone(),
        description: text(at(one, "/description")),
        schema: schema(one),
    };
    Operation {
        method: method.to_uppercase(),
        path: (*path).to_owned(),
        summary: text(at(about, "/summary")),
        parameters: at(about, "/parameters").as_array().into_iter().flatten().map(parameter).collect(),
        body: schema(at(about, "/requestBody")),
        replies: members(at(about, "/responses")).map(reply).collect(),
    }
}

/// The media type and schema of a body or reply that has one.
fn schema(of: &Value) -> Option<String> {
    let (kind, content) = members(at(of, "/content")).next()?;
    Some(format!("{kind}\n{}", pretty(at(content, "/schema"))))
}

/// What lies at that place (RFC 6901), or nothing.
fn at<'a>(value: &'a Value, place: &str) -> &'a Value {
    value.pointer(place).unwrap_or(&Value::Null)
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
