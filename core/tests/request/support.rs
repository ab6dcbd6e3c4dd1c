//! What the tests share: a small schema, short ways to write facts.

use std::collections::BTreeMap;

use countersign_core::bundle::Bundle;
use countersign_core::denial::{Denial, Reason};
use countersign_core::entity::EntityName;
use countersign_core::facts::RequestFacts;
use countersign_core::reading::{Reading, Relaxed};
use countersign_core::routes::{Mapped, Routes, SchemaView, Unfound};
use countersign_core::types::{Attribute, Type};

/// Header fields, in order.
pub(crate) type Fields = [(&'static str, &'static str)];

/// A small schema.
pub(crate) struct Schema;

impl SchemaView for Schema {
    fn has_action(&self, action: &EntityName) -> bool {
        self.context_attributes(action).is_some()
    }

    fn has_entity_type(&self, ty: &str) -> bool {
        ["User", "Repo", "Org", "Table", "File", "Http::Path", "Http::Host", "MCP::Server"].contains(&ty)
    }

    fn context_attributes(&self, action: &EntityName) -> Option<BTreeMap<String, Attribute>> {
        let attributes: &[(&str, bool, Type)] = match (action.ty.as_str(), action.id.as_str()) {
            ("Action", "read") | ("Http::Action", "GET" | "POST") => &[("path", true, Type::String)],
            ("MCP::Action", "call" | "connect") => &[("mcp_method", true, Type::String)],
            ("Action", "tool") => &[("mcp_version", false, Type::String), ("title", true, Type::String)],
            ("Action", "delete") => &[("confirm", false, Type::String), ("now", true, Type::Datetime)],
            ("Action", "export") => &[
                ("limit", true, Type::Long),
                ("columns", false, Type::Set(Box::new(Type::String))),
                ("to", false, Type::String),
                ("dry", false, Type::Bool),
                ("share", false, Type::Decimal),
                ("at", false, Type::Datetime),
                ("from_ip", false, Type::Ip),
                ("by", false, Type::Entity("User".into())),
            ],
            ("Action", "tag") => &[
                ("tags", false, Type::Set(Box::new(Type::String))),
                ("levels", false, Type::Set(Box::new(Type::Long))),
                ("owners", false, Type::Set(Box::new(Type::Entity("User".into())))),
                ("note", false, Type::String),
                ("target", false, target()),
            ],
            ("Action", "misdeclared") => &[("now", true, Type::Long)],
            _ => return None,
        };
        let attribute = |(name, required, ty): &(&str, bool, Type)| {
            ((*name).to_owned(), Attribute { required: *required, ty: ty.clone() })
        };
        Some(attributes.iter().map(attribute).collect())
    }

    fn lies_in(&self, action: &EntityName, other: &EntityName) -> bool {
        action.id == "tool" && other.id == "call"
    }

    fn takes_resource(&self, _: &EntityName, ty: &str) -> bool {
        ty != "Org"
    }

    fn may_lie_in(&self, _: &str, parent: &str) -> bool {
        parent == "Org"
    }
}

/// `{ name: String, port?: Long }`.
fn target() -> Type {
    let attribute = |required, ty| Attribute { required, ty };
    Type::Record(BTreeMap::from([
        ("name".into(), attribute(true, Type::String)),
        ("port".into(), attribute(false, Type::Long)),
    ]))
}

/// A bundle with these files, by path.
pub(crate) fn bundle(files: &[(&str, &str)]) -> Bundle {
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    Bundle::from_files(files.collect()).expect("the bundle of a test is one")
}

pub(crate) fn routes(text: &str) -> Routes {
    Routes::load(Some(text), None, &Schema).expect("the routes of a test load")
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
    let target = routes.find(&reading, facts.body.as_deref()).map_err(|unfound| match unfound {
        Unfound::Denied(denial) => denial,
        Unfound::NeedsBody => Denial::new(Reason::HostWithholdsBody, "a route is chosen by the body"),
    })?;
    let mapped = target.map(&reading, facts.body.as_deref())?;
    assert!(mapped.more.is_empty());
    Ok((target.name().to_owned(), mapped.first))
}
