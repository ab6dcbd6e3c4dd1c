//! A forbid about plain HTTP never sees what a route takes: where it was meant for that, too, is said at load.

use std::sync::Arc;

use super::route::Route;
use super::tree::{Host, Paths};
use super::{Routes, http};
use crate::entity::EntityName;
use crate::load::LoadError;
use crate::policy::{PlainResource, PlainScope, PolicyInfo};

impl Routes {
    /// What is wrong with a forbid or a gate about plain HTTP: the first route that takes requests which it is about,
    /// and makes another question of them, to which it does not apply.
    pub(crate) fn hides(&self, policy: &PolicyInfo, scope: &PlainScope) -> Option<LoadError> {
        let met = self.met(&scope.resource).into_iter();
        let taken = met.filter(|(method, _)| self.concerns(scope, *method));
        let hidden = taken.filter_map(|(_, route)| Some((route.line, scope.misses(route)?, &route.name)));
        let (_, action, name) = hidden.min_by_key(|(line, ..)| *line)?;
        let id = &policy.notes.id;
        let message = format!(
            "`{id}` is about plain HTTP and never sees what the route at {name} takes, which is `{action}`: let the \
             scope match that, too (leave `action` and `resource` open, and say the rest by `context.method`, `context.host` and \
             `context.path`), or keep it to paths without routes"
        );
        Some(LoadError::at(policy.file.clone(), policy.line, message))
    }

    /// The routes that take requests for resources of plain HTTP that match, each with its method.
    fn met(&self, resource: &PlainResource) -> Vec<(Option<&str>, &Arc<Route>)> {
        let everywhere = || self.hosts.values().flat_map(|host| host.meeting(Paths::Below(&[]))).collect();
        match resource {
            PlainResource::Any => everywhere(),
            PlainResource::Is(ty) if ty == http::PATH => everywhere(),
            PlainResource::Is(_) => Vec::new(),
            PlainResource::Eq(entity) if entity.ty == http::PATH => self.at(&entity.id, false),
            PlainResource::Eq(_) => Vec::new(),
            PlainResource::In(entities) => {
                let plain =
                    entities.iter().filter(|entity| [http::PATH, http::HOST].contains(&entity.ty.as_str()));
                plain.flat_map(|entity| self.at(&entity.id, true)).collect()
            }
        }
    }

    /// The routes that take requests for a place, `host` or `host/a/b`, or below it.
    fn at(&self, place: &str, below: bool) -> Vec<(Option<&str>, &Arc<Route>)> {
        let mut segments = place.split('/');
        let host = segments.next().unwrap_or_default();
        let segments: Vec<_> = segments.collect();
        let paths = if below { Paths::Below(&segments) } else { Paths::Exactly(&segments) };
        self.covering(host).flat_map(|host: &Host| host.meeting(paths)).collect()
    }

    /// Whether a scope is about a method of plain HTTP; without one, about any.
    fn concerns(&self, scope: &PlainScope, method: Option<&str>) -> bool {
        let Some(actions) = &scope.actions else { return true };
        let mut plain = self.http.iter().filter(|known| method.is_none_or(|method| method == **known));
        plain.any(|method| actions.contains(&http::action(method)))
    }
}

impl PlainScope {
    /// An action that the route makes of requests, and that this scope does not match.
    fn misses(&self, route: &Route) -> Option<EntityName> {
        let known = |action: &EntityName| self.actions.as_ref().is_none_or(|all| all.contains(action));
        // What is one of many resources is not looked at closely: only an open scope surely matches them.
        let resource = match (&route.mcp, &route.graphql) {
            (None, None) => self.matches(route),
            _ => self.resource == PlainResource::Any,
        };
        route.all_actions().into_iter().find(|action| !resource || !known(action))
    }

    /// Whether the resource that the route makes can match.
    fn matches(&self, route: &Route) -> bool {
        match &self.resource {
            PlainResource::Any => true,
            PlainResource::Is(ty) => route.resource.ty == *ty,
            PlainResource::Eq(entity) => route.resource.could_name(entity),
            PlainResource::In(entities) => {
                let mut templates = std::iter::once(&route.resource).chain(&route.parents);
                templates.any(|template| entities.iter().any(|entity| template.could_name(entity)))
            }
        }
    }
}
