//! From JSON Schema to types of facts, as far as there is one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::import::document::resolve;
use crate::import::model::{Content, Member};
use crate::import::names;

/// The deepest records.
const DEEPEST: usize = 4;
/// The longest string that core reads, bytes; a schema counts characters.
const LONGEST: u64 = 8 * 1024;

/// Why a schema that only narrows another has no shape.
const NO_TYPE: &str = "its schema names no type";

/// What a value can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    /// Whether it may be null, which counts as missing.
    pub(super) nullable: bool,
    pub(super) kind: Kind,
}

/// The kinds that facts have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A Cedar type that one text can be.
    Scalar(&'static str),
    /// A UUID, which is a `String`.
    Uuid,
    /// A list of scalars.
    Set(&'static str),
    /// An object with these properties.
    Object(Object),
}

/// An object's properties.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) properties: BTreeMap<String, Value>,
    pub(super) required: BTreeSet<String>,
}

impl Kind {
    /// The Cedar type, if it is no record.
    pub(super) fn cedar(&self) -> Option<String> {
        match self {
            Self::Scalar(ty) => Some((*ty).to_owned()),
            Self::Uuid => Some("String".to_owned()),
            Self::Set(member) => Some(format!("Set<{member}>")),
            Self::Object(_) => None,
        }
    }
}

/// The shape that a schema describes.
///
/// # Errors
/// Why there is none.
pub(super) fn shape(root: &Value, schema: &Value) -> Result<Shape, &'static str> {
    shape_at(root, schema, 0)
}

fn shape_at(root: &Value, schema: &Value, depth: usize) -> Result<Shape, &'static str> {
    if depth > 16 {
        return Err("its schema goes round in circles");
    }
    let schema = resolve(root, schema).ok_or("its `$ref` leads out of the document")?;
    if let Some(all) = schema.get("allOf").and_then(Value::as_array) {
        return all_of(root, schema, all, depth);
    }
    for word in ["oneOf", "anyOf"] {
        if let Some(some) = schema.get(word).and_then(Value::as_array) {
            return one_of(root, some, depth);
        }
    }
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(ty)) => vec![ty],
        Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect(),
        _ => guessed(schema),
    };
    let nullable =
        types.contains(&"null") || schema.get("nullable").and_then(Value::as_bool).unwrap_or(false);
    let mut types = types.into_iter().filter(|ty| *ty != "null");
    let (ty, more) = (types.next().ok_or(NO_TYPE)?, types.next());
    if more.is_some() {
        return Err("it may be of several types");
    }
    Ok(Shape { nullable, kind: kind(root, schema, ty, depth)? })
}

/// The type of a schema that does not say it.
fn guessed(schema: &Value) -> Vec<&'static str> {
    let values = schema.get("enum").and_then(Value::as_array);
    let texts = values.is_some_and(|values| !values.is_empty() && values.iter().all(Value::is_string));
    match () {
        () if schema.get("properties").is_some() => vec!["object"],
        () if texts || schema.get("const").is_some_and(Value::is_string) => vec!["string"],
        () => Vec::new(),
    }
}

fn kind(root: &Value, schema: &Value, ty: &str, depth: usize) -> Result<Kind, &'static str> {
    match ty {
        "string" => string(schema),
        "integer" => Ok(Kind::Scalar("Long")),
        "boolean" => Ok(Kind::Scalar("Bool")),
        "number" => {
            Err("it is a number with a fraction: take it as a `decimal` by hand if 4 digits are enough")
        }
        "array" => {
            let items = schema.get("items").ok_or("it is a list of anything")?;
            match shape_at(root, items, depth + 1)? {
                Shape { nullable: false, kind: Kind::Scalar(ty) } => Ok(Kind::Set(ty)),
                Shape { nullable: false, kind: Kind::Uuid } => Ok(Kind::Set("String")),
                _ => Err("it is a list of something else than texts and numbers"),
            }
        }
        "object" => Ok(Kind::Object(object(schema))),
        _ => Err("its type is none of JSON Schema"),
    }
}

fn string(schema: &Value) -> Result<Kind, &'static str> {
    let longest = schema.get("maxLength").and_then(Value::as_u64);
    if longest.is_some_and(|longest| longest > LONGEST) || schema.get("contentEncoding").is_some() {
        return Err("it may be longer than 8 KB");
    }
    match schema.get("format").and_then(Value::as_str) {
        Some("binary" | "byte") => Err("it holds bytes"),
        Some("date-time") => Ok(Kind::Scalar("datetime")),
        Some("ipv4" | "ipv6") => Ok(Kind::Scalar("ipaddr")),
        Some("uuid") => Ok(Kind::Uuid),
        _ => Ok(Kind::Scalar("String")),
    }
}

/// Properties that only the server sets are left out.
fn object(schema: &Value) -> Object {
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let sent = properties.filter(|(_, schema)| schema.get("readOnly") != Some(&Value::Bool(true)));
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    Object {
        properties: sent.map(|(name, schema)| (name.clone(), schema.clone())).collect(),
        required: required.filter_map(Value::as_str).map(str::to_owned).collect(),
    }
}

