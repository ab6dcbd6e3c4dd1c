//! Values in a document, as the JSON that they stand for: literals, and variables with what a request gives them.

use std::collections::BTreeMap;

use apollo_parser::cst::{self, CstNode as _, Value};

use super::bad;
use super::budget::Budget;
use super::document::shown;
use crate::denial::Denial;
use crate::routes::json::Json;

/// The variables that an operation declares.
pub(super) struct Variables<'a> {
    /// What each is if the request does not say; nothing when it is left out then.
    defaults: BTreeMap<String, Option<Json>>,
    given: &'a BTreeMap<String, Json>,
    pub(super) budget: &'a Budget,
}

impl<'a> Variables<'a> {
    pub(super) fn of(
        operation: &cst::OperationDefinition,
        given: &'a BTreeMap<String, Json>,
        budget: &'a Budget,
    ) -> Result<Self, Denial> {
        let mut variables = Self { defaults: BTreeMap::new(), given, budget };
        let declared = operation.variable_definitions();
        for definition in declared.into_iter().flat_map(|list| list.variable_definitions()) {
            let name = definition.variable().and_then(|variable| variable.name());
            let name = name.ok_or_else(|| bad("a variable without name"))?.text().to_string();
            let default = match definition.default_value().and_then(|default| default.value()) {
                // A constant: no variable is known in it.
                Some(constant) => value(&constant, &Self { defaults: BTreeMap::new(), given, budget })?,
                None => None,
            };
            if variables.defaults.insert(name, default).is_some() {
                return Err(bad("a variable is declared twice"));
            }
        }
        Ok(variables)
    }

    fn get(&self, name: &str) -> Result<Option<Json>, Denial> {
        let undeclared = || bad(format!("`${}` is not declared", shown(name)));
        let default = self.defaults.get(name).ok_or_else(undeclared)?;
        let value = self.given.get(name).or(default.as_ref());
        value.map_or(Ok(()), |value| self.budget.copy(value))?;
        Ok(value.cloned())
    }
}

/// The value; nothing for a variable that is left out. Brackets were counted before.
pub(super) fn value(value: &Value, variables: &Variables<'_>) -> Result<Option<Json>, Denial> {
    variables.budget.value()?;
    let text = || value.syntax().text().to_string();
    Ok(Some(match value {
        Value::Variable(variable) => {
            let name = variable.name().ok_or_else(|| bad("a variable without name"))?;
            return variables.get(name.text().as_str());
        }
        Value::StringValue(string) => Json::Text(string.into()),
        // To some servers an `ID` of `-0` is the text, to others the number.
        Value::IntValue(_) if text().trim() == "-0" => Json::Big,
        Value::IntValue(_) => text().trim().parse().map_or(Json::Big, Json::Int),
        Value::FloatValue(_) => text().trim().parse().map_or(Json::Big, Json::Float),
        Value::BooleanValue(boolean) => Json::Bool(boolean.true_token().is_some()),
        Value::NullValue(_) => Json::Null,
        Value::EnumValue(name) => {
            Json::Text(name.name().ok_or_else(|| bad("a value without name"))?.text().to_string())
        }
        Value::ListValue(list) => {
            // What is left out of a list is null (section 6.4.1).
            let members =
                list.values().map(|member| Ok(self::value(&member, variables)?.unwrap_or(Json::Null)));
            Json::List(members.collect::<Result<_, Denial>>()?)
        }
        Value::ObjectValue(object) => Json::Object(members(object, variables)?),
    }))
}

fn members(object: &cst::ObjectValue, variables: &Variables<'_>) -> Result<BTreeMap<String, Json>, Denial> {
    let mut members = BTreeMap::new();
    for field in object.object_fields() {
        let (Some(name), Some(member)) = (field.name(), field.value()) else {
            return Err(bad("a member without name or value"));
        };
        if members.insert(name.text().to_string(), value(&member, variables)?).is_some() {
            return Err(bad("a member of an object twice"));
        }
    }
    Ok(members.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}
