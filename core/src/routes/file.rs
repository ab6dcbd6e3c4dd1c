//! `routes.yaml` as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;

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
    pub(super) action: Located<String>,
    pub(super) resource: Located<String>,
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

/// Which requests a route takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MatchEntry {
    pub(super) host: String,
    #[serde(default)]
    pub(super) method: OneOrMany,
    pub(super) path: Located<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
}

/// One member of the context.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FieldEntry {
    pub(super) from: String,
    pub(super) r#type: String,
    #[serde(default)]
    pub(super) optional: bool,
}
