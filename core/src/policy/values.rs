//! Values of a query's context in Cedar's terms.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex};

use cedar_policy::Context;
use cedar_policy_core::ast::{self, RestrictedExpr};
use cedar_policy_core::evaluator::RestrictedEvaluator;
use cedar_policy_core::extensions::Extensions;

use super::hierarchy::{Hierarchy, NodeNo};
use super::request::unknown_type;
use super::schema::Types;
use crate::clock::datetime;
use crate::value::Value;

/// A function of a Cedar extension. Its name goes through Cedar's parser, so that is done once: per value, it
/// took a third of a ruling. What it made last is kept, because reading a time or an address (by regular
/// expressions) costs more than evaluating a policy, and the next request has the same one most often.
struct Function {
    name: LazyLock<Option<ast::Name>>,
    last: Mutex<Option<(String, ast::Value)>>,
}

static DATETIME: Function = Function::new(|| ast::Name::parse_unqualified_name("datetime").ok());
static DECIMAL: Function = Function::new(|| ast::Name::parse_unqualified_name("decimal").ok());
static IP: Function = Function::new(|| ast::Name::parse_unqualified_name("ip").ok());

/// Writes values in Cedar's terms, and notes the entities that they name.
pub(super) struct Scribe<'a> {
    pub(super) types: &'a Types,
    pub(super) hierarchy: &'a Hierarchy,
    pub(super) roots: &'a mut BTreeSet<NodeNo>,
}

impl Scribe<'_> {
    /// Writes a whole context.
    ///
    /// # Errors
    /// An address, number or time that Cedar does not read, or an entity of an undeclared type: in which
    /// attribute, without the value.
    pub(super) fn context(&mut self, members: &BTreeMap<String, Value>) -> Result<Context, String> {
        let members = members.iter().map(|(key, value)| {
            let value = self.write(value).map_err(|why| format!("`{key}` of the context: {why}"))?;
            Ok((key.as_str().into(), value))
        });
        Ok(ast::Context::Value(Arc::new(members.collect::<Result<_, String>>()?)).into())
    }

    /// Writes one value.
    ///
    /// # Errors
    /// As [`Self::context`], as the end of a sentence.
    pub(super) fn write(&mut self, value: &Value) -> Result<ast::Value, String> {
        Ok(match value {
            Value::Bool(value) => (*value).into(),
            Value::Long(value) => (*value).into(),
            Value::String(value) => value.as_str().into(),
            Value::Decimal(text) => DECIMAL.call(text)?,
            Value::Ip(text) => IP.call(text)?,
            Value::Datetime(millis) => {
                DATETIME.call(&datetime(*millis).ok_or("not between the years 0 and 9999")?)?
            }
            Value::Entity(name) => {
                self.roots.extend(self.hierarchy.number(name));
                ast::EntityUID::from(self.types.uid(name).ok_or_else(|| unknown_type(name))?).into()
            }
            Value::Set(members) => {
                let members = members.iter().map(|member| self.write(member));
                ast::Value::set(members.collect::<Result<Vec<_>, _>>()?, None)
            }
            Value::Record(members) => {
                let members = members.iter().map(|(key, member)| Ok((key.as_str(), self.write(member)?)));
                ast::Value::record(members.collect::<Result<Vec<_>, String>>()?, None)
            }
        })
    }
}

impl Function {
    const fn new(name: fn() -> Option<ast::Name>) -> Self {
        Self { name: LazyLock::new(name), last: Mutex::new(None) }
    }

    fn call(&self, text: &str) -> Result<ast::Value, String> {
        // A lock that is held or broken costs a reading, nothing else.
        if let Ok(last) = self.last.try_lock()
            && let Some((_, value)) = last.as_ref().filter(|(read, _)| read == text)
        {
            return Ok(value.clone());
        }
        let value = self.read(text)?;
        if let Ok(mut last) = self.last.try_lock() {
            *last = Some((text.to_owned(), value.clone()));
        }
        Ok(value)
    }

    fn read(&self, text: &str) -> Result<ast::Value, String> {
        let name = self.name.as_ref().ok_or("the policy engine lacks an extension")?;
        let call = RestrictedExpr::call_extension_fn(name.clone(), [RestrictedExpr::val(text)]);
        let evaluator = RestrictedEvaluator::new(Extensions::all_available());
        evaluator
            .interpret(call.as_borrowed())
            .map_err(|_| format!("no `{name}` that the policy engine reads"))
    }
}
