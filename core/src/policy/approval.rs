//! `Countersign::Action::"approve"`: what policies forbid approvers, and which bundles say it so that it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::Policies;
use super::annotation::{Notes, Role};
use super::reader::Read;
use super::ruling::{Fault, Query};
use super::schema::{Action, Types, name};
use crate::entity::EntityName;
use crate::load::LoadError;

/// The action that an approver takes by saying yes.
pub static APPROVE: LazyLock<EntityName> =
    LazyLock::new(|| EntityName::new("Countersign::Action", "approve"));

/// The type of its resource: a gate, named by its `@id`.
pub const GATE_TYPE: &str = "Countersign::Gate";

/// All that its context can have: the request as Cedar prints it, the merged severity, whether the
/// approver breaks the glass, and the common facts.
const CONTEXT: [(&str, &str); 14] = [
    ("action", "String"),
    ("principal", "String"),
    ("resource", "String"),
    ("severity", "String"),
    ("break_glass", "Bool"),
    ("now", "datetime"),
    ("weekday", "String"),
    ("hour", "Long"),
    ("minute", "Long"),
    ("source_ip", "ipaddr"),
    ("host", "String"),
    ("method", "String"),
    ("path", "String"),
    ("justification", "String"),
];

impl Policies {
    /// The absolute forbids that hold for `query`, by `@id`, sorted. No other policy is evaluated.
    ///
    /// # Errors
    /// The query does not fit the schema, or a forbid fails.
    pub fn forbids(&self, query: &Query) -> Result<Vec<String>, Vec<Fault>> {
        let undeclared = || format!("the schema does not declare the action `{}`", query.action);
        let findings = self.types.action(&query.action).ok_or_else(undeclared);
        let findings = findings.and_then(|action| self.find(query, action, &absolute));
        let findings = findings.map_err(|message| vec![Fault::Unfit(message)])?;
        match findings.errors.is_empty() {
            false => Err(findings.errors),
            true => Ok(findings.forbids.iter().map(|policy| policy.info.notes.id.clone()).collect()),
        }
    }
}

fn absolute(notes: &Notes) -> bool {
    notes.role == Role::Forbid && !notes.shadow
}

/// What keeps policies for approvers from meaning what they say.
pub(super) fn check(policies: &[Read<'_>], types: &Types) -> Vec<LoadError> {
    let Some(approve) = types.action(&APPROVE) else { return unknown_actions(types).collect() };
    let gates: BTreeMap<&str, &Read<'_>> = policies
        .iter()
        .filter(|read| matches!(read.notes.role, Role::Gate(_)))
        .map(|read| (read.notes.id.as_str(), read))
        .collect();
    let gated = gates.values().filter(|read| may_apply(read, approve, types)).map(|read| {
        let (id, approve) = (&read.notes.id, &*APPROVE);
        let message =
            format!("gate `{id}` can apply to `{approve}`, but an approval cannot itself need approval");
        LoadError::at(read.file.path, read.line(), message)
    });
    let dangling = policies.iter().flat_map(|read| {
        let entities = read.policy.entity_literals().iter().map(name).collect::<BTreeSet<_>>();
        let unknown = |entity: &EntityName| entity.ty == GATE_TYPE && !gates.contains_key(entity.id.as_str());
        entities.into_iter().filter(unknown).map(|entity| {
            let message =
                format!("policy `{}` names `{}`, which is no gate's `@id`", read.notes.id, entity.id);
            LoadError::at(read.file.path, read.line(), message)
        })
    });
    unknown_actions(types).chain(misdeclared(approve)).chain(gated).chain(dangling).collect()
}

/// Forbids on an action that nobody ever asks about would silently never hold.
fn unknown_actions(types: &Types) -> impl Iterator<Item = LoadError> {
    let unknown = types.actions().filter(|action| action.ty == APPROVE.ty && **action != *APPROVE);
    unknown.map(|action| {
        let message = format!("the schema declares `{action}`, but `{}` alone is ever asked about", *APPROVE);
        LoadError::in_file("bundle", message)
    })
}

fn may_apply(read: &Read<'_>, action: &Action, types: &Types) -> bool {
    read.policy.get_valid_request_envs(&types.schema).any(|env| *env.action() == action.uid)
}

/// What the schema wants that no approval brings.
fn misdeclared(approve: &Action) -> Vec<LoadError> {
    let error = |message| LoadError::in_file("bundle", format!("the schema's `{}` {message}", *APPROVE));
    let resource = (!approve.resources.contains(GATE_TYPE))
        .then(|| error(format!("does not apply to resources of the type `{GATE_TYPE}`")));
    let context = approve.context.iter().filter_map(|(name, attribute)| {
        match CONTEXT.iter().find(|(known, _)| known == name) {
            None => Some(error(format!("has `{name}` in its context, which no approval brings"))),
            Some((_, ty)) if *ty != attribute.ty.to_string() => Some(error(format!(
                "has `{name}` of type `{}` in its context, but it is a `{ty}`",
                attribute.ty
            ))),
            Some(_) => None,
        }
    });
    resource.into_iter().chain(context).collect()
}
