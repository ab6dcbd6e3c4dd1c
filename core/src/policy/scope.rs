//! The scope index: from principal, action and resource to the policies whose scope can match.
//!
//! A ruling touches only what it finds here, so its cost grows with the policies that concern a request
//! and with what its entities lie in, never with the number of policies.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{
    ActionConstraint, EntityTypeName, EntityUid, Policy, PrincipalConstraint, ResourceConstraint,
};

use super::hierarchy::{Hierarchy, NodeNo};
use super::schema::{TypeNo, Types, name};

/// A policy, by its place in the list of all policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PolicyNo(pub(super) u32);

impl PolicyNo {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// One side of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// No constraint.
    Any,
    /// `is T`
    Is(TypeNo),
    /// `== E`
    Eq(NodeNo),
    /// `in E`
    In(NodeNo),
    /// `is T in E`
    IsIn(TypeNo, NodeNo),
}

/// A policy's scope. An action can be listed in many ways, so there are many keys for it.
pub(super) struct Scope {
    actions: Vec<Key>,
    principal: Key,
    resource: Key,
}

/// From action to principal to resource to policies.
#[derive(Default)]
pub(super) struct Index(BTreeMap<Key, BTreeMap<Key, BTreeMap<Key, Vec<PolicyNo>>>>);

impl Scope {
    /// The scope of a policy that was validated; `None` when it names a type that the schema does not know.
    pub(super) fn of(policy: &Policy, types: &Types, hierarchy: &mut Hierarchy) -> Option<Self> {
        let mut node = |uid: &EntityUid| hierarchy.mention(&name(uid));
        let number = |ty: &EntityTypeName| types.number(&ty.to_string());
        let principal = match policy.principal_constraint() {
            PrincipalConstraint::Any => Key::Any,
            PrincipalConstraint::Is(ty) => Key::Is(number(&ty)?),
            PrincipalConstraint::Eq(uid) => Key::Eq(node(&uid)),
            PrincipalConstraint::In(uid) => Key::In(node(&uid)),
            PrincipalConstraint::IsIn(ty, uid) => Key::IsIn(number(&ty)?, node(&uid)),
        };
        let resource = match policy.resource_constraint() {
            ResourceConstraint::Any => Key::Any,
            ResourceConstraint::Is(ty) => Key::Is(number(&ty)?),
            ResourceConstraint::Eq(uid) => Key::Eq(node(&uid)),
            ResourceConstraint::In(uid) => Key::In(node(&uid)),
            ResourceConstraint::IsIn(ty, uid) => Key::IsIn(number(&ty)?, node(&uid)),
        };
        let actions = match policy.action_constraint() {
            ActionConstraint::Any => vec![Key::Any],
            ActionConstraint::Eq(uid) => vec![Key::Eq(node(&uid))],
            ActionConstraint::In(uids) => uids.iter().map(|uid| Key::In(node(uid))).collect(),
        };
        Some(Self { actions, principal, resource })
    }

    /// What it says about actions: an action matches if it matches one of them.
    pub(super) fn actions(&self) -> impl Iterator<Item = Key> + '_ {
        self.actions.iter().copied()
    }
}

impl Index {
    pub(super) fn insert(&mut self, scope: &Scope, policy: PolicyNo) {
        for &action in &scope.actions {
            let by_principal = self.0.entry(action).or_default();
            let by_resource = by_principal.entry(scope.principal).or_default();
            by_resource.entry(scope.resource).or_default().push(policy);
        }
    }

    /// The policies whose scope matches, in their order and each once, given all keys that each side matches.
    pub(super) fn candidates(&self, action: &[Key], principal: &[Key], resource: &[Key]) -> Vec<PolicyNo> {
        let by_principal = action.iter().filter_map(|key| self.0.get(key));
        let by_resource = by_principal.flat_map(|map| principal.iter().filter_map(|key| map.get(key)));
        let policies = by_resource.flat_map(|map| resource.iter().filter_map(|key| map.get(key)));
        let mut found: Vec<PolicyNo> = policies.flatten().copied().collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// All keys that an entity of type `ty` matches: its own number, if it has one, and everything that it lies
/// in, itself included.
pub(super) fn keys(ty: Option<TypeNo>, own: Option<NodeNo>, lineage: &BTreeSet<NodeNo>) -> Vec<Key> {
    let within = lineage.iter().flat_map(|&node| [Some(Key::In(node)), ty.map(|ty| Key::IsIn(ty, node))]);
    [Some(Key::Any), ty.map(Key::Is), own.map(Key::Eq)].into_iter().chain(within).flatten().collect()
}