/// An object of all properties, or the one part that is something else.
fn all_of(root: &Value, schema: &Value, all: &[Value], depth: usize) -> Result<Shape, &'static str> {
    let mut whole = object(schema);
    let mut nullable = schema.get("nullable").and_then(Value::as_bool).unwrap_or(false);
    let mut scalar = None;
    for part in all {
        match shape_at(root, part, depth + 1) {
            Ok(Shape { kind: Kind::Object(object), nullable: null }) => {
                whole.properties.extend(object.properties);
                whole.required.extend(object.required);
                nullable |= null;
            }
            Ok(shape) if all.len() == 1 => scalar = Some(shape),
            Ok(_) => return Err("it is composed of several types"),
            // A part that only narrows, such as a description or a list of what is required.
            Err(NO_TYPE) => whole.required.extend(object(part).required),
            Err(why) => return Err(why),
        }
    }
    match scalar {
        Some(shape) => Ok(Shape { nullable: nullable || shape.nullable, ..shape }),
        None if whole.properties.is_empty() => Err(NO_TYPE),
        None => Ok(Shape { nullable, kind: Kind::Object(whole) }),
    }
}

/// The one alternative that is not null.
fn one_of(root: &Value, some: &[Value], depth: usize) -> Result<Shape, &'static str> {
    let null = |schema: &&Value| schema.get("type").and_then(Value::as_str) == Some("null");
    let mut rest = some.iter().filter(|schema| !null(schema));
    match (rest.next(), rest.next()) {
        (Some(one), None) => {
            let shape = shape_at(root, one, depth + 1)?;
            Ok(Shape { nullable: shape.nullable || some.len() > 1, ..shape })
        }
        _ => Err("it may be of several types"),
    }
}

/// Where the members of an object come from.
pub(super) struct Members<'a> {
    pub(super) root: &'a Value,
    /// The kind of fact: `body`, `arg`, or `form`, whose members are plain.
    pub(super) kind: &'static str,
    /// Says what is left out: where, and why.
    pub(super) tell: &'a mut dyn FnMut(&str, &str),
}

impl Members<'_> {
    /// The members of an object at `pointer` whose values can be facts; `optional`: whether the object is.
    pub(super) fn of(&mut self, object: &Object, pointer: &str, optional: bool, depth: usize) -> Vec<Member> {
        let mut members: Vec<Member> = Vec::new();
        for (property, schema) in &object.properties {
            let here = format!("{pointer}/{}", property.replace('~', "~0").replace('/', "~1"));
            let shape = match shape(self.root, schema) {
                Ok(shape) => shape,
                Err(why) => {
                    (self.tell)(&here, why);
                    continue;
                }
            };
            let optional = optional || shape.nullable || !object.required.contains(property);
            let content = match shape.kind {
                Kind::Object(_) if self.kind == "form" || depth == DEEPEST => {
                    (self.tell)(&here, "it is an object, too deep or in a form");
                    continue;
                }
                Kind::Object(object) => {
                    // An object that is not there has no members either.
                    let inner = self.of(&object, &here, false, depth + 1);
                    if inner.is_empty() {
                        (self.tell)(&here, "it is an object without known members");
                        continue;
                    }
                    Content::Record { from: None, members: inner }
                }
                kind => {
                    let place = if self.kind == "form" { property } else { &here };
                    let from = format!("{}:{place}", self.kind);
                    Content::Fact(from, kind.cedar().unwrap_or_default())
                }
            };
            // The common facts are those of the context; a record's members are its own.
            let name = names::member(property);
            if members.iter().any(|member| member.name == name) {
                (self.tell)(&here, "another property has the same name here");
                continue;
            }
            members.push(Member { name, optional, content });
        }
        members
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schemas_of_both_versions_come_to_shapes() {
        let root = json!({"components": {"schemas": {
            "Id": {"type": "string", "format": "uuid"}, "Loop": {"allOf": [{"$ref": "#/components/schemas/Loop"}]},
        }}});
        let scalar = |nullable, ty| Ok(Shape { nullable, kind: Kind::Scalar(ty) });
        let several = Err("it may be of several types");
        for (schema, expected) in [
            (json!({"type": "integer", "nullable": true}), scalar(true, "Long")),
            (json!({"type": ["boolean", "null"]}), scalar(true, "Bool")),
            (json!({"type": ["string", "integer"]}), several.clone()),
            (json!({"enum": ["a", "b"]}), scalar(false, "String")),
            (
                json!({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}),
                scalar(true, "datetime"),
            ),
            (json!({"oneOf": [{"type": "string"}, {"type": "integer"}]}), several),
            (json!({"$ref": "#/components/schemas/Id"}), Ok(Shape { nullable: false, kind: Kind::Uuid })),
            (
                json!({"allOf": [{"$ref": "#/components/schemas/Id"}], "nullable": true}),
                Ok(Shape { nullable: true, kind: Kind::Uuid }),
            ),
            (
                json!({"type": "array", "items": {"type": "integer"}}),
                Ok(Shape { nullable: false, kind: Kind::Set("Long") }),
            ),
            (json!({"type": "string", "maxLength": 100_000}), Err("it may be longer than 8 KB")),
            (json!({"$ref": "other.yaml#/X"}), Err("its `$ref` leads out of the document")),
        ] {
            assert_eq!(shape(&root, &schema), expected, "{schema}");
        }
        assert!(shape(&root, &json!({"$ref": "#/components/schemas/Loop"})).is_err());
    }
}
