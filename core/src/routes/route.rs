//! One route: how it turns a request that it matches into action, resource and context.

use super::Mapped;
use super::body::{Body, Format};
use super::facts::{Fact, Inputs};
use super::fields::{self, Field};
use super::graphql::GraphqlRoute;
use super::mcp::McpRoute;
use super::messages::Descriptor;
use super::pattern::Param;
use super::template::Template;
use crate::denial::{Denial, Reason};
use crate::entity::EntityName;
use crate::reading::Reading;

/// One route, ready to use.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) line: usize,
    /// For evidence and messages: file and line.
    pub(super) name: String,
    pub(super) action: EntityName,
    pub(super) resource: Template,
    pub(super) parents: Vec<Template>,
    /// The parameters of its path, in order.
    pub(super) params: Vec<Param>,
    /// Places of the path parameters whose ASCII case does not matter.
    pub(super) fold: Vec<usize>,
    pub(super) context: Vec<Field>,
    /// How it reads the body, if it does.
    pub(super) body: Option<Format>,
    /// What a gRPC message that it reads is made of.
    pub(super) message: Option<Descriptor>,
    pub(super) volatile: Vec<String>,
    pub(super) redacted: Vec<String>,
    /// Where messages are posted: what they are. What else comes to the endpoint is as the rest of the route says.
    pub(super) mcp: Option<Box<McpRoute>>,
    /// Where documents are sent: what their root fields are. Action and resource are those of one of them.
    pub(super) graphql: Option<Box<GraphqlRoute>>,
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

    /// The captured parameters, each in the one spelling of its type.
    pub(super) fn typed(&self, captured: &[String]) -> Result<Vec<String>, Denial> {
        self.params.iter().zip(captured).map(|(param, value)| param.read(value.clone())).collect()
    }

    /// Every action that a request which it takes can be.
    pub(super) fn all_actions(&self) -> Vec<EntityName> {
        match (&self.mcp, &self.graphql) {
            (Some(mcp), _) => mcp.all_actions().collect(),
            (None, Some(graphql)) => graphql.all_actions().collect(),
            (None, None) => vec![self.action.clone()],
        }
    }

    /// Every fact that it takes.
    pub(super) fn facts(&self) -> impl Iterator<Item = &Fact> {
        let messages = self.mcp.iter().flat_map(|mcp| mcp.facts());
        self.own_facts().chain(messages).chain(self.graphql.iter().flat_map(|graphql| graphql.facts()))
    }

    /// Every fact that it takes without a message.
    pub(super) fn own_facts(&self) -> impl Iterator<Item = &Fact> {
        let templates = std::iter::once(&self.resource).chain(&self.parents);
        templates.flat_map(Template::facts).chain(fields::facts(&self.context))
    }

    /// Resource and context of a request that it matches.
    pub(super) fn map(
        &self,
        reading: &Reading,
        captured: &[String],
        body: Option<&[u8]>,
    ) -> Result<Mapped, Denial> {
        let body = self.read_body(reading, body)?;
        let inputs = Inputs { reading, captured, body };
        Ok(Mapped {
            action: self.action.clone(),
            context: match &self.mcp {
                Some(_) => McpRoute::facts_of_endpoint(reading)?,
                None => fields::values(&self.context, &inputs)?,
            },
            resource: self.resource.fill(&inputs)?,
            parents: self.parents.iter().map(|parent| parent.fill(&inputs)).collect::<Result<_, _>>()?,
        })
    }

    /// The body, where it is read; an empty one holds no facts.
    fn read_body(&self, reading: &Reading, body: Option<&[u8]>) -> Result<Option<Body>, Denial> {
        let Some(format) = self.body else { return Ok(None) };
        let body = body.ok_or_else(|| Denial::new(Reason::BadFact, "the body was not delivered"))?;
        if body.is_empty() { Ok(None) } else { format.read(body, reading, self.message.as_ref()).map(Some) }
    }
}
