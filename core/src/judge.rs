//! One ruling on one request: reading, identity, route, facts, policy, in this order, at one moment.

use std::ops::Range;

use countersign_protocol::request::CedarRequest;
use countersign_protocol::{Hash, UnixMillis};
use serde_json::{Value as Json, json};

use crate::config::Mode;
use crate::denial::{Denial, Reason};
use crate::dialect::Dialect;
use crate::digest::{DigestInput, digest};
use crate::engine::Engine;
use crate::entity::EntityName;
use crate::facts::RequestFacts;
use crate::identity::Caller;
use crate::journal::Members;
use crate::mcp::Post;
use crate::mcp::listing::Listing;
use crate::policy::{Fault, Query, Ruling, Shadow, Would};
use crate::reading::{Reading, Rule};
use crate::routes::{MCP_FACTS, Mapped, Target, Unfound, common_facts};

/// Most bytes of a context in a record; a longer one is there by its hash.
const LONGEST_CONTEXT: usize = 64 << 10;

/// A request that policy was asked about.
pub(crate) struct Judged<'a> {
    pub(crate) reading: Reading,
    pub(crate) caller: Caller,
    pub(crate) target: Target<'a>,
    /// What it does.
    pub(crate) first: Part,
    /// What it does besides, in its order: nothing mostly.
    pub(crate) more: Vec<Part>,
    /// Over all parts: the strictest holds for all.
    pub(crate) ruling: Ruling,
    pub(crate) dialect: Dialect,
    /// The bytes of the body that may differ when the request is sent again.
    pub(crate) loose: Vec<Range<usize>>,
    /// Whether it asks which tools there are.
    lists: bool,
}

/// One thing that a request does, and what policy says to it.
pub(crate) struct Part {
    pub(crate) query: Query,
    pub(crate) ruling: Ruling,
}

/// Why there is no ruling (yet).
pub(crate) enum Unjudged {
    /// The body is due first.
    NeedBody(Dialect),
    /// It never came to policy.
    Denied(Denial, Box<About>),
}

/// What was known of a request when it was denied before policy was asked.
pub(crate) struct About {
    pub(crate) dialect: Dialect,
    pub(crate) principal: Option<EntityName>,
    pub(crate) route: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) host: Option<String>,
}

/// Judges `facts` as of `now`.
pub(crate) fn judge<'a>(
    engine: &'a Engine,
    facts: &RequestFacts,
    now: UnixMillis,
) -> Result<Judged<'a>, Unjudged> {
    let mut about = About::of(facts);
    let judged = stages(engine, facts, now, &mut about);
    judged.map_err(|stop| match stop {
        Stop::NeedBody => Unjudged::NeedBody(about.dialect),
        Stop::Denied(denial) => Unjudged::Denied(denial, Box::new(about)),
    })
}

enum Stop {
    NeedBody,
    Denied(Denial),
}

