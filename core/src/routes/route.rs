//! One route: how it turns a request that it matches into action, resource and context.

use std::collections::BTreeMap;

use super::Mapped;
use super::facts::{Fact, Inputs};
use super::json::{self, Json};
use super::mcp::McpRoute;
use super::pattern::Conditions;
use super::template::Template;
use super::types::Type;
use crate::denial::{Denial, Reason};
use crate::entity::EntityName;
use crate::reading::Reading;

/// One route, ready to use.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) line: usize,
    /// For evidence and messages: file and line.
    pub(super) name: String,
    pub(super) conditions: Conditions,
    pub(super) action: EntityName,
    pub(super) resource: Template,
    pub(super) parents: Vec<Template>,
    /// Places of the path parameters whose ASCII case does not matter.
    pub(super) fold: Vec<usize>,
    pub(super) context: Vec<Field>,
    pub(super) volatile: Vec<String>,
    pub(super) redacted: Vec<String>,
    /// Where messages are posted: what they are. What else comes to the endpoint is as the rest of the route says.
    pub(super) mcp: Option<Box<McpRoute>>,
}

/// One member of the context that a route makes.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) fact: Fact,
    pub(super) ty: Type,
    pub(super) optional: bool,
}

impl Route {
    /// The captured parameters, in lower case where case does not matter.
    pub(super) fn folded(&self, mut captured: Vec<String>) -> Vec<String> {
        for &place in &self.fold {
            if let Some(value) = captured.get_mut(place) {
                value.make_ascii_lowercase();
            }
        }
        captured
    }

    /// The headers that it reads, to match or to take facts from.
    pub(super) fn headers(&self) -> impl Iterator<Item = &str> {
        let taken = self.facts().filter_map(Fact::header);
        taken.chain(self.conditions.headers.iter().map(|(name, _)| name.as_str()))
    }

    /// Every fact that it takes.
    pub(super) fn facts(&self) -> impl Iterator<Item = &Fact> {
        let templates = std::iter::once(&self.resource).chain(&self.parents);
        let own = templates.flat_map(Template::facts).chain(self.context.iter().map(|field| &field.fact));
        own.chain(self.mcp.iter().flat_map(|mcp| mcp.facts()))
    }

    /// Resource and context of a request that it matches.
    pub(super) fn map(
        &self,
        reading: &Reading,
        captured: &[String],
        body: Option<&[u8]>,
    ) -> Result<Mapped, Denial> {
        let reads = self.mcp.is_none() && self.facts().any(Fact::reads_body);
        let body = if reads { self.read_body(reading, body)? } else { None };
        let inputs = Inputs { reading, captured, body };
        let mut context = match &self.mcp {
            Some(_) => McpRoute::facts_of_endpoint(reading)?,
            None => BTreeMap::new(),
        };
        for field in &self.context {
            match field.fact.value(&inputs, &field.ty)? {
                Some(value) => {
                    context.insert(field.name.clone(), value);
                }
                None if field.optional => {}
                None => return Err(field.fact.bad("is missing")),
            }
        }
        Ok(Mapped {
            action: self.action.clone(),
            resource: self.resource.fill(&inputs)?,
            parents: self.parents.iter().map(|parent| parent.fill(&inputs)).collect::<Result<_, _>>()?,
            context,
        })
    }

    /// The body as JSON; an empty one holds no facts.
    fn read_body(&self, reading: &Reading, body: Option<&[u8]>) -> Result<Option<Json>, Denial> {
        let body = body.ok_or_else(|| Denial::new(Reason::BadFact, "the body was not delivered"))?;
        if body.is_empty() {
            return Ok(None);
        }
        json::check_media_type(reading)?;
        Json::parse(body, reading.relaxed()).map(Some)
    }
}
