//! What targets share: ways to write facts, and one value taken from a request by a route.

use std::collections::BTreeMap;

use countersign_core::denial::Denial;
use countersign_core::entity::EntityName;
use countersign_core::facts::{Peer, RequestFacts};
use countersign_core::reading::{Reading, Relaxed};
use countersign_core::routes::{Mapped, Routes, SchemaView, Unfound};
use countersign_core::types::{Attribute, Type};
use countersign_core::value::Value;

/// A request to `api.test` by somebody on this machine.
pub(crate) fn request(method: &str, path: &[u8], fields: &[(&str, &[u8])], body: &[u8]) -> RequestFacts {
    let own: [(&str, &[u8]); 4] =
        [(":method", method.as_bytes()), (":scheme", b"https"), (":authority", b"api.test"), (":path", path)];
    let all = own.iter().chain(fields);
    RequestFacts {
        headers: all.map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect(),
        body: Some(body.to_vec()),
        peer: Peer { address: Some([127, 0, 0, 1].into()), uri_san: None },
        ..RequestFacts::default()
    }
}

/// A schema in which each type has an action of its name with the one fact `x` of it.
struct Schema;

impl SchemaView for Schema {
    fn has_action(&self, action: &EntityName) -> bool {
        self.context_attributes(action).is_some()
    }

    fn has_entity_type(&self, ty: &str) -> bool {
        ty == "Thing"
    }

    fn context_attributes(&self, action: &EntityName) -> Option<BTreeMap<String, Attribute>> {
        let ty = match action.id.as_str() {
            "Bool" => Type::Bool,
            "Long" => Type::Long,
            "String" => Type::String,
            "Set<String>" => Type::Set(Box::new(Type::String)),
            "Set<Long>" => Type::Set(Box::new(Type::Long)),
            _ => return None,
        };
        Some([("x".to_owned(), Attribute { required: false, ty })].into())
    }

    fn lies_in(&self, _: &EntityName, _: &EntityName) -> bool {
        false
    }

    fn takes_resource(&self, _: &EntityName, _: &str) -> bool {
        true
    }

    fn may_lie_in(&self, _: &str, _: &str) -> bool {
        true
    }
}

/// A text in YAML (1.2.2 section 5.7), whatever its characters.
fn quoted(text: &str) -> String {
    let one = |c: char| match c {
        ' ' | '!' | '#'..='[' | ']'..='~' => c.to_string(),
        _ => format!("\\U{:08x}", u32::from(c)),
    };
    format!("\"{}\"", text.chars().map(one).collect::<String>())
}

/// Routes that take one fact each from requests of every path, method by method.
pub(crate) struct Takes(Routes);

impl Takes {
    /// `wanted`: method, path template, where the fact comes from, and its type.
    pub(crate) fn new(wanted: &[(&str, &str, &str, &str)]) -> Self {
        let route = |(method, path, from, ty): &(&str, &str, &str, &str)| {
            let from = quoted(from);
            format!(
                "  - match: {{ host: api.test, method: {method}, path: \"{path}\" }}\n    action: Action::\"{ty}\"\n    \
                 resource: Thing::\"it\"\n    context: {{ x: {{ from: {from}, type: {ty}, optional: true }} }}\n"
            )
        };
        let text = wanted.iter().map(route).collect::<String>();
        Self::of(&format!("routes:\n{text}"), None)
    }

    /// A whole `routes.yaml`, and `messages.yaml`.
    pub(crate) fn of(routes: &str, messages: Option<&str>) -> Self {
        let loaded = Routes::load(Some(routes), messages, &Schema);
        Self(loaded.unwrap_or_else(|errors| panic!("the routes load: {errors:?}")))
    }

    /// The fact, nothing when there is none. Asked twice, it says the same twice.
    pub(crate) fn from(&self, facts: &RequestFacts) -> Result<Option<Value>, Denial> {
        let taken = self.once(facts);
        assert_eq!(taken, self.once(facts), "two answers to one request");
        taken
    }

    fn once(&self, facts: &RequestFacts) -> Result<Option<Value>, Denial> {
        let mut parts = self.parts(facts)?.into_iter();
        Ok(parts.next().and_then(|first| first.context.get("x").cloned()))
    }

    /// All that a request does.
    pub(crate) fn parts(&self, facts: &RequestFacts) -> Result<Vec<Mapped>, Denial> {
        let reading = Reading::of(facts, &Relaxed::default())?;
        let body = facts.body.as_deref();
        let target = self.0.find(&reading, body).map_err(|unfound| match unfound {
            Unfound::Denied(denial) => denial,
            Unfound::NeedsBody => panic!("no route asks for a form"),
        })?;
        let mapped = target.map(&reading, body)?;
        Ok(std::iter::once(mapped.first).chain(mapped.more).collect())
    }

    /// A fact that is a set of texts; empty when there is none.
    pub(crate) fn texts(&self, facts: &RequestFacts) -> Result<Vec<String>, Denial> {
        match self.from(facts)? {
            None => Ok(Vec::new()),
            Some(Value::Set(members)) => Ok(members.into_iter().map(text).collect()),
            Some(other) => panic!("no set: {other:?}"),
        }
    }
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => panic!("no text: {other:?}"),
    }
}
