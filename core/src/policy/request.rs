//! From a query to what Cedar evaluates: the request, checked against the schema, and the entities that it
//! can reach.

use std::collections::BTreeSet;

use cedar_policy::{
    Context, Entities, Entity, EntityUid, Request, RequestValidationError, RestrictedExpression,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::hierarchy::{Hierarchy, NodeNo, with_parents};
use super::ruling::Query;
use super::schema::{Action, Attribute, Types};
use super::scope::{Key, keys};
use crate::entity::EntityName;
use crate::value::Value;

/// A query that fits the schema, in Cedar's terms.
pub(super) struct Fitted {
    pub(super) request: Request,
    pub(super) action: Vec<Key>,
    pub(super) principal: Vec<Key>,
    pub(super) resource: Vec<Key>,
    /// The principal and the resource as they are in this request.
    own: Vec<Entity>,
    /// The numbers of those two, as far as the bundle mentions them.
    own_nodes: BTreeSet<NodeNo>,
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
        let sides = Sides::new(query, hierarchy);
        let mut roots: BTreeSet<NodeNo> = hierarchy.number(&query.action).into_iter().collect();
        let own_nodes: BTreeSet<NodeNo> = sides.principal.into_iter().chain(sides.resource).collect();
        roots.extend(&own_nodes);
        roots.extend(query.parents.iter().filter_map(|parent| hierarchy.number(parent)));
        let mut scribe = Scribe { types, hierarchy, roots: &mut roots };
        let pairs = query.context.iter().map(|(key, value)| Ok((key.clone(), scribe.write(value)?)));
        let pairs: Vec<_> = pairs.collect::<Result<_, String>>()?;
        let context = Context::from_pairs(pairs).map_err(|error| error.to_string())?;
        let uid = |name| types.uid(name).ok_or_else(|| unknown_type(name));
        let (principal, resource) = (uid(&query.principal)?, uid(&query.resource)?);
        check_context(query, action)?;
        let request = Request::new(principal, action.uid.clone(), resource, context, Some(&types.schema))
            .map_err(|error| without_values(&error, &query.action))?;
        Ok(Self {
            request,
            action: action_keys(&query.action, hierarchy),
            principal: keys(types.number(&query.principal.ty), sides.principal, &sides.principal_lineage),
            resource: keys(types.number(&query.resource.ty), sides.resource, &sides.resource_lineage),
            own: own_entities(query, types, hierarchy, &sides)?,
            own_nodes,
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
        let all = self.own.iter().chain(others).cloned();
        Entities::empty().add_entities(all, None).map_err(|error| error.to_string())
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
        let in_resource = resource.is_some_and(|resource| principal_lineage.contains(&resource));
        if in_resource || query.principal == query.resource {
            principal_lineage.extend(&shown);
        }
        let resource_lineage = lineage(resource).into_iter().chain(shown).collect();
        Self { principal, resource, principal_lineage, resource_lineage }
    }
}

/// The principal's and the resource's entities: the bundle's if it has them, else ones without attributes.
fn own_entities(
    query: &Query,
    types: &Types,
    hierarchy: &Hierarchy,
    sides: &Sides,
) -> Result<Vec<Entity>, String> {
    let parents = query.parents.iter().map(|parent| parent_uid(&query.resource, parent, types));
    let parents = parents.collect::<Result<Vec<_>, _>>()?;
    let stored = |number: Option<NodeNo>| number.and_then(|number| hierarchy.entity(number));
    let mut own = vec![match stored(sides.resource) {
        Some(entity) if parents.is_empty() => entity.clone(),
        Some(entity) => with_parents(entity, &parents)?,
        None => bare(&query.resource, parents, types)?,
    }];
    if query.principal != query.resource {
        own.push(match stored(sides.principal) {
            Some(entity) => entity.clone(),
            None => bare(&query.principal, Vec::new(), types)?,
        });
    }
    Ok(own)
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

fn parent_uid(child: &EntityName, parent: &EntityName, types: &Types) -> Result<EntityUid, String> {
    let uid = types.uid(parent).filter(|_| types.may_lie_in(&child.ty, &parent.ty));
    uid.ok_or_else(|| format!("by the schema, `{child}` cannot lie in `{parent}`"))
}

fn bare(name: &EntityName, parents: Vec<EntityUid>, types: &Types) -> Result<Entity, String> {
    if let Some(reason) = types.why_not_bare(name) {
        return Err(reason);
    }
    let uid = types.uid(name).ok_or_else(|| unknown_type(name))?;
    Ok(Entity::new_no_attrs(uid, parents.into_iter().collect()))
}

fn unknown_type(name: &EntityName) -> String {
    format!("the schema does not declare the type of `{name}`")
}

/// Writes values in Cedar's terms, and notes the entities that they name.
struct Scribe<'a> {
    types: &'a Types,
    hierarchy: &'a Hierarchy,
    roots: &'a mut BTreeSet<NodeNo>,
}

impl Scribe<'_> {
    fn write(&mut self, value: &Value) -> Result<RestrictedExpression, String> {
        Ok(match value {
            Value::Bool(value) => RestrictedExpression::new_bool(*value),
            Value::Long(value) => RestrictedExpression::new_long(*value),
            Value::String(value) => RestrictedExpression::new_string(value.clone()),
            Value::Decimal(text) => RestrictedExpression::new_decimal(text),
            Value::Ip(text) => RestrictedExpression::new_ip(text),
            Value::Datetime(millis) => RestrictedExpression::new_datetime(datetime(*millis)?),
            Value::Entity(name) => {
                self.roots.extend(self.hierarchy.number(name));
                RestrictedExpression::new_entity_uid(self.types.uid(name).ok_or_else(|| unknown_type(name))?)
            }
            Value::Set(members) => {
                let members = members.iter().map(|member| self.write(member));
                RestrictedExpression::new_set(members.collect::<Result<Vec<_>, _>>()?)
            }
            Value::Record(members) => {
                let members = members.iter().map(|(key, member)| Ok((key.clone(), self.write(member)?)));
                let members = members.collect::<Result<Vec<_>, String>>()?;
                RestrictedExpression::new_record(members).map_err(|error| error.to_string())?
            }
        })
    }
}

/// The only form that Cedar's `datetime` reads with milliseconds: `2026-01-31T09:30:00.000Z`.
fn datetime(millis: i64) -> Result<String, String> {
    let time = Timestamp::from_millisecond(millis).map_err(|error| error.to_string())?;
    let time = time.to_zoned(TimeZone::UTC);
    if !(0..=9999).contains(&time.year()) {
        return Err(format!("the time {millis} ms is not between the years 0 and 9999"));
    }
    let (date, clock) = (time.date(), time.time());
    Ok(format!(
        "{date}T{:02}:{:02}:{:02}.{:03}Z",
        clock.hour(),
        clock.minute(),
        clock.second(),
        clock.millisecond()
    ))
}
