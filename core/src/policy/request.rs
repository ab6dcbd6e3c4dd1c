//! From a query to what Cedar evaluates: the request, checked against the schema, and the entities that it
//! can reach.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::{Context, EntityUid, Request, RequestValidationError, Schema};
use cedar_policy_core::ast;
use cedar_policy_core::entities::{Entities, NoEntitiesSchema, TCComputation};
use cedar_policy_core::extensions::Extensions;

use super::claims;
use super::hierarchy::{Hierarchy, NodeNo};
use super::ruling::Query;
use super::schema::{Action, Types};
use super::scope::{Key, keys};
use super::values::Scribe;
use crate::entity::EntityName;
use crate::types::Attribute;

/// A query that fits the schema, in Cedar's terms.
pub(super) struct Fitted {
    pub(super) request: Request,
    pub(super) action: Vec<Key>,
    pub(super) principal: Vec<Key>,
    pub(super) resource: Vec<Key>,
    /// The resource as it is in this request, then the principal if it is another.
    own: Vec<Arc<ast::Entity>>,
    /// The numbers of those two, as far as the bundle mentions them.
    own_nodes: BTreeSet<NodeNo>,
    /// Those of them whose parents the request shows, so that what lies in them does not know all its ancestors.
    grown: Vec<EntityUid>,
    /// From where policies can reach other entities: the request's own and those in its context.
    roots: BTreeSet<NodeNo>,
}

impl Fitted {
    /// Fits `query` to the schema.
    ///
    /// # Errors
    /// Why it does not fit, as one sentence.
    pub(super) fn new(
        query: &Query,
        action: &Action,
        types: &Types,
        hierarchy: &Hierarchy,
    ) -> Result<Self, String> {
        check_context(query, action)?;
        let mut roots = BTreeSet::new();
        let context = Scribe { types, hierarchy, roots: &mut roots }.context(&query.context)?;
        Self::build(query, action, types, hierarchy, (context, roots, Some(&types.schema)))
    }

    /// The same without circumstances.
    ///
    /// # Errors
    /// As [`Fitted::new`], but for the context.
    pub(super) fn open(
        query: &Query,
        action: &Action,
        types: &Types,
        hierarchy: &Hierarchy,
    ) -> Result<Self, String> {
        let fits =
            action.principals.contains(&query.principal.ty) && action.resources.contains(&query.resource.ty);
        if !fits {
            return Err(format!("the schema lets nobody like `{}` take `{}`", query.principal, query.action));
        }
        Self::build(query, action, types, hierarchy, (Context::empty(), BTreeSet::new(), None))
    }

    fn build(
        query: &Query,
        action: &Action,
        types: &Types,
        hierarchy: &Hierarchy,
        (context, mut roots, schema): (Context, BTreeSet<NodeNo>, Option<&Schema>),
    ) -> Result<Self, String> {
        let sides = Sides::new(query, hierarchy);
        roots.extend(hierarchy.number(&query.action));
        let own_nodes: BTreeSet<NodeNo> = sides.principal.into_iter().chain(sides.resource).collect();
        roots.extend(&own_nodes);
        let claimed = claims::attributes(query, &mut Scribe { types, hierarchy, roots: &mut roots })?;
        let uid = |name| types.uid(name).ok_or_else(|| unknown_type(name));
        let (principal, resource) = (uid(&query.principal)?, uid(&query.resource)?);
        let mut grown = Vec::new();
        grown.extend((!query.parents.is_empty()).then(|| resource.clone()));
        grown.extend((!query.claimed.groups.is_empty()).then(|| principal.clone()));
        let request = Request::new(principal, action.uid.clone(), resource, context, schema)
            .map_err(|error| without_values(&error, &query.action))?;
        Ok(Self {
            request,
            action: action_keys(&query.action, hierarchy),
            principal: keys(types.number(&query.principal.ty), sides.principal, &sides.principal_lineage),
            resource: keys(types.number(&query.resource.ty), sides.resource, &sides.resource_lineage),
            own: own_entities(query, types, hierarchy, &sides, claimed)?,
            own_nodes,
            grown,
            roots,
        })
    }

    /// All entities that policies can reach from the request and from `literals`, which are theirs.
    ///
    /// # Errors
    /// What Cedar finds wrong with them together, such as a cycle.
    pub(super) fn entities(
        &self,
        literals: impl Iterator<Item = NodeNo>,
        hierarchy: &Hierarchy,
    ) -> Result<Entities, String> {
        let reached = hierarchy.reachable(self.roots.iter().copied().chain(literals));
        let others = reached.difference(&self.own_nodes).filter_map(|&number| hierarchy.entity(number));
        let all: Vec<_> = self.own.iter().chain(others).cloned().collect();
        // Every entity knows all its ancestors, but for those that the request shows.
        let incomplete = |uid: &EntityUid| all.iter().any(|entity| entity.is_descendant_of(uid.as_ref()));
        let incomplete = self.grown.iter().any(incomplete);
        let closure =
            if incomplete { TCComputation::ComputeNow } else { TCComputation::AssumeAlreadyComputed };
        Entities::new()
            .add_entities(all, None::<&NoEntitiesSchema>, closure, Extensions::all_available())
            .map_err(|_| "the entities of the request do not fit together".to_owned())
    }
}

/// The keys of an action: of itself and of the groups that it lies in.
pub(super) fn action_keys(action: &EntityName, hierarchy: &Hierarchy) -> Vec<Key> {
    let number = hierarchy.number(action);
    let lineage = number.into_iter().flat_map(|number| hierarchy.lineage(number)).collect();
    keys(None, number, &lineage)
}

