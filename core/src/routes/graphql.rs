//! Routes with `graphql:`: each root field of a document is an action on a resource.

pub(super) mod build;

use std::collections::BTreeMap;

use super::body::Body;
use super::facts::{Fact, Inputs};
use super::fields::{self, Field};
use super::json::{Json, Pointer};
use super::template::Template;
use super::{Mapped, Parts};
use crate::denial::{Denial, Reason};
use crate::entity::EntityName;
use crate::graphql::{self, Operation, RootField};
use crate::reading::Reading;

/// Where a fact finds the arguments of a field.
const ARGUMENTS: &str = "arguments";
/// Where it finds the field's name.
const NAME: &str = "field";

/// An endpoint: what is known of its root fields.
#[derive(Debug)]
pub(crate) struct GraphqlRoute {
    named: BTreeMap<(Operation, String), Root>,
    /// All other fields of an operation, but those of introspection.
    rest: BTreeMap<Operation, Root>,
}

/// What a root field is in the terms of policy.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) action: EntityName,
    pub(super) resource: Template,
    pub(super) parents: Vec<Template>,
    pub(super) context: Vec<Field>,
}

/// A fact of a root field: `arg:/id`, or `field` for its name.
fn fact(written: &str) -> Option<Result<Fact, String>> {
    if written == NAME {
        return Some(Ok(Fact::in_body(Pointer::default().below(&[NAME]), written)));
    }
    let rest = written.strip_prefix("arg:")?;
    let fact = Pointer::parse(rest).map(|pointer| Fact::in_body(pointer.below(&[ARGUMENTS]), written));
    Some(fact.ok_or_else(|| format!("`{written}`: after `arg:` comes a JSON pointer like `/id` (RFC 6901)")))
}

impl GraphqlRoute {
    fn roots(&self) -> impl Iterator<Item = &Root> {
        self.named.values().chain(self.rest.values())
    }

    /// Action and resource of one of them.
    pub(super) fn any(&self) -> Option<(EntityName, Template)> {
        self.roots().next().map(|root| (root.action.clone(), root.resource.clone()))
    }

    /// Every action that a root field can be.
    pub(super) fn all_actions(&self) -> impl Iterator<Item = EntityName> {
        self.roots().map(|root| root.action.clone())
    }

    /// The facts that its fields take.
    pub(super) fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.roots().flat_map(Root::facts)
    }

    /// What each root field is, in their order.
    pub(super) fn map(
        &self,
        reading: &Reading,
        captured: &[String],
        body: Option<&[u8]>,
    ) -> Result<Parts, Denial> {
        let body = body.ok_or_else(|| Denial::new(Reason::BadFact, "the body was not delivered"))?;
        let mut all = graphql::read(reading, body)?.into_iter();
        let first = all.next().ok_or_else(|| Denial::new(Reason::BadMessage, "there is no root field"))?;
        let map = |field| self.map_one(reading, captured, field);
        Ok(Parts { first: map(first)?, more: all.map(map).collect::<Result<_, _>>()? })
    }

    fn map_one(&self, reading: &Reading, captured: &[String], field: RootField) -> Result<Mapped, Denial> {
        let shown: String = field.to_string().chars().take(80).collect();
        // Names with two underscores belong to introspection (section 4): whoever allows all fields need not mean it.
        let rest = || self.rest.get(&field.operation).filter(|_| !field.name.starts_with("__"));
        let root = self.named.get(&(field.operation, field.name.clone())).or_else(rest);
        let root =
            root.ok_or_else(|| Denial::new(Reason::NoRoute, format!("no route for the field `{shown}`")))?;
        let members = [(NAME, Json::Text(field.name)), (ARGUMENTS, Json::Object(field.arguments))];
        let body = Json::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        root.map(&Inputs { reading, captured, body: Some(Body::Json(body)) })
            .map_err(|denial| denial.within(&format!("`{shown}`")))
    }
}

impl Root {
    fn facts(&self) -> impl Iterator<Item = &Fact> {
        let templates = std::iter::once(&self.resource).chain(&self.parents);
        templates.flat_map(Template::facts).chain(fields::facts(&self.context))
    }

    fn map(&self, inputs: &Inputs<'_>) -> Result<Mapped, Denial> {
        Ok(Mapped {
            action: self.action.clone(),
            resource: self.resource.fill(inputs)?,
            parents: self.parents.iter().map(|parent| parent.fill(inputs)).collect::<Result<_, _>>()?,
            context: fields::values(&self.context, inputs)?,
        })
    }
}
