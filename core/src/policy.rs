//! Policy: loads a bundle's Cedar, and rules on queries. The only place that knows the policy engine.

mod annotation;
mod approval;
mod claims;
mod entities;
mod evaluate;
mod explain;
mod hierarchy;
mod place;
mod plain;
#[cfg(test)]
mod properties;
mod reader;
mod request;
mod ruling;
mod schema;
mod scope;
mod source;
mod values;
mod visible;

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{ActionConstraint, EntityUid, Policy};
use cedar_policy_core::ast;
use countersign_protocol::Hash;

pub use annotation::{Gate, Notes, Role};
pub use approval::{APPROVE, GATE_TYPE};
pub use explain::{
    Account, Anatomy, Brief, Came, Change, Clause, ClauseKind, ClauseTrace, Conjunct, How, Matched, Need,
    Piece, Place, Read, Trace,
};
pub(crate) use plain::{PlainResource, PlainScope};
pub use ruling::{Claimed, Failure, Fault, Query, Required, Ruling, Shadow, ShutGate, Verdict, Would};

use crate::bundle::Bundle;
use crate::entity::EntityName;
use crate::load::LoadError;
use crate::types::Attribute;
use hierarchy::{Hierarchy, NodeNo};
use place::File;
use plain::Inside;
use schema::Types;
use scope::{Index, Key, PolicyNo, Scope};

/// How much policy is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyLimits {
    /// Bytes of one policy's text.
    pub policy_bytes: usize,
    /// Policies in all files together.
    pub policies: usize,
    /// Levels of nesting in policies, schema and entities. Operators that recurse count as brackets do.
    pub nesting: usize,
}

impl Default for PolicyLimits {
    fn default() -> Self {
        Self { policy_bytes: 10 * 1024, policies: 10_000, nesting: 64 }
    }
}

/// A policy of the bundle, as far as it is not Cedar's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyInfo {
    /// Its annotations.
    pub notes: Notes,
    /// SHA-256 of its text, from the first annotation to the semicolon.
    pub hash: Hash,
    /// The file that it is in.
    pub file: String,
    /// The line that it starts at, from 1.
    pub line: usize,
    /// The action that its scope equals, if it names one so.
    pub action: Option<EntityName>,
}

/// All policies of a bundle with schema and entities, checked and indexed.
pub struct Policies {
    types: Types,
    hierarchy: Hierarchy,
    /// Sorted by id.
    policies: Vec<Loaded>,
    /// The policies that are enforced.
    enforced: Index,
    /// The policies that are only recorded.
    shadow: Index,
    /// What the scopes of gates say about actions.
    gates: BTreeSet<Key>,
    /// Forbids and gates that are about plain HTTP.
    plain: Vec<(PolicyNo, PlainScope)>,
}

/// A policy that is ready to be evaluated.
struct Loaded {
    info: PolicyInfo,
    /// Scope and conditions as one expression, without templates' slots. Cedar builds it anew each time.
    condition: ast::Expr,
    /// Whether it reads the context.
    reads_context: bool,
    /// Entities that its text names and that the bundle knows.
    literals: Vec<NodeNo>,
}

impl Policies {
    /// Loads every `.cedar`, `.cedarschema` and `entities.json` of `bundle`.
    ///
    /// # Errors
    /// All that is wrong, as far as it can be told at once, sorted by file and line.
    pub fn load(bundle: &Bundle, limits: &PolicyLimits) -> Result<Self, Vec<LoadError>> {
        Self::read(bundle, limits).map_err(|mut errors| {
            errors.sort_by(|a, b| (&a.file, a.line, &a.message).cmp(&(&b.file, b.line, &b.message)));
            errors.dedup();
            errors
        })
    }

