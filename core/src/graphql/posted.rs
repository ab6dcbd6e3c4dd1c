//! From a request to the documents that it carries: in a JSON body, several in an array, or in the query of a GET.

use std::collections::BTreeMap;

use super::budget::Budget;
use super::document::Document;
use super::{MAX_FIELDS, RootField, bad};
use crate::denial::Denial;
use crate::reading::{Reading, Relaxed, Rule};
use crate::routes::body::Format;
use crate::routes::json::Json;

/// Every member that a request has. Others name a document that the gateway does not see, or mean nothing.
const MEMBERS: [&str; 4] = ["query", "variables", "operationName", "extensions"];

/// Members, parameters and extensions by which some servers find a document that they keep.
const KEPT: [&str; 11] = [
    "persistedQuery",
    "id",
    "documentId",
    "document_id",
    "docId",
    "doc_id",
    "operationId",
    "operation_id",
    "queryId",
    "query_id",
    "hash",
];

/// Every root field of every operation, in their order.
///
/// # Errors
/// [`crate::denial::Reason::BadMessage`] for what is no request, or too much; [`crate::denial::Reason::Ambiguous`] for what servers could read in
/// different ways.
pub(crate) fn read(reading: &Reading, body: &[u8]) -> Result<Vec<RootField>, Denial> {
    let requests =
        if reading.method == "GET" { vec![from_query(reading, body)?] } else { from_body(reading, body)? };
    let (budget, mut fields) = (Budget::default(), Vec::new());
    for request in requests {
        fields.extend(of_request(&request, reading.relaxed(), &budget)?);
        if fields.len() > MAX_FIELDS {
            return Err(bad(format!("more than {MAX_FIELDS} root fields")));
        }
    }
    // What type the root is says nothing; alone, it is what is asked.
    let meta = |field: &RootField| field.name == "__typename";
    if !fields.iter().all(meta) {
        fields.retain(|field| !meta(field));
    }
    Ok(fields)
}

fn from_query(reading: &Reading, body: &[u8]) -> Result<Json, Denial> {
    if !body.is_empty() {
        return Err(bad("a GET has no body: some servers read it, and some the query"));
    }
    let mut members = BTreeMap::new();
    for name in MEMBERS.into_iter().chain(KEPT) {
        let mut values = reading.query(name)?;
        if values.len() > 1 {
            return Err(Rule::RepeatedParameters.broken(format_args!("`query:{name}`")));
        }
        let Some(value) = values.pop() else { continue };
        let value = match name {
            "variables" | "extensions" => Json::parse(value.as_bytes(), reading.relaxed())?,
            _ => Json::Text(value),
        };
        members.insert(name.to_owned(), value);
    }
    Ok(Json::Object(members))
}

fn from_body(reading: &Reading, body: &[u8]) -> Result<Vec<Json>, Denial> {
    Format::Json.check(reading)?;
    for name in MEMBERS.into_iter().chain(KEPT) {
        if !reading.query(name)?.is_empty() {
            let detail = format_args!("`{name}` in the query of a POST: some servers prefer it to the body");
            return Err(Rule::RepeatedParameters.broken(detail));
        }
    }
    match Json::parse(body, reading.relaxed())? {
        Json::List(all) if all.is_empty() => Err(bad("an empty batch")),
        Json::List(all) if all.len() > MAX_FIELDS => {
            Err(bad(format!("a batch of {} requests, at most {MAX_FIELDS} are read", all.len())))
        }
        Json::List(all) => Ok(all),
        one => Ok(vec![one]),
    }
}

fn of_request(request: &Json, relaxed: &Relaxed, budget: &Budget) -> Result<Vec<RootField>, Denial> {
    let Json::Object(members) = request else { return Err(bad("a request is an object")) };
    // Also looks whether there is another spelling of a name that is not there.
    for name in MEMBERS {
        request.member(&[name], relaxed)?;
    }
    let mut persisted = false;
    for name in KEPT {
        persisted |= request.member(&["extensions", name], relaxed)?.is_some();
    }
    let text = match request.get(&["query"]) {
        Some(Json::Text(text)) if !persisted => text,
        _ if persisted || KEPT.iter().any(|name| members.contains_key(*name)) => {
            return Err(bad("the document is kept by the server: send it whole, without a persisted query"));
        }
        _ => return Err(bad("there is no document in `query`")),
    };
    if let Some(other) = members.keys().find(|key| !MEMBERS.contains(&key.as_str())) {
        let shown: String = other.chars().take(40).collect();
        return Err(bad(format!("a request has no member `{shown}`")));
    }
    let none = BTreeMap::new();
    let variables = match members.get("variables") {
        None | Some(Json::Null) => &none,
        Some(Json::Object(variables)) => variables,
        Some(_) => return Err(bad("`variables` is no object")),
    };
    if !matches!(members.get("operationName"), None | Some(Json::Null | Json::Text(_))) {
        return Err(bad("`operationName` is no text"));
    }
    if !matches!(members.get("extensions"), None | Some(Json::Null | Json::Object(_))) {
        return Err(bad("`extensions` is no object"));
    }
    Document::parse(text, budget)?.root_fields(variables, budget)
}
