//! OpenAPI 3.0 and 3.1: servers, paths, operations and what they take.

mod hosts;
mod operation;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::Arguments;
use super::document::resolve;
use super::model::{Api, Operation, Requests, types};
use super::names;

/// The methods that an OpenAPI path item may have.
const METHODS: [&str; 8] = ["get", "head", "options", "post", "put", "patch", "delete", "trace"];

/// What is said about something that is left out.
#[derive(Debug, Default)]
struct Skipped(Vec<String>);

impl Skipped {
    fn tell(&mut self, place: &str, why: impl std::fmt::Display) {
        self.0.push(format!("skipped: {place}: {why}"));
    }
}

/// Reads a document. Beside the API: what was left out and why, a line each.
///
/// # Errors
/// When it is no OpenAPI 3 document, or nothing says on which host the API is.
pub(super) fn read(document: &Value, arguments: &Arguments) -> Result<(Api, Vec<String>)> {
    let version = document.get("openapi").and_then(Value::as_str).unwrap_or_default();
    if !["3.0.", "3.1."].iter().any(|known| version.starts_with(known)) {
        let found =
            if document.get("swagger").is_some() { "Swagger 2: convert it first" } else { "something else" };
        bail!("OpenAPI 3.0 and 3.1 are read, and this is {found}");
    }
    let title = document.pointer("/info/title").and_then(Value::as_str);
    let title = arguments.name.as_deref().or(title).context("the document has no title: give `--name`")?;
    let name = names::slug(title);
    let namespace = names::pascal(title).context("the title has no letters: give `--name`")?;
    let mut skipped = Skipped::default();
    let mut operations = Vec::new();
    let paths = document.get("paths").and_then(Value::as_object).context("the document has no `paths`")?;
    for (path, item) in paths.iter().filter(|(path, _)| path.starts_with('/')) {
        let Some(item) = resolve(document, item) else {
            skipped.tell(path, "its `$ref` leads out of the document");
            continue;
        };
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            let source = operation::Source { document, item, operation, path, method, name: &name };
            let mut read = source.read(arguments, &mut skipped);
            let plain = format!("{} {path}", method.to_ascii_uppercase());
            let taken = |id: &str| operations.iter().any(|operation: &Operation| operation.action == id);
            if let Some(twice) = read.first().map(|first| first.action.clone()).filter(|id| taken(id)) {
                skipped.tell(&plain, format!("its operationId `{twice}`, which another operation has"));
                read.iter_mut().for_each(|operation| operation.action.clone_from(&plain));
            }
            operations.extend(read);
        }
    }
    let operations = without_ties(operations, &mut skipped);
    if operations.is_empty() {
        bail!("no operation is left to import\n{}", skipped.0.join("\n"));
    }
    let types = types(&operations);
    let principals = arguments.principals.clone();
    Ok((Api { name, namespace, principals, types, operations }, skipped.0))
}

/// Two routes that the same request could mean would not load.
fn without_ties(operations: Vec<Operation>, skipped: &mut Skipped) -> Vec<Operation> {
    let mut taken: BTreeMap<(String, String, String), String> = BTreeMap::new();
    let mut kept = Vec::new();
    for operation in operations {
        let nameless = |segment: &str| match segment.starts_with('{') {
            true if segment.ends_with("*}") => "{*}".to_owned(),
            true => "{}".to_owned(),
            false => segment.to_owned(),
        };
        let (method, path) = match &operation.requests {
            Requests::Http { method, path } => (method.as_str(), path),
            Requests::Grpc(path) => ("POST", path),
        };
        let place = path.split('/').map(nameless).collect::<Vec<_>>().join("/");
        let places: Vec<_> =
            operation.hosts.iter().map(|host| (host.clone(), method.to_owned(), place.clone())).collect();
        match places.iter().find_map(|place| taken.get(place)) {
            Some(other) => skipped.tell(&operation.key, format!("the same requests as `{other}`")),
            None => {
                taken.extend(places.into_iter().map(|place| (place, operation.key.clone())));
                kept.push(operation);
            }
        }
    }
    kept
}