    fn read(bundle: &Bundle, limits: &PolicyLimits) -> Result<Self, Vec<LoadError>> {
        let files = |end: &str| -> Vec<File<'_>> {
            let all = bundle.files().filter(|(path, _)| path.ends_with(end));
            all.map(|(path, text)| File { path, text }).collect()
        };
        let (cedar, schemas, json) = (files(".cedar"), files(".cedarschema"), files("entities.json"));
        let all = [&cedar, &schemas, &json].into_iter().flatten();
        let mut errors: Vec<_> = all.filter_map(|file| reader::check_text(*file, limits).err()).collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        let types = Types::load(&schemas).map_err(|found| errors.extend(found)).ok();
        let policies = reader::read_all(&cedar, limits, &mut errors);
        let Some(types) = types else { return Err(errors) };
        errors.extend(reader::validate(&policies, &types).err().into_iter().flatten());
        if errors.is_empty() {
            errors.extend(approval::check(&policies, &types));
        }
        let none = File { path: "entities.json", text: "[]" };
        let entities = entities::read(&types, json.first().copied().unwrap_or(none));
        match entities.map_err(|found| errors.extend(found)) {
            Ok(entities) if errors.is_empty() => Self::index(types, Hierarchy::new(entities), policies),
            _ => Err(errors),
        }
    }

    fn index(
        types: Types,
        hierarchy: Hierarchy,
        read: Vec<reader::Read<'_>>,
    ) -> Result<Self, Vec<LoadError>> {
        let (policies, enforced, shadow) = (Vec::new(), Index::default(), Index::default());
        let (gates, plain) = (BTreeSet::new(), Vec::new());
        let mut all = Self { types, hierarchy, policies, enforced, shadow, gates, plain };
        let inside = Inside::of(&all.hierarchy);
        for (number, read) in (0..).map(PolicyNo).zip(read) {
            all.add(number, &read, &inside)
                .map_err(|message| vec![LoadError::at(read.file.path, read.line(), message)])?;
        }
        Ok(all)
    }

    fn add(&mut self, number: PolicyNo, read: &reader::Read<'_>, inside: &Inside) -> Result<(), String> {
        let scope = Scope::of(&read.policy, &self.types, &mut self.hierarchy);
        let scope = scope.ok_or("the scope names a type that the schema does not declare")?;
        let index = if read.notes.shadow { &mut self.shadow } else { &mut self.enforced };
        index.insert(&scope, number);
        if matches!(read.notes.role, Role::Gate(_)) && !read.notes.shadow {
            self.gates.extend(scope.actions());
        }
        if read.notes.role != Role::Permit {
            let plain = PlainScope::of(&read.policy, &self.types, &self.hierarchy, inside);
            self.plain.extend(plain.map(|scope| (number, scope)));
        }
        let condition = read.policy.as_ref().condition();
        self.policies.push(Loaded {
            reads_context: visible::reads_context(&condition),
            condition,
            literals: self.literals(&read.policy),
            info: PolicyInfo {
                notes: read.notes.clone(),
                hash: read.hash,
                file: read.file.path.into(),
                line: read.line(),
                action: match read.policy.action_constraint() {
                    ActionConstraint::Eq(uid) => Some(schema::name(&uid)),
                    _ => None,
                },
            },
        });
        Ok(())
    }

    fn literals(&self, policy: &Policy) -> Vec<NodeNo> {
        let number = |uid: &EntityUid| self.hierarchy.number(&schema::name(uid));
        policy.entity_literals().iter().filter_map(number).collect()
    }

    /// Whether a gate can apply to `action`, so that the body is needed before a ruling.
    #[must_use]
    pub fn gated(&self, action: &EntityName) -> bool {
        request::action_keys(action, &self.hierarchy).iter().any(|key| self.gates.contains(key))
    }

    /// The context that the schema declares for `action`, by attribute; `None` when there is no such action.
    #[must_use]
    pub fn context_type(&self, action: &EntityName) -> Option<&BTreeMap<String, Attribute>> {
        self.types.action(action).map(|action| &action.context)
    }

    /// Whether `action` is `group` or lies in it.
    pub(crate) fn action_lies_in(&self, action: &EntityName, group: &EntityName) -> bool {
        let (Some(action), Some(group)) = (self.hierarchy.number(action), self.hierarchy.number(group))
        else {
            return false;
        };
        self.hierarchy.lineage(action).any(|number| number == group)
    }

    /// Whether the schema declares `action`.
    #[must_use]
    pub fn declares_action(&self, action: &EntityName) -> bool {
        self.types.action(action).is_some()
    }

    /// Whether the schema lets principals of the type `ty` take `action`.
    #[must_use]
    pub fn may_act(&self, action: &EntityName, ty: &str) -> bool {
        self.types.action(action).is_some_and(|action| action.principals.contains(ty))
    }

    /// Whether the schema applies `action` to resources of the type `ty`.
    #[must_use]
    pub fn applies_to(&self, action: &EntityName, ty: &str) -> bool {
        self.types.action(action).is_some_and(|action| action.resources.contains(ty))
    }

    /// Whether, by the schema, entities of type `child` may lie in entities of type `parent`.
    #[must_use]
    pub fn may_contain(&self, child: &str, parent: &str) -> bool {
        self.types.may_lie_in(child, parent)
    }

    /// Whether the schema declares the entity type `ty`.
    #[must_use]
    pub fn declares_type(&self, ty: &str) -> bool {
        self.types.number(ty).is_some()
    }

    /// Why entities of the type `ty` cannot lie in entities of the type `group`, if they cannot.
    pub(crate) fn unfit_parent(&self, ty: &str, group: &str) -> Option<String> {
        let fits = self.types.may_lie_in(ty, group);
        (!fits).then(|| format!("by the schema, `{ty}` cannot lie in `{group}`: `groups` names another type"))
    }

    /// Why entities of the type `ty` cannot have the attribute `name` of the type `given`, if they cannot.
    pub(crate) fn unfit_attribute(&self, ty: &str, name: &str, given: &str) -> Option<String> {
        match self.types.attribute(ty, name) {
            None => Some(format!("the schema declares no attribute `{name}` of `{ty}`")),
            Some(declared) => {
                let declared = declared.ty.to_string();
                (declared != given).then(|| format!("`{name}` of `{ty}` is a `{declared}`, not a `{given}`"))
            }
        }
    }

    /// The entity that the attribute `attr` of `entity` names in `entities.json`, such as an agent's `owner`.
    #[must_use]
    pub fn attribute_entity(&self, entity: &EntityName, attr: &str) -> Option<EntityName> {
        hierarchy::named_by(self.hierarchy.entity(self.hierarchy.number(entity)?)?, attr)
    }

    /// All policies, sorted by id.
    pub fn policies(&self) -> impl Iterator<Item = &PolicyInfo> {
        self.policies.iter().map(|policy| &policy.info)
    }
}
