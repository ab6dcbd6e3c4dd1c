//! Forbids and gates about plain HTTP: what their scopes say, for routes that would hide requests from them.

use std::collections::BTreeSet;

use cedar_policy::{ActionConstraint, EntityUid, Policy, ResourceConstraint};

use super::hierarchy::{Hierarchy, NodeNo};
use super::schema::{Types, name};
use super::{Policies, PolicyInfo};
use crate::entity::EntityName;

/// The namespace of what plain HTTP is mapped to.
const NAMESPACE: &str = "Http::";

/// What the scope of a forbid says of actions and resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlainScope {
    /// All actions that match; nothing when any does.
    pub(crate) actions: Option<BTreeSet<EntityName>>,
    pub(crate) resource: PlainResource,
}

/// Which resources match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PlainResource {
    Any,
    /// Those of this type.
    Is(String),
    /// Exactly one.
    Eq(EntityName),
    /// What is or lies in one of these: the one that is written, and what the bundle says lies in it.
    In(BTreeSet<EntityName>),
}

/// What of plain HTTP lies in something by the bundle's entities, each with all that it lies in: nothing mostly.
pub(super) struct Inside(Vec<(EntityName, Vec<NodeNo>)>);

impl Inside {
    pub(super) fn of(hierarchy: &Hierarchy) -> Self {
        let known = hierarchy.all().filter(|(entity, _)| entity.ty.starts_with(NAMESPACE));
        let lineage = known.map(|(entity, number)| (entity, hierarchy.lineage(number).skip(1).collect()));
        Self(lineage.filter(|(_, lineage): &(_, Vec<_>)| !lineage.is_empty()).collect())
    }

    /// `group`, and what of plain HTTP lies in it.
    fn within(&self, group: EntityName, hierarchy: &Hierarchy) -> BTreeSet<EntityName> {
        let number = hierarchy.number(&group);
        let inside =
            self.0.iter().filter(|(_, lineage)| number.is_some_and(|group| lineage.contains(&group)));
        let inside = inside.map(|(entity, _)| entity.clone());
        inside.chain([group]).collect()
    }
}

impl PlainScope {
    /// The scope of a policy, if it says something of plain HTTP.
    pub(super) fn of(policy: &Policy, types: &Types, hierarchy: &Hierarchy, inside: &Inside) -> Option<Self> {
        let in_group = |group: &EntityUid| {
            let group = hierarchy.number(&name(group));
            let lies = |action: &&EntityName| {
                let mut lineage = hierarchy.number(action).into_iter().flat_map(|own| hierarchy.lineage(own));
                lineage.any(|number| Some(number) == group)
            };
            types.actions().filter(lies).cloned().collect::<Vec<_>>()
        };
        let actions = match policy.action_constraint() {
            ActionConstraint::Any => None,
            ActionConstraint::Eq(uid) => Some(BTreeSet::from([name(&uid)])),
            ActionConstraint::In(uids) => Some(uids.iter().flat_map(in_group).collect()),
        };
        let resource = match policy.resource_constraint() {
            ResourceConstraint::Any => PlainResource::Any,
            ResourceConstraint::Is(ty) => PlainResource::Is(ty.to_string()),
            ResourceConstraint::Eq(uid) => PlainResource::Eq(name(&uid)),
            ResourceConstraint::In(uid) | ResourceConstraint::IsIn(_, uid) => {
                PlainResource::In(inside.within(name(&uid), hierarchy))
            }
        };
        let scope = Self { actions, resource };
        scope.is_plain().then_some(scope)
    }

    /// Whether it names something of plain HTTP, and nothing that excludes it.
    fn is_plain(&self) -> bool {
        let plain = |entity: &EntityName| entity.ty.starts_with(NAMESPACE);
        let action = self.actions.as_ref().map(|actions| actions.iter().any(plain));
        let resource = match &self.resource {
            PlainResource::Any => None,
            PlainResource::Is(ty) => Some(ty.starts_with(NAMESPACE)),
            PlainResource::Eq(entity) => Some(plain(entity)),
            PlainResource::In(entities) => Some(entities.iter().any(plain)),
        };
        matches!((action, resource), (Some(true), None | Some(true)) | (None, Some(true)))
    }
}

impl Policies {
    /// The forbids and gates that are about plain HTTP, shadows among them, with what their scopes say.
    pub(crate) fn plain(&self) -> impl Iterator<Item = (&PolicyInfo, &PlainScope)> {
        self.plain
            .iter()
            .filter_map(|(number, scope)| Some((&self.policies.get(number.index())?.info, scope)))
    }
}
