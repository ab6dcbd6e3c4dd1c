//! The schema, in the form that loading and ruling look things up in.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{EntityId, EntityTypeName, EntityUid, Schema, SchemaFragment};
use cedar_policy_core::validator::types::{self as cedar, EntityKind};

use super::place::{File, locate};
use crate::entity::EntityName;
use crate::load::LoadError;
use crate::types::{Attribute, Type};

/// An entity type, by its place in the sorted list of all types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TypeNo(u32);

/// Cedar's schema with indexes by name.
pub(super) struct Types {
    pub(super) schema: Schema,
    numbers: BTreeMap<String, TypeNo>,
    types: BTreeMap<TypeNo, EntityType>,
    actions: BTreeMap<EntityName, Action>,
}

/// An entity type as the schema declares it.
struct EntityType {
    name: EntityTypeName,
    attributes: BTreeMap<String, Attribute>,
    /// The types that its entities may lie in.
    ancestors: BTreeSet<String>,
}

/// An action as the schema declares it.
pub(super) struct Action {
    pub(super) uid: EntityUid,
    pub(super) principals: BTreeSet<String>,
    pub(super) resources: BTreeSet<String>,
    pub(super) context: BTreeMap<String, Attribute>,
}

impl Types {
    /// Joins the schema files of a bundle.
    ///
    /// # Errors
    /// No file at all, or what Cedar finds wrong.
    pub(super) fn load(files: &[File<'_>]) -> Result<Self, Vec<LoadError>> {
        if files.is_empty() {
            let message = "holds no `*.cedarschema`, and the schema is mandatory";
            return Err(vec![LoadError::in_file("bundle", message)]);
        }
        let mut fragments = Vec::new();
        let mut errors = Vec::new();
        for file in files {
            match SchemaFragment::from_cedarschema_str(file.text) {
                Ok((fragment, _)) => fragments.push(fragment),
                Err(error) => errors.push(locate(&[*file], &error)),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let schema = Schema::from_schema_fragments(fragments).map_err(|error| vec![locate(files, &error)])?;
        Ok(Self::index(schema))
    }

    fn index(schema: Schema) -> Self {
        let names: BTreeMap<String, &EntityTypeName> =
            schema.entity_types().map(|name| (name.to_string(), name)).collect();
        let mut numbers = BTreeMap::new();
        let mut types = BTreeMap::new();
        for (number, (text, name)) in (0..).map(TypeNo).zip(names) {
            numbers.insert(text, number);
            types.insert(number, EntityType::of(&schema, name));
        }
        let actions = schema.actions().map(|uid| (name(uid), Action::of(&schema, uid))).collect();
        Self { numbers, types, actions, schema }
    }

    pub(super) fn action(&self, name: &EntityName) -> Option<&Action> {
        self.actions.get(name)
    }

    /// All actions, sorted.
    pub(super) fn actions(&self) -> impl Iterator<Item = &EntityName> {
        self.actions.keys()
    }

    pub(super) fn number(&self, ty: &str) -> Option<TypeNo> {
        self.numbers.get(ty).copied()
    }

    /// Cedar's name for an entity; `None` when the schema does not declare its type.
    pub(super) fn uid(&self, name: &EntityName) -> Option<EntityUid> {
        if let Some(action) = self.actions.get(name) {
            return Some(action.uid.clone());
        }
        let ty = self.types.get(&self.number(&name.ty)?)?.name.clone();
        Some(EntityUid::from_type_name_and_id(ty, EntityId::new(&name.id)))
    }

    /// The attribute `name` of entities of the type `ty`.
    pub(super) fn attribute(&self, ty: &str, name: &str) -> Option<&Attribute> {
        self.types.get(&self.number(ty)?)?.attributes.get(name)
    }

    /// Why there cannot be an entity `name` with no other attributes than those of these names, if there is a
    /// reason.
    pub(super) fn why_not_bare(&self, name: &EntityName, has: &dyn Fn(&str) -> bool) -> Option<String> {
        let attributes = &self.types.get(&self.number(&name.ty)?)?.attributes;
        let (required, _) = attributes.iter().find(|(key, attribute)| attribute.required && !has(key))?;
        Some(format!("`{name}` is no entity of the bundle, and the schema wants its attribute `{required}`"))
    }

    /// Whether entities of type `child` may lie in entities of type `parent`.
    pub(super) fn may_lie_in(&self, child: &str, parent: &str) -> bool {
        let child = self.number(child).and_then(|number| self.types.get(&number));
        child.is_some_and(|child| child.ancestors.contains(parent))
    }
}

impl EntityType {
    fn of(schema: &Schema, name: &EntityTypeName) -> Self {
        let declared = schema.as_ref().get_entity_type(name.as_ref());
        let attributes = declared.into_iter().flat_map(|ty| ty.attributes().iter());
        let attributes = attributes.map(|(name, attribute)| {
            let (required, ty) = (attribute.is_required(), type_of(&attribute.attr_type));
            (name.to_string(), Attribute { required, ty })
        });
        Self {
            name: name.clone(),
            attributes: attributes.collect(),
            ancestors: schema.ancestors(name).into_iter().flatten().map(ToString::to_string).collect(),
        }
    }
}

impl Action {
    fn of(schema: &Schema, uid: &EntityUid) -> Self {
        let context = schema.as_ref().context_type(uid.as_ref());
        let attributes = context.map(|ty| ty.all_attributes(schema.as_ref()));
        let context = attributes.iter().flat_map(attributes_of);
        Self {
            uid: uid.clone(),
            principals: texts(schema.principals_for_action(uid)),
            resources: texts(schema.resources_for_action(uid)),
            context: context.collect(),
        }
    }
}

fn attributes_of(declared: &cedar::Attributes) -> impl Iterator<Item = (String, Attribute)> {
    declared.iter().map(|(name, attribute)| {
        let (required, ty) = (attribute.is_required(), type_of(&attribute.attr_type));
        (name.to_string(), Attribute { required, ty })
    })
}

/// Our name for a type. A schema nests no deeper than the parser lets it.
fn type_of(ty: &cedar::Type) -> Type {
    match ty {
        cedar::Type::Bool(cedar::BoolType::AnyBool) => Type::Bool,
        cedar::Type::Long => Type::Long,
        cedar::Type::String => Type::String,
        cedar::Type::Set { element_type: Some(member) } => Type::Set(Box::new(type_of(member))),
        cedar::Type::Record { attrs, .. } => Type::Record(attributes_of(attrs).collect()),
        cedar::Type::Entity(EntityKind::Entity(one)) => match one.get_single_entity() {
            Some(name) => Type::Entity(name.to_string()),
            None => Type::Other(ty.to_string()),
        },
        cedar::Type::ExtensionType { .. } => match ty.to_string().as_str() {
            "decimal" => Type::Decimal,
            "ipaddr" => Type::Ip,
            "datetime" => Type::Datetime,
            other => Type::Other(other.to_owned()),
        },
        other => Type::Other(other.to_string()),
    }
}

fn texts<'a>(names: Option<impl Iterator<Item = &'a EntityTypeName>>) -> BTreeSet<String> {
    names.into_iter().flatten().map(ToString::to_string).collect()
}

/// Our name for an entity.
pub(super) fn name(uid: &EntityUid) -> EntityName {
    EntityName::new(uid.type_name().to_string(), uid.id().unescaped())
}
