//! Requests to hosts without routes, as plain HTTP: an action for each method, a resource for each path.

use std::collections::BTreeSet;

use super::types::MAX_STRING;
use super::{Mapped, SchemaView};
use crate::denial::{Denial, Reason};
use crate::entity::EntityName;
use crate::reading::Reading;

/// Methods of RFC 9110 and RFC 5789 that have no tunnel behind them.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"];

/// The types of its resources and of what these lie in.
pub(super) const PATH: &str = "Http::Path";
pub(super) const HOST: &str = "Http::Host";

/// The deepest path that becomes a resource: each segment is an ancestor.
const MAX_SEGMENTS: usize = 64;

/// The methods for which the schema declares `Http::Action::"<METHOD>"`.
pub(super) fn declared(schema: &dyn SchemaView) -> BTreeSet<&'static str> {
    METHODS.into_iter().filter(|method| schema.has_action(&action(method))).collect()
}

pub(super) fn action(method: &str) -> EntityName {
    EntityName::new("Http::Action", method)
}

/// `GET https://host/a/b` is `Http::Path::"host/a/b"` in `Http::Path::"host/a"` and `Http::Host::"host"`.
pub(super) fn map(action: &EntityName, reading: &Reading) -> Result<Mapped, Denial> {
    let (host, segments) = (&reading.host, &reading.segments);
    if segments.len() > MAX_SEGMENTS || reading.path.len() > MAX_STRING {
        let limits = format!("at most {MAX_SEGMENTS} segments and {MAX_STRING} bytes");
        return Err(Denial::new(Reason::BadFact, format!("`:path` is too long to be a resource: {limits}")));
    }
    let mut ancestors = Vec::new();
    let mut path = host.clone();
    for segment in segments {
        ancestors.push(EntityName::new(PATH, &path));
        path = format!("{path}/{segment}");
    }
    if let Some(root) = ancestors.first_mut() {
        *root = EntityName::new(HOST, host);
    }
    Ok(Mapped {
        action: action.clone(),
        resource: EntityName::new(PATH, path),
        parents: ancestors,
        context: std::collections::BTreeMap::new(),
    })
}
