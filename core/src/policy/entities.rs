//! `entities.json`: read one entity at a time, so that every mistake is told, with its line, in the same order.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Entities, Entity};
use serde::de::IgnoredAny;

use super::place::{File, message};
use super::schema::{Types, name};
use super::source::{self, Chunk};
use crate::entity::EntityName;
use crate::load::LoadError;

/// Reads the entities against the schema, and adds the schema's actions; all know all their ancestors.
///
/// # Errors
/// Every entity that does not parse, does not fit, occurs twice or lies in itself.
pub(super) fn read(types: &Types, file: File<'_>) -> Result<BTreeMap<EntityName, Entity>, Vec<LoadError>> {
    let invalid = serde_json::from_str::<Vec<IgnoredAny>>(file.text).err();
    if let Some(error) = invalid {
        return Err(vec![LoadError::at(file.path, error.line(), without_place(&error.to_string()))]);
    }
    let mut found = BTreeMap::new();
    let mut errors = Vec::new();
    for Chunk { text, line, .. } in source::elements(file.text) {
        let mut refuse = |message: &str| errors.push(LoadError::at(file.path, line, without_place(message)));
        match Entity::from_json_str(text, Some(&types.schema)) {
            Ok(entity) => {
                if let Some(twice) = found.insert(name(&entity.uid()), entity) {
                    refuse(&format!("`{}` is here a second time", twice.uid()));
                }
            }
            Err(error) => refuse(&message(&error)),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    close(types, found, file)
}

/// The JSON reader counts lines within the one entity; the file's line is told already.
fn without_place(message: &str) -> &str {
    message.rsplit_once(" at line ").map_or(message, |(before, _)| before)
}

/// Adds actions and the ancestors of ancestors.
fn close(
    types: &Types,
    found: BTreeMap<EntityName, Entity>,
    file: File<'_>,
) -> Result<BTreeMap<EntityName, Entity>, Vec<LoadError>> {
    let circle = found.keys().find(|name| lies_in_itself(name, &found));
    if let Some(name) = circle {
        return Err(vec![LoadError::in_file(
            file.path,
            format!("`{name}` lies in itself, through its parents"),
        )]);
    }
    let entities = Entities::from_entities(found.into_values(), Some(&types.schema))
        .map_err(|error| vec![LoadError::in_file(file.path, message(&error))])?;
    Ok(entities.into_iter().map(|entity| (name(&entity.uid()), entity)).collect())
}

fn lies_in_itself(start: &EntityName, entities: &BTreeMap<EntityName, Entity>) -> bool {
    let parents = |name: &EntityName| -> BTreeSet<EntityName> {
        let entity = entities.get(name).map(AsRef::as_ref);
        entity.into_iter().flat_map(|entity| entity.ancestors()).map(|uid| name_of(uid.clone())).collect()
    };
    let mut open = parents(start);
    let mut seen = BTreeSet::new();
    while let Some(next) = open.pop_first() {
        if next == *start {
            return true;
        }
        if seen.insert(next.clone()) {
            open.extend(parents(&next));
        }
    }
    false
}

fn name_of(uid: cedar_policy_core::ast::EntityUID) -> EntityName {
    name(&uid.into())
}