impl From<Denial> for Stop {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

/// In which protocol a request that is refused as it stands is to be told so: in that of the endpoint that it means.
fn dialect_of_refused(engine: &Engine, facts: &RequestFacts, known: &Dialect) -> Dialect {
    let (lenient, body) = (Rule::ALL.iter().copied().collect(), facts.body.as_deref());
    let reading = Reading::of(facts, &lenient).ok().filter(|_| *known == Dialect::Http);
    let post = reading.and_then(|reading| engine.routes.find(&reading, body).ok()?.post(&reading, body));
    post.map_or_else(|| known.clone(), |post| Dialect::Mcp(post.conversation))
}

fn stages<'a>(
    engine: &'a Engine,
    facts: &RequestFacts,
    now: UnixMillis,
    about: &mut About,
) -> Result<Judged<'a>, Stop> {
    let reading = Reading::of(facts, &engine.relaxed);
    let reading =
        reading.inspect_err(|_| about.dialect = dialect_of_refused(engine, facts, &about.dialect))?;
    about.method = Some(reading.method.clone());
    about.host = Some(reading.host.clone());
    let found = engine.routes.find(&reading, facts.body.as_deref());
    // Who asks is not known yet, and must be told so in the protocol that they speak.
    let post = found.as_ref().ok().and_then(|target| target.post(&reading, facts.body.as_deref()));
    if let Some(post) = post.as_ref().filter(|_| about.dialect == Dialect::Http) {
        about.dialect = Dialect::Mcp(post.conversation.clone());
    }
    let owner_of = |entity: &_, attribute: &str| engine.policies.attribute_entity(entity, attribute);
    let caller = engine.identities.identify(facts, &reading, now, &owner_of)?;
    about.principal = Some(caller.principal.clone());
    // What follows an upgrade has no end that could be waited for.
    let due = || reading.upgrade().cloned().map_or(Stop::NeedBody, Stop::Denied);
    let target = found.map_err(|unfound| match unfound {
        Unfound::NeedsBody => due(),
        Unfound::Denied(denial) => Stop::Denied(denial),
    })?;
    about.route = Some(target.name().to_owned());
    let bound = engine.policies.gated(target.action()) && !reading.opens_tunnel();
    if facts.body.is_none() && (target.needs_body() || bound) {
        return Err(due());
    }
    let loose = post.as_ref().map(|post| post.loose.clone()).unwrap_or_default();
    let lists = post.as_ref().is_some_and(Post::lists);
    let mapped = target.map_posted(&reading, facts.body.as_deref(), post)?;
    let part = |mapped| -> Result<Part, Denial> {
        let query = query(engine, facts, &reading, &caller, mapped, now)?;
        let ruling = engine.policies.rule(&query);
        Ok(Part { query, ruling })
    };
    let first = part(mapped.first)?;
    let more = mapped.more.into_iter().map(part).collect::<Result<Vec<_>, _>>()?;
    let ruling = more.iter().fold(first.ruling.clone(), |all, part| all.and(&part.ruling));
    Ok(Judged { reading, caller, target, first, more, ruling, dialect: about.dialect.clone(), loose, lists })
}

/// Every common fact that the schema declares for the action, and what the route takes from the request.
fn query(
    engine: &Engine,
    facts: &RequestFacts,
    reading: &Reading,
    caller: &Caller,
    mapped: Mapped,
    now: UnixMillis,
) -> Result<Query, Denial> {
    let declared = engine.policies.context_type(&mapped.action);
    let wanted = |name: &str| declared.is_some_and(|declared| declared.contains_key(name));
    let common = common_facts(reading, facts, now, &engine.zone, &wanted)?;
    let mut context = common;
    let said = mapped.context.into_iter();
    context.extend(said.filter(|(name, _)| !MCP_FACTS.contains(&name.as_str()) || wanted(name)));
    Ok(Query {
        principal: caller.principal.clone(),
        claimed: caller.claimed.clone(),
        anonymous: caller.anonymous,
        action: mapped.action,
        resource: mapped.resource,
        parents: mapped.parents,
        context,
    })
}