/// Principal and resource with all that they lie in, the parents that the request shows included.
struct Sides {
    principal: Option<NodeNo>,
    resource: Option<NodeNo>,
    principal_lineage: BTreeSet<NodeNo>,
    resource_lineage: BTreeSet<NodeNo>,
}

impl Sides {
    fn new(query: &Query, hierarchy: &Hierarchy) -> Self {
        let lineage = |number: Option<NodeNo>| -> BTreeSet<NodeNo> {
            number.into_iter().flat_map(|number| hierarchy.lineage(number)).collect()
        };
        let (principal, resource) = (hierarchy.number(&query.principal), hierarchy.number(&query.resource));
        let parents = query.parents.iter().filter_map(|parent| hierarchy.number(parent));
        let shown: BTreeSet<NodeNo> = parents.flat_map(|parent| hierarchy.lineage(parent)).collect();
        let mut principal_lineage = lineage(principal);
        let mut resource_lineage: BTreeSet<NodeNo> = lineage(resource).into_iter().chain(shown).collect();
        let groups = query.claimed.groups.iter().filter_map(|group| hierarchy.number(group));
        principal_lineage.extend(groups.flat_map(|group| hierarchy.lineage(group)));
        let same = query.principal == query.resource;
        if same || resource.is_some_and(|resource| principal_lineage.contains(&resource)) {
            principal_lineage.extend(&resource_lineage);
        }
        let shown = query.parents.contains(&query.principal);
        if same || shown || principal.is_some_and(|principal| resource_lineage.contains(&principal)) {
            resource_lineage.extend(&principal_lineage);
        }
        Self { principal, resource, principal_lineage, resource_lineage }
    }
}

/// The resource's and the principal's entities: the bundle's if it has them, else ones without attributes; with
/// what the request shows of the resource, and credentials of the principal.
fn own_entities(
    query: &Query,
    types: &Types,
    hierarchy: &Hierarchy,
    sides: &Sides,
    claimed: Vec<(&str, ast::Value)>,
) -> Result<Vec<Arc<ast::Entity>>, String> {
    let mut claimed = Some(claimed);
    let mut find = |name: &EntityName, number: Option<NodeNo>| {
        let stored = number.and_then(|number| hierarchy.entity(number)).cloned();
        match claimed.take_if(|_| *name == query.principal && !query.claimed.is_empty()) {
            None => stored.map_or_else(|| bare(name, types, &|_| false), Ok),
            Some(claimed) => {
                let has = |key: &str| claimed.iter().any(|(name, _)| *name == key);
                let entity = stored.map_or_else(|| bare(name, types, &has), Ok)?;
                claims::add(entity, query, types, hierarchy, claimed)
            }
        }
    };
    let mut resource = find(&query.resource, sides.resource)?;
    for parent in &query.parents {
        let uid = parent_uid(&query.resource, parent, types)?;
        let stored = hierarchy.number(parent).and_then(|number| hierarchy.entity(number));
        let resource = Arc::make_mut(&mut resource);
        resource.add_parent(uid.into());
        for ancestor in stored.into_iter().flat_map(|stored| stored.ancestors()) {
            resource.add_indirect_ancestor(ancestor.clone());
        }
    }
    if resource.is_descendant_of(resource.uid()) {
        return Err(format!("`{}` would lie in itself", query.resource));
    }
    let principal = (query.principal != query.resource).then(|| find(&query.principal, sides.principal));
    Ok(std::iter::once(resource).chain(principal.transpose()?).collect())
}

fn bare(name: &EntityName, types: &Types, has: &dyn Fn(&str) -> bool) -> Result<Arc<ast::Entity>, String> {
    if let Some(reason) = types.why_not_bare(name, has) {
        return Err(reason);
    }
    let uid = types.uid(name).ok_or_else(|| unknown_type(name))?;
    Ok(Arc::new(ast::Entity::with_uid(uid.into())))
}

/// Names what Cedar would only show as a whole, with the values of the request in it.
fn check_context(query: &Query, action: &Action) -> Result<(), String> {
    let missing =
        |(key, attribute): &(&String, &Attribute)| attribute.required && !query.context.contains_key(*key);
    if let Some((key, _)) = action.context.iter().find(missing) {
        return Err(format!("the context lacks `{key}`, which the schema wants for `{}`", query.action));
    }
    match query.context.keys().find(|key| !action.context.contains_key(*key)) {
        Some(key) => {
            Err(format!("the context has `{key}`, which the schema does not know for `{}`", query.action))
        }
        None => Ok(()),
    }
}

fn without_values(error: &RequestValidationError, action: &EntityName) -> String {
    match error {
        RequestValidationError::InvalidContext(_) => {
            format!("an attribute of the context has another type than the schema wants for `{action}`")
        }
        other => other.to_string(),
    }
}

pub(super) fn parent_uid(
    child: &EntityName,
    parent: &EntityName,
    types: &Types,
) -> Result<EntityUid, String> {
    let uid = types.uid(parent).filter(|_| types.may_lie_in(&child.ty, &parent.ty));
    uid.ok_or_else(|| format!("by the schema, `{}` cannot lie in `{}`", child.ty, parent.ty))
}

pub(super) fn unknown_type(name: &EntityName) -> String {
    format!("the schema does not declare the type `{}`", name.ty)
}
