//! Members of the context that a route makes: facts with their types, and records of them.

use std::collections::BTreeMap;

use super::facts::{Fact, Inputs, Raw};
use super::types::Type;
use crate::denial::Denial;
use crate::types::Attribute;
use crate::value::Value;

/// One member of the context, or of a record in it.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) content: Content,
    pub(super) optional: bool,
}

/// What a member holds.
#[derive(Debug)]
pub(super) enum Content {
    Fact(Fact, Type),
    /// Its members, and the message with which it is there.
    Record(Vec<Field>, Option<Fact>),
}

/// What the fields find in a request.
///
/// # Errors
/// A fact that cannot be used, or a required one that is missing.
pub(super) fn values(fields: &[Field], inputs: &Inputs<'_>) -> Result<BTreeMap<String, Value>, Denial> {
    let mut values = BTreeMap::new();
    for field in fields {
        if let Some(value) = field.value(inputs)? {
            values.insert(field.name.clone(), value);
        }
    }
    Ok(values)
}

/// The types of the fields, by name.
pub(super) fn attributes(fields: &[Field]) -> BTreeMap<String, Attribute> {
    let attribute = |field: &Field| {
        let attribute = Attribute { required: !field.optional, ty: field.content.ty() };
        (field.name.clone(), attribute)
    };
    fields.iter().map(attribute).collect()
}

/// Every fact that the fields take, records included.
pub(super) fn facts(fields: &[Field]) -> Vec<&Fact> {
    let own = fields.iter().flat_map(|field| match &field.content {
        Content::Fact(fact, _) => vec![fact],
        Content::Record(fields, there) => facts(fields).into_iter().chain(there).collect(),
    });
    own.collect()
}

impl Field {
    fn value(&self, inputs: &Inputs<'_>) -> Result<Option<Value>, Denial> {
        match &self.content {
            Content::Fact(fact, ty) => match fact.value(inputs, ty)? {
                None if !self.optional => Err(fact.bad("is missing")),
                value => Ok(value),
            },
            // An optional record of which nothing is there is not there.
            Content::Record(fields, there) if self.optional && !is_there(fields, there.as_ref(), inputs)? => {
                Ok(None)
            }
            Content::Record(fields, _) => Ok(Some(Value::Record(values(fields, inputs)?))),
        }
    }
}

fn is_there(fields: &[Field], there: Option<&Fact>, inputs: &Inputs<'_>) -> Result<bool, Denial> {
    if let Some(message) = there {
        return Ok(message.value(inputs, &Type::Bool)? == Some(Value::Bool(true)));
    }
    for fact in facts(fields) {
        // A list of a message is there in any case, without a member.
        let empty = |raw: &Raw<'_>| matches!(raw, Raw::Texts(texts) if texts.is_empty());
        if fact.raw(inputs, true)?.is_some_and(|raw| !empty(&raw)) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Content {
    pub(super) fn ty(&self) -> Type {
        match self {
            Self::Fact(_, ty) => ty.clone(),
            Self::Record(fields, _) => Type::Record(attributes(fields)),
        }
    }
}
