//! `routes.yaml` as it is written.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::yaml::{Located, OneOrMany};

/// The file's name in the bundle.
pub(super) const FILE: &str = "routes.yaml";

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoutesFile {
    #[serde(default)]
    pub(super) hosts: BTreeMap<String, Located<HostEntry>>,
    #[serde(default)]
    pub(super) routes: Vec<Located<RouteEntry>>,
}

/// What becomes of requests to a host that no route matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Fallback {
    /// They are judged as plain HTTP.
    Http,
    /// They are denied, also when the host has no routes at all.
    Deny,
}

/// One host's settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HostEntry {
    pub(super) fallback: Fallback,
}

/// One route.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteEntry {
    pub(super) r#match: MatchEntry,
    pub(super) mcp: Option<Located<McpEntry>>,
    /// From `mutation.deleteUser` to what that root field is.
    pub(super) graphql: Option<Located<BTreeMap<String, Located<RootEntry>>>>,
    pub(super) action: Option<Located<String>>,
    pub(super) resource: Option<Located<String>>,
    pub(super) parents: Option<Located<OneOrMany>>,
    #[serde(default)]
    pub(super) fold: OneOrMany,
    #[serde(default)]
    pub(super) context: BTreeMap<String, Located<FieldEntry>>,
    #[serde(default)]
    pub(super) volatile: OneOrMany,
    #[serde(default)]
    pub(super) redact: OneOrMany,
}

/// What stands in the place of action and resource where the Model Context Protocol is spoken.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct McpEntry {
    pub(super) server: String,
    #[serde(default)]
    pub(super) hide_unlisted: bool,
    #[serde(default)]
    pub(super) tools: BTreeMap<String, Located<ToolEntry>>,
}

/// One tool whose arguments policy reads.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolEntry {
    pub(super) action: Option<String>,
    #[serde(default)]
    pub(super) context: BTreeMap<String, Located<FieldEntry>>,
    /// From the end of an `Mcp-Param-…` header's name to the argument that it mirrors.
    #[serde(default)]
    pub(super) params: BTreeMap<String, String>,
}

/// What a root field of a GraphQL document is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RootEntry {
    pub(super) action: Located<String>,
    pub(super) resource: Located<String>,
    pub(super) parents: Option<Located<OneOrMany>>,
    #[serde(default)]
    pub(super) context: BTreeMap<String, Located<FieldEntry>>,
}

/// Which requests a route takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MatchEntry {
    pub(super) host: OneOrMany,
    #[serde(default)]
    pub(super) method: OneOrMany,
    pub(super) path: Option<Located<String>>,
    /// In place of method, path and content type.
    pub(super) grpc: Option<Located<String>>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, WantedEntry>,
    #[serde(default)]
    pub(super) query: BTreeMap<String, WantedEntry>,
    #[serde(default)]
    pub(super) form: BTreeMap<String, WantedEntry>,
    #[serde(default)]
    pub(super) content_type: OneOrMany,
}

/// What a header, a query parameter or a field must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WantedEntry {
    /// This value.
    Value(String),
    /// There, with whatever value: `{ present: true }`.
    Present,
}

impl<'de> Deserialize<'de> for WantedEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WantedVisitor)
    }
}

struct WantedVisitor;

impl<'de> Visitor<'de> for WantedVisitor {
    type Value = WantedEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, or `{ present: true }`")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<WantedEntry, E> {
        Ok(WantedEntry::Value(value.to_owned()))
    }

    /// A plain `true` is a text here.
    fn visit_bool<E: Error>(self, value: bool) -> Result<WantedEntry, E> {
        Ok(WantedEntry::Value(value.to_string()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WantedEntry, A::Error> {
        let entry: Option<(String, bool)> = map.next_entry()?;
        match (entry, map.next_key::<String>()?) {
            (Some((key, true)), None) if key == "present" => Ok(WantedEntry::Present),
            _ => Err(A::Error::custom("expected a value, or `{ present: true }`")),
        }
    }
}

/// One member of the context: a fact with its type, or a record of such members.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FieldEntry {
    pub(super) from: Option<String>,
    pub(super) r#type: Option<String>,
    #[serde(default)]
    pub(super) optional: bool,
    pub(super) fields: Option<BTreeMap<String, Located<FieldEntry>>>,
}