impl Judged<'_> {
    /// All that it does, in its order.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part> {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// The first part of those that decide: what it comes to, the whole comes to.
    pub(crate) fn deciding(&self) -> &Part {
        let stricter =
            |one: &Part, other: &Part| one.ruling.verdict.strictness() > other.ruling.verdict.strictness();
        self.more.iter().fold(&self.first, |best, part| if stricter(part, best) { part } else { best })
    }

    /// What policy was asked of the part that decides, and of the others, for people.
    pub(crate) fn cedar(&self) -> (CedarRequest, Vec<CedarRequest>) {
        let decides = self.deciding();
        let others = self.parts().filter(|part| !std::ptr::eq(*part, decides));
        (decides.cedar(), others.map(Part::cedar).collect())
    }

    /// What evidence says of a ruling: in its order each part, when there are several.
    pub(crate) fn members(&self) -> Members {
        let mut members = Members::default().with("cedar", self.deciding().evidence());
        if !self.more.is_empty() {
            let part = |part: &Part| json!({"cedar": part.evidence(), "verdict": part.ruling.verdict.word()});
            members = members.with("parts", self.parts().map(part).collect::<Vec<_>>());
        }
        self.decided(members.with("identity", self.caller.evidence()))
    }

    /// What evidence says of an ordinary allow: no context.
    pub(crate) fn brief(&self) -> Members {
        let Part { query, .. } = self.deciding();
        let mut members = Members::default()
            .with("principal", query.principal.to_string())
            .with("action", query.action.to_string())
            .with("resource", query.resource.to_string());
        if !self.more.is_empty() {
            let part =
                |Part { query, .. }: &Part| json!([query.action.to_string(), query.resource.to_string()]);
            members = members.with("parts", self.parts().map(part).collect::<Vec<_>>());
        }
        self.decided(members)
    }

    fn decided(&self, members: Members) -> Members {
        members
            .with("route", self.target.name())
            .with("policies", &self.ruling.determining)
            .with("errors", some(self.ruling.errors.iter().map(fault)))
            .with("shadow", some(self.ruling.shadow.iter().map(shadow)))
    }

    /// What of the answer its caller may see, where that is not all of it. When only observing, it is.
    pub(crate) fn listing(&self, engine: &Engine) -> Option<Listing> {
        let mcp = self.target.mcp().filter(|mcp| mcp.hide_unlisted && engine.mode == Mode::Enforce)?;
        // What was missed of an answer is sent again on the stream that a client listens to.
        let listens = self.reading.method == "GET";
        (listens || self.lists).then(|| mcp.listing(&self.caller, self.dialect.clone()))
    }

    /// Headers that may differ when the request is sent again, besides those that always may.
    pub(crate) fn volatile(&self, engine: &Engine) -> Vec<String> {
        // The length of a body follows from what is bound of it, and from what is not.
        let length = (!self.loose.is_empty()).then(|| "content-length".to_owned());
        let credentials = engine.identities.credentials();
        self.target.volatile().iter().cloned().chain(credentials).chain(length).collect()
    }

    /// The digest that binds an approval to this request.
    pub(crate) fn digest(&self, engine: &Engine, facts: &RequestFacts) -> Hash {
        digest(&DigestInput {
            audience: &engine.trust.audience,
            facts,
            reading: &self.reading,
            body: facts.body.as_deref().unwrap_or_default(),
            caller: &self.caller,
            route: self.target.name(),
            does: &self.parts().map(|part| (&part.query.action, &part.query.resource)).collect::<Vec<_>>(),
            loose: &self.loose,
            volatile: &self.volatile(engine),
        })
    }
}

impl Part {
    fn cedar(&self) -> CedarRequest {
        let context = self.query.context.iter().map(|(name, value)| (name.clone(), value.to_json()));
        CedarRequest {
            principal: self.query.principal.to_string(),
            action: self.query.action.to_string(),
            resource: self.query.resource.to_string(),
            context: Json::Object(context.collect()),
        }
    }

    fn evidence(&self) -> CedarRequest {
        let mut cedar = self.cedar();
        let context = cedar.context.to_string();
        if context.len() > LONGEST_CONTEXT {
            let hash = Hash::of(context.as_bytes());
            cedar.context = json!({"omitted": {"bytes": context.len(), "sha256": hash}});
        }
        cedar
    }
}

impl About {
    /// What is known before anything was read.
    pub(crate) fn of(facts: &RequestFacts) -> Self {
        Self { dialect: Dialect::of(facts), principal: None, route: None, method: None, host: None }
    }
}

/// The denial for a ruling's reason, naming the policies that decided.
pub(crate) fn denial(reason: Reason, ruling: &Ruling) -> Denial {
    let detail = match (reason, ruling.determining.as_slice()) {
        (Reason::PolicyError, _) => {
            let faults: Vec<_> = ruling.errors.iter().filter_map(Fault::policy).collect();
            match faults.is_empty() {
                false => format!("in {}", faults.join(", ")),
                true => "the request does not fit the schema".into(),
            }
        }
        (Reason::Anonymous, _) => "send credentials that the gateway verifies".into(),
        (_, []) => "no policy permits it".into(),
        (_, ids) => format!("forbidden by {}", ids.join(", ")),
    };
    Denial::new(reason, detail)
}

fn fault(fault: &Fault) -> Json {
    match fault {
        Fault::Unfit(message) => json!({"policy": null, "code": "request_unfit", "message": message}),
        Fault::Failed { policy, failure } => json!({"policy": policy, "code": failure.code()}),
    }
}

fn shadow(shadow: &Shadow) -> Json {
    let (would, code) = match &shadow.would {
        Would::Permit => ("permit", None),
        Would::Forbid => ("forbid", None),
        Would::Ask => ("ask", None),
        Would::Fail(failure) => ("fail", Some(failure.code())),
    };
    json!({"policy": shadow.id, "would": would, "code": code})
}

/// A list that says something, or nothing.
fn some(list: impl ExactSizeIterator<Item = Json>) -> Option<Json> {
    (list.len() > 0).then(|| list.collect())
}
