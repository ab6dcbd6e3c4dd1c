//! What the tests share: a small schema, short ways to write facts.

use std::collections::BTreeMap;

use countersign_core::bundle::Bundle;
use countersign_core::denial::Denial;
use countersign_core::entity::EntityName;
use countersign_core::facts::RequestFacts;
use countersign_core::reading::{Reading, Relaxed};
use countersign_core::routes::{Mapped, Routes, SchemaView};

/// Header fields, in order.
pub(crate) type Fields = [(&'static str, &'static str)];

/// A small schema.
pub(crate) struct Schema;

impl SchemaView for Schema {
    fn has_action(&self, action: &EntityName) -> bool {
        self.context_attributes(action).is_some()
    }

    fn has_entity_type(&self, ty: &str) -> bool {
        ["User", "Repo", "Org", "Table", "File", "Http::Path", "Http::Host"].contains(&ty)
    }

    fn context_attributes(&self, action: &EntityName) -> Option<BTreeMap<String, bool>> {
        let attributes: &[(&str, bool)] = match (action.ty.as_str(), action.id.as_str()) {
            ("Action", "read") | ("Http::Action", "GET" | "POST") => &[("path", true)],
            ("Action", "delete") => &[("confirm", false), ("now", true)],
            ("Action", "export") => &[
                ("limit", true),
                ("columns", false),
                ("to", false),
                ("dry", false),
                ("share", false),
                ("at", false),
                ("from_ip", false),
                ("by", false),
            ],
            _ => return None,
        };
        Some(attributes.iter().map(|&(name, required)| (name.to_owned(), required)).collect())
    }
}

/// A bundle with these files, by path.
pub(crate) fn bundle(files: &[(&str, &str)]) -> Bundle {
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    Bundle::from_files(files.collect()).expect("the bundle of a test is one")
}

pub(crate) fn routes(text: &str) -> Routes {
    Routes::load(Some(text), &Schema).expect("the routes of a test load")
}

/// A request with `:authority` `api.example` and the given further fields, later ones replacing earlier
/// pseudo-headers.
pub(crate) fn request(method: &str, path: &str, fields: &[(&str, &str)]) -> RequestFacts {
    let mut headers: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let own = [(":method", method), (":scheme", "https"), (":authority", "api.example"), (":path", path)];
    for (name, value) in own {
        if !fields.iter().any(|(other, _)| *other == name) {
            headers.push((name.into(), value.into()));
        }
    }
    headers.extend(fields.iter().map(|(name, value)| ((*name).into(), (*value).into())));
    RequestFacts { headers, ..RequestFacts::default() }
}

pub(crate) fn read(facts: &RequestFacts) -> Result<Reading, Denial> {
    Reading::of(facts, &Relaxed::default())
}

/// Reads, finds and maps in one go.
pub(crate) fn map(routes: &Routes, facts: &RequestFacts) -> Result<(String, Mapped), Denial> {
    let reading = read(facts)?;
    let target = routes.find(&reading)?;
    let mapped = target.map(&reading, facts.body.as_deref())?;
    Ok((target.name().to_owned(), mapped))
}
