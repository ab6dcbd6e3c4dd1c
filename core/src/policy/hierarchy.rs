//! Entities and what they lie in, by number: what the scope index and each request's entities are made from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedar_policy::{Entity, EntityUid, EvalResult};
use cedar_policy_core::ast::{self, Literal, PartialValue, ValueKind};

use super::schema::name;
use crate::entity::EntityName;

/// An entity that the bundle mentions: in `entities.json`, in the schema's actions or in a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeNo(u32);

impl NodeNo {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// All entities that the bundle mentions.
#[derive(Default)]
pub(super) struct Hierarchy {
    numbers: BTreeMap<String, BTreeMap<String, NodeNo>>,
    nodes: Vec<Node>,
}

#[derive(Default)]
struct Node {
    /// The entity itself with all its ancestors, if the bundle has it and not only mentions it.
    entity: Option<Arc<ast::Entity>>,
    /// Everything that it lies in, directly or not.
    ancestors: Vec<NodeNo>,
    /// The entities that its attributes and tags name.
    references: Vec<NodeNo>,
}

impl Hierarchy {
    /// Takes in entities whose ancestors are complete.
    pub(super) fn new(entities: BTreeMap<EntityName, Entity>) -> Self {
        let mut hierarchy = Self::default();
        for (name, entity) in entities {
            let number = hierarchy.mention(&name);
            let ancestors: BTreeSet<_> = ancestors(&entity).iter().map(|a| hierarchy.mention(a)).collect();
            let references: BTreeSet<_> = references(&entity).iter().map(|r| hierarchy.mention(r)).collect();
            let ancestors = ancestors.into_iter().collect();
            let references = references.into_iter().collect();
            if let Some(node) = hierarchy.nodes.get_mut(number.index()) {
                let entity = Some(Arc::new(entity.as_ref().clone()));
                *node = Node { entity, ancestors, references };
            }
        }
        hierarchy
    }

    /// The number of `name`, a new one if it was not mentioned before.
    pub(super) fn mention(&mut self, name: &EntityName) -> NodeNo {
        let next = NodeNo(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        let of_type = self.numbers.entry(name.ty.clone()).or_default();
        let number = *of_type.entry(name.id.clone()).or_insert(next);
        if number.index() == self.nodes.len() {
            self.nodes.push(Node::default());
        }
        number
    }

    pub(super) fn number(&self, name: &EntityName) -> Option<NodeNo> {
        self.numbers.get(&name.ty)?.get(&name.id).copied()
    }

    pub(super) fn entity(&self, number: NodeNo) -> Option<&Arc<ast::Entity>> {
        self.nodes.get(number.index())?.entity.as_ref()
    }

    /// An entity and everything that it lies in.
    pub(super) fn lineage(&self, number: NodeNo) -> impl Iterator<Item = NodeNo> + '_ {
        let ancestors = self.nodes.get(number.index()).into_iter().flat_map(|node| &node.ancestors);
        std::iter::once(number).chain(ancestors.copied())
    }

    /// All entities that the bundle mentions.
    pub(super) fn all(&self) -> impl Iterator<Item = (EntityName, NodeNo)> + '_ {
        let named = self.numbers.iter().flat_map(|(ty, of_type)| of_type.iter().map(move |own| (ty, own)));
        named.map(|(ty, (id, number))| (EntityName::new(ty, id), *number))
    }

    /// `roots` and every entity that can be reached from them through attributes and tags.
    pub(super) fn reachable(&self, roots: impl IntoIterator<Item = NodeNo>) -> BTreeSet<NodeNo> {
        let mut open: Vec<NodeNo> = roots.into_iter().collect();
        let mut seen = BTreeSet::new();
        while let Some(number) = open.pop() {
            if let Some(node) = self.nodes.get(number.index()).filter(|_| seen.insert(number)) {
                open.extend(&node.references);
            }
        }
        seen
    }
}

fn ancestors(entity: &Entity) -> BTreeSet<EntityName> {
    let (_, _, ancestors) = entity.clone().into_inner();
    ancestors.iter().map(name).collect()
}

/// What the entity's attributes and tags name. Attributes of a bundle hold no unknowns, so none is lost.
fn references(entity: &Entity) -> BTreeSet<EntityName> {
    let mut found = BTreeSet::new();
    let mut open: Vec<EvalResult> =
        entity.attrs().chain(entity.tags()).filter_map(|(_, value)| value.ok()).collect();
    while let Some(value) = open.pop() {
        match value {
            EvalResult::EntityUid(uid) => drop(found.insert(name(&uid))),
            EvalResult::Set(set) => open.extend(set.iter().cloned()),
            EvalResult::Record(record) => open.extend(record.iter().map(|(_, value)| value.clone())),
            _ => {}
        }
    }
    found
}

/// The entity that the attribute `attr` of `entity` names.
pub(super) fn named_by(entity: &ast::Entity, attr: &str) -> Option<EntityName> {
    match entity.get(attr)? {
        PartialValue::Value(ast::Value { value: ValueKind::Lit(Literal::EntityUID(uid)), .. }) => {
            Some(name(&EntityUid::from(uid.as_ref().clone())))
        }
        _ => None,
    }
}
