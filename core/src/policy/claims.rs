//! What credentials say of the principal, added to its entity; where the bundle says otherwise, nothing is ruled.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy_core::ast::{self, PartialValue};

use super::hierarchy::Hierarchy;
use super::request::parent_uid;
use super::ruling::Query;
use super::schema::Types;
use super::values::Scribe;

/// The attributes in Cedar's terms.
///
/// # Errors
/// Which of them Cedar does not read, without the value.
pub(super) fn attributes<'a>(
    query: &'a Query,
    scribe: &mut Scribe<'_>,
) -> Result<Vec<(&'a str, ast::Value)>, String> {
    let attributes = query.claimed.attributes.iter().map(|(name, value)| {
        let value = scribe.write(value).map_err(|why| format!("`{name}` of the principal: {why}"))?;
        Ok((name.as_str(), value))
    });
    attributes.collect()
}

/// Adds groups and attributes to the principal's entity.
///
/// # Errors
/// What the bundle's entity says otherwise, or what the schema does not let it be.
pub(super) fn add(
    entity: Arc<ast::Entity>,
    query: &Query,
    types: &Types,
    hierarchy: &Hierarchy,
    attributes: Vec<(&str, ast::Value)>,
) -> Result<Arc<ast::Entity>, String> {
    let mut groups = BTreeSet::new();
    let mut ancestors = BTreeSet::new();
    for group in &query.claimed.groups {
        groups.insert(ast::EntityUID::from(parent_uid(&query.principal, group, types)?));
        let stored = hierarchy.number(group).and_then(|number| hierarchy.entity(number));
        ancestors.extend(stored.into_iter().flat_map(|stored| stored.ancestors()).cloned());
    }
    let ours = query.claimed.group_type.as_deref();
    let other = |uid: &&ast::EntityUID| !groups.contains(*uid) && !ancestors.contains(*uid);
    let of_claims = |uid: &&ast::EntityUID| ours.is_some_and(|ours| uid.entity_type().to_string() == ours);
    if let Some(uid) = entity.ancestors().filter(of_claims).find(other) {
        return Err(format!(
            "by the bundle `{}` lies in `{uid}`, and its credentials do not say so",
            query.principal
        ));
    }
    let (uid, mut all, mut indirect, mut parents, tags) = Arc::unwrap_or_clone(entity).into_inner();
    for (name, value) in attributes {
        let value = PartialValue::Value(value);
        if all.get(name).is_some_and(|stored| *stored != value) {
            let principal = &query.principal;
            return Err(format!(
                "`{name}` of `{principal}` is one thing in the bundle, another in its credentials"
            ));
        }
        all.insert(name.into(), value);
    }
    ancestors.retain(|ancestor| !parents.contains(ancestor) && !groups.contains(ancestor));
    indirect.retain(|ancestor| !groups.contains(ancestor));
    indirect.extend(ancestors);
    parents.extend(groups);
    Ok(Arc::new(ast::Entity::new_with_attr_partial_value(uid, all, indirect, parents, tags)))
}
