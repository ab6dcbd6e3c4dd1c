//! From the text of `.cedar` files to policies that may be enforced: sizes, nesting, annotations, types.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Effect, Policy, PolicyId, PolicySet, ValidationMode, ValidationWarning, Validator};
use countersign_protocol::Hash;

use super::PolicyLimits;
use super::annotation::{self, Mistake, Notes};
use super::place::{File, message, offset};
use super::schema::Types;
use super::source::{self, Chunk, Refused};
use crate::load::LoadError;

/// A policy that was read, with where it is from.
pub(super) struct Read<'a> {
    pub(super) notes: Notes,
    /// SHA-256 of the text.
    pub(super) hash: Hash,
    pub(super) policy: Policy,
    pub(super) file: File<'a>,
    chunk: Chunk<'a>,
}

impl Read<'_> {
    /// The line that the policy starts at, from 1.
    pub(super) fn line(&self) -> usize {
        self.chunk.line
    }
}

/// Refuses text that must not reach a parser.
pub(super) fn check_text(file: File<'_>, limits: &PolicyLimits) -> Result<(), LoadError> {
    source::check_nesting(file.text, limits.nesting).map_err(|refused| match refused {
        Refused::OpenString(offset) => file.error(offset, "string is never closed"),
        Refused::TooDeep(offset) => {
            file.error(offset, format!("nests deeper than {} levels", limits.nesting))
        }
    })
}

/// Reads all policies of all files, sorted by id; adds what is wrong to `errors`.
pub(super) fn read_all<'a>(
    files: &[File<'a>],
    limits: &PolicyLimits,
    errors: &mut Vec<LoadError>,
) -> Vec<Read<'a>> {
    let mut found: BTreeMap<String, Read<'a>> = BTreeMap::new();
    let mut count = 0;
    for file in files {
        for chunk in source::chunks(file.text) {
            count += 1;
            if count > limits.policies {
                let message = format!("more than {} policies", limits.policies);
                errors.push(file.error(chunk.offset, message));
                return found.into_values().collect();
            }
            match read(*file, chunk, limits) {
                Ok(read) => keep(read, &mut found, errors),
                Err(mistakes) => errors.extend(mistakes),
            }
        }
    }
    found.into_values().collect()
}

fn keep<'a>(read: Read<'a>, found: &mut BTreeMap<String, Read<'a>>, errors: &mut Vec<LoadError>) {
    let id = &read.notes.id;
    match found.get(id) {
        None => drop(found.insert(id.clone(), read)),
        Some(first) => {
            let at = source::annotation(read.chunk.text, "id").unwrap_or_default();
            let (path, line) = (first.file.path, first.line());
            let at = read.chunk.offset + at;
            errors.push(read.file.error(at, format!("`@id` `{id}` is taken by the policy at {path}:{line}")));
        }
    }
}

fn read<'a>(file: File<'a>, chunk: Chunk<'a>, limits: &PolicyLimits) -> Result<Read<'a>, Vec<LoadError>> {
    let Chunk { text, offset, .. } = chunk;
    if text.len() > limits.policy_bytes {
        let message = format!("policy has {} bytes, but at most {} may", text.len(), limits.policy_bytes);
        return Err(vec![file.error(offset, message)]);
    }
    let policy = Policy::parse(None, text).map_err(|errors| parse_errors(file, chunk, &errors))?;
    let is_forbid = policy.effect() == Effect::Forbid;
    let notes = annotation::read(is_forbid, policy.annotations()).map_err(|mistakes| {
        mistakes.iter().map(|mistake| at_key(file, chunk, mistake)).collect::<Vec<_>>()
    })?;
    let policy = without_text(&policy.new_id(PolicyId::new(&notes.id)));
    Ok(Read { hash: Hash::of(text.as_bytes()), notes, policy, file, chunk })
}

/// Cedar keeps each policy's text beside its tree; the tree is all that a ruling needs.
fn without_text(policy: &Policy) -> Policy {
    Policy::from(policy.as_ref().clone())
}

fn parse_errors(file: File<'_>, chunk: Chunk<'_>, errors: &cedar_policy::ParseErrors) -> Vec<LoadError> {
    let error = |error| file.error(chunk.offset + offset(error).unwrap_or_default(), message(error));
    errors.iter().map(|each| error(each)).collect()
}

fn at_key(file: File<'_>, chunk: Chunk<'_>, mistake: &Mistake) -> LoadError {
    let at = mistake.key.as_deref().and_then(|key| source::annotation(chunk.text, key));
    file.error(chunk.offset + at.unwrap_or_default(), &mistake.message)
}

/// Validates strictly. A policy that can never apply is an error too: it is not what its author meant.
pub(super) fn validate(policies: &[Read<'_>], types: &Types) -> Result<(), Vec<LoadError>> {
    let set = PolicySet::from_policies(policies.iter().map(|read| read.policy.clone()))
        .map_err(|error| vec![LoadError::in_file("bundle", error.to_string())])?;
    let result = Validator::new(types.schema.clone()).validate(&set, ValidationMode::Strict);
    let errors = result
        .validation_errors()
        .map(|error| at(policies, error.policy_id(), offset(error).unwrap_or_default(), message(error)));
    let errors: Vec<_> = errors.collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    let dead: BTreeSet<_> = result.validation_warnings().filter_map(never_applies).collect();
    let dead: BTreeMap<_, _> = dead.into_iter().collect();
    let dead: Vec<_> = dead
        .into_iter()
        .map(|(id, why)| at(policies, id, 0, format!("policy `{id}` can never apply: {why}")))
        .collect();
    if dead.is_empty() { Ok(()) } else { Err(dead) }
}

/// An error at an offset of the policy `id`; `policies` are sorted by id.
fn at(policies: &[Read<'_>], id: &PolicyId, offset: usize, message: String) -> LoadError {
    let id: &str = id.as_ref();
    let read = policies.binary_search_by(|read| read.notes.id.as_str().cmp(id)).ok();
    match read.and_then(|index| policies.get(index)) {
        Some(read) => read.file.error(read.chunk.offset + offset, message),
        None => LoadError::in_file("bundle", message),
    }
}

/// The policy that can never apply, and why. Where Cedar warns of scope and condition, the scope is told,
/// because it sorts last.
fn never_applies(warning: &ValidationWarning) -> Option<(&PolicyId, &'static str)> {
    let why = match warning {
        ValidationWarning::ImpossiblePolicy(_) => "it is false for every request that the schema allows",
        ValidationWarning::InvalidActionApplication(_) => "no action fits its scope",
        _ => return None,
    };
    Some((warning.policy_id(), why))
}
