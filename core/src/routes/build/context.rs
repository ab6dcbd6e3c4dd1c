//! From `context` to its fields, held against what the schema declares.

use std::collections::BTreeMap;

use super::Errors;
use crate::entity::EntityName;
use crate::routes::SchemaView;
use crate::routes::facts::{Fact, Other};
use crate::routes::fields::{Content, Field, attributes};
use crate::routes::file::FieldEntry;
use crate::routes::pattern::Params;
use crate::routes::types::Type;
use crate::types::Attribute;
use crate::yaml::Located;

/// Entries by name.
type Entries = BTreeMap<String, Located<FieldEntry>>;

/// The fields that can be read; what is wrong with the others is in `errors`.
pub(in crate::routes) fn fields(
    entries: &Entries,
    params: &Params,
    other: Other<'_>,
    errors: &mut Errors<'_>,
) -> Vec<Field> {
    let field = |(name, Located { value: entry, line }): (&String, &Located<FieldEntry>)| {
        let content = content(name, entry, *line, (params, other), errors)?;
        Some(Field { name: name.clone(), content, optional: entry.optional })
    };
    entries.iter().filter_map(field).collect()
}

fn content(
    name: &str,
    entry: &FieldEntry,
    line: usize,
    (params, other): (&Params, Other<'_>),
    errors: &mut Errors<'_>,
) -> Option<Content> {
    match (&entry.from, &entry.r#type, &entry.fields) {
        (Some(from), Some(ty), None) => {
            let fact = other(from).unwrap_or_else(|| Fact::parse(from, params));
            let (fact, ty) = (errors.keep(line, fact), Type::parse(ty));
            let single = !matches!(ty, Type::Set(_)) || !from.starts_with("path");
            errors.require(line, single, || format!("`{name}`: a path parameter is no `{ty}`"));
            let fact = fact?;
            errors.require(line, fact.fits(&ty), || {
                format!("`{name}`: by its descriptor, `{from}` is no `{ty}`")
            });
            Some(Content::Fact(fact, ty))
        }
        (from, None, Some(entries)) => {
            let there = from.as_ref().map(|from| other(from).unwrap_or_else(|| Fact::parse(from, params)));
            let there = there.and_then(|fact| errors.keep(line, fact));
            let named = there.as_ref().is_none_or(Fact::is_presence);
            errors.require(line, named, || {
                format!("`{name}`: beside `fields`, `from` names a message, `message:x`, whose presence is the record's")
            });
            Some(Content::Record(fields(entries, params, other, errors), there))
        }
        _ => {
            errors.require(line, false, || {
                format!("`{name}` needs `from` and `type`, or, to be a record, `fields`")
            });
            None
        }
    }
}

/// The context that a route makes, with what comes by itself, is the context that the action's schema declares. `comes`
/// tells the type of what comes by itself.
pub(in crate::routes) fn check(
    action: &EntityName,
    (entries, fields): (&Entries, &[Field]),
    comes: &dyn Fn(&str) -> Option<Type>,
    line: usize,
    schema: &dyn SchemaView,
    errors: &mut Errors<'_>,
) {
    let declared = schema.context_attributes(action).unwrap_or_default();
    let own = attributes(fields);
    for (name, Located { value: entry, line }) in entries {
        let shadows = comes(name).is_some();
        errors
            .require(*line, !shadows, || format!("`{name}` is a fact of every request: choose another name"));
        let Some(wanted) = declared.get(name) else {
            errors.require(*line, false, || format!("the schema's context of `{action}` has no `{name}`"));
            continue;
        };
        errors.require(*line, !(entry.optional && wanted.required), || {
            format!("`{name}` is optional here and required by the schema")
        });
        let before = errors.0.len();
        if let Some(field) = fields.iter().find(|field| field.name == *name) {
            check_known(name, &field.content, *line, schema, errors);
        }
        if let (Some(own), true, false) = (own.get(name), before == errors.0.len(), shadows) {
            errors.require(*line, own.ty.fits(&wanted.ty), || {
                format!(
                    "`{name}` is `{}` here and `{}` in the schema's context of `{action}`",
                    own.ty, wanted.ty
                )
            });
        }
    }
    check_missing(action, (entries, &declared), comes, line, errors);
}

fn check_missing(
    action: &EntityName,
    (entries, declared): (&Entries, &BTreeMap<String, Attribute>),
    comes: &dyn Fn(&str) -> Option<Type>,
    line: usize,
    errors: &mut Errors<'_>,
) {
    for (name, wanted) in declared {
        match comes(name) {
            Some(ty) => errors.require(line, ty.fits(&wanted.ty), || {
                format!(
                    "`{name}` is `{ty}` for every request, and `{}` in the schema's context of `{action}`",
                    wanted.ty
                )
            }),
            None => errors.require(line, !wanted.required || entries.contains_key(name), || {
                format!("`{action}` requires `{name}` in its context: say where it comes from")
            }),
        }
    }
}

/// Every type that is no built-in one is an entity type of the schema.
fn check_known(name: &str, content: &Content, line: usize, schema: &dyn SchemaView, errors: &mut Errors<'_>) {
    match content {
        Content::Record(fields, _) => {
            for field in fields {
                check_known(&format!("{name}.{}", field.name), &field.content, line, schema, errors);
            }
        }
        Content::Fact(_, ty) => {
            let entity = match ty {
                Type::Set(member) => member,
                ty => ty,
            };
            let Type::Entity(entity) = entity else { return };
            errors.require(line, schema.has_entity_type(entity), || {
                format!(
                    "`{name}`: `{entity}` is no entity type of the schema and none of `String`, `Long`, `Bool`, \
                     `decimal`, `datetime`, `ipaddr`, or `Set<…>` of one of them"
                )
            });
        }
    }
}
