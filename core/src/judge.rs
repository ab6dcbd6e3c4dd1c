//! One ruling on one request: reading, identity, route, facts, policy, in this order, at one moment.

use countersign_protocol::request::CedarRequest;
use countersign_protocol::{Hash, UnixMillis};
use serde_json::{Value as Json, json};

use crate::denial::{Denial, Reason};
use crate::digest::{DigestInput, digest};
use crate::engine::Engine;
use crate::entity::EntityName;
use crate::facts::RequestFacts;
use crate::identity::Caller;
use crate::journal::Members;
use crate::policy::{Fault, Query, Ruling, Shadow, Would};
use crate::reading::Reading;
use crate::routes::{Mapped, Target, common_facts};

/// Most bytes of a context in a record; a longer one is there by its hash.
const LONGEST_CONTEXT: usize = 64 << 10;

/// A request that policy was asked about.
pub(crate) struct Judged<'a> {
    pub(crate) reading: Reading,
    pub(crate) caller: Caller,
    pub(crate) target: Target<'a>,
    pub(crate) query: Query,
    pub(crate) ruling: Ruling,
}

/// Why there is no ruling (yet).
pub(crate) enum Unjudged {
    /// The body is due first.
    NeedBody,
    /// It never came to policy.
    Denied(Denial, Box<About>),
}

/// What was known of a request when it was denied before policy was asked.
#[derive(Default)]
pub(crate) struct About {
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
    let mut about = About::default();
    let judged = stages(engine, facts, now, &mut about);
    judged.map_err(|stop| match stop {
        Stop::NeedBody => Unjudged::NeedBody,
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

fn stages<'a>(
    engine: &'a Engine,
    facts: &RequestFacts,
    now: UnixMillis,
    about: &mut About,
) -> Result<Judged<'a>, Stop> {
    let reading = Reading::of(facts, &engine.relaxed)?;
    about.method = Some(reading.method.clone());
    about.host = Some(reading.host.clone());
    let owner_of = |entity: &_, attribute: &str| engine.policies.attribute_entity(entity, attribute);
    let caller = engine.identities.identify(facts, &reading, now, &owner_of)?;
    about.principal = Some(caller.principal.clone());
    let target = engine.routes.find(&reading)?;
    about.route = Some(target.name().to_owned());
    if facts.body.is_none() && (target.needs_body() || engine.policies.gated(target.action())) {
        // What follows an upgrade has no end that could be waited for.
        return Err(reading.upgrade().cloned().map_or(Stop::NeedBody, Stop::Denied));
    }
    let mapped = target.map(&reading, facts.body.as_deref())?;
    let query = query(engine, facts, &reading, &caller, mapped, now)?;
    let ruling = engine.policies.rule(&query);
    Ok(Judged { reading, caller, target, query, ruling })
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
    context.extend(mapped.context);
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
    /// What policy was asked, for people and evidence.
    pub(crate) fn cedar(&self) -> CedarRequest {
        let context = self.query.context.iter().map(|(name, value)| (name.clone(), value.to_json()));
        CedarRequest {
            principal: self.query.principal.to_string(),
            action: self.query.action.to_string(),
            resource: self.query.resource.to_string(),
            context: Json::Object(context.collect()),
        }
    }

    /// What evidence says of a ruling.
    pub(crate) fn members(&self) -> Members {
        let mut cedar = self.cedar();
        let context = cedar.context.to_string();
        if context.len() > LONGEST_CONTEXT {
            let hash = Hash::of(context.as_bytes());
            cedar.context = json!({"omitted": {"bytes": context.len(), "sha256": hash}});
        }
        self.decided(Members::default().with("cedar", cedar).with("identity", self.caller.evidence()))
    }

    /// What evidence says of an ordinary allow: no context.
    pub(crate) fn brief(&self) -> Members {
        let members = Members::default()
            .with("principal", self.query.principal.to_string())
            .with("action", self.query.action.to_string())
            .with("resource", self.query.resource.to_string());
        self.decided(members)
    }

    fn decided(&self, members: Members) -> Members {
        members
            .with("route", self.target.name())
            .with("policies", &self.ruling.determining)
            .with("errors", some(self.ruling.errors.iter().map(fault)))
            .with("shadow", some(self.ruling.shadow.iter().map(shadow)))
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
            action: &self.query.action,
            resource: &self.query.resource,
            volatile: &[self.target.volatile(), &engine.identities.credentials()].concat(),
        })
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
