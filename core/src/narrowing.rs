//! Policies for `Countersign::Action::"approve"`: they take approvers away from a gate, and never add any.

use std::collections::BTreeMap;

use countersign_protocol::UnixMillis;
use countersign_protocol::grant::{Answer, Grant};
use countersign_protocol::quorum::counts;
use countersign_protocol::request::{Gate, Severity, Terms};

use crate::denial::Denial;
use crate::engine::Engine;
use crate::entity::EntityName;
use crate::facts::RequestFacts;
use crate::grant::Refusal;
use crate::judge::{Judged, Part};
use crate::policy::{APPROVE, Claimed, Fault, GATE_TYPE, Query};
use crate::refusal::Breach;
use crate::routes::common_facts;
use crate::types::Attribute;
use crate::value::Value;

/// The one member of the context that each answer has of its own.
const BREAK_GLASS: &str = "break_glass";

/// The held request, as it is judged now.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) judged: &'a Judged<'a>,
    pub(crate) facts: &'a RequestFacts,
    /// The gates that were asked for.
    pub(crate) gates: &'a [Gate],
    /// Their merged terms.
    pub(crate) terms: &'a Terms,
}

/// Why an answer does not count.
struct Objection {
    breach: Breach,
    detail: String,
}

/// Whether policy lets everybody who answered open the gates that their answer counts for. It is asked only
/// where the schema declares the action.
pub(crate) fn check(
    engine: &Engine,
    request: Request<'_>,
    grant: &Grant,
    now: UnixMillis,
) -> Result<(), Refusal> {
    let Some(declared) = engine.policies.context_type(&APPROVE) else { return Ok(()) };
    // One answer opens the gates of all parts.
    let contexts: Result<Vec<_>, _> =
        request.judged.parts().map(|part| context(engine, request, part, declared, now)).collect();
    let object = |answer: &Answer| match &contexts {
        Ok(contexts) => contexts
            .iter()
            .find_map(|context| objection(engine, request.gates, context, answer, grant.asked_at)),
        Err(denial) => Some(Objection::failed(denial.detail.clone())),
    };
    let refused: Vec<_> =
        grant.answers.iter().filter_map(|answer| Some((answer.id, object(answer)?))).collect();
    match refused.first() {
        None => Ok(()),
        Some((_, Objection { breach, detail })) => Err(Refusal {
            breach: *breach,
            jti: Some(grant.jti),
            answers: refused.iter().map(|(answer, _)| *answer).collect(),
            detail: Some(detail.clone()),
        }),
    }
}

/// The first objection to an answer, over all entities that stand for the person and all gates that the answer
/// can count for.
fn objection(
    engine: &Engine,
    gates: &[Gate],
    context: &BTreeMap<String, Value>,
    answer: &Answer,
    asked_at: UnixMillis,
) -> Option<Objection> {
    let mut people = engine.identities.entities(&answer.person);
    people.retain(|person| engine.policies.may_act(&APPROVE, &person.ty));
    if people.is_empty() {
        let detail = "`people` in `identities.yaml` maps the approver to no type that may approve";
        return Some(Objection { breach: Breach::ApproverUnknownToPolicy, detail: detail.into() });
    }
    let mut context = context.clone();
    if let Some(breaks) = context.get_mut(BREAK_GLASS) {
        *breaks = Value::Bool(answer.break_glass.is_some());
    }
    let gates = gates.iter().filter(|gate| counts(answer, gate, asked_at));
    let mut queries = gates.flat_map(|gate| people.iter().map(move |person| (gate, person)));
    queries.find_map(|(gate, person)| {
        let query = Query {
            principal: person.clone(),
            claimed: Claimed::default(),
            anonymous: false,
            action: APPROVE.clone(),
            resource: EntityName::new(GATE_TYPE, &gate.gate.id),
            parents: Vec::new(),
            context: context.clone(),
        };
        match engine.policies.forbids(&query) {
            Ok(ids) if ids.is_empty() => None,
            Ok(ids) => {
                let detail = format!("forbidden by {}", ids.join(", "));
                Some(Objection { breach: Breach::ApproverForbidden, detail })
            }
            Err(faults) => Some(Objection::failed(faults.iter().map(told).collect::<Vec<_>>().join("; "))),
        }
    })
}

impl Objection {
    fn failed(detail: String) -> Self {
        Self { breach: Breach::ApproverPolicyError, detail }
    }
}

fn told(fault: &Fault) -> String {
    match fault {
        Fault::Unfit(message) => message.clone(),
        Fault::Failed { policy, failure } => format!("{} in {policy}", failure.code()),
    }
}

/// What the schema declares of what there is, for a yes that breaks no glass.
fn context(
    engine: &Engine,
    request: Request<'_>,
    part: &Part,
    declared: &BTreeMap<String, Attribute>,
    now: UnixMillis,
) -> Result<BTreeMap<String, Value>, Denial> {
    let Request { judged, facts, terms, .. } = request;
    let wanted = |name: &str| declared.contains_key(name);
    let common = common_facts(&judged.reading, facts, now, &engine.zone, &wanted)?;
    let severity = match terms.severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
    };
    let own = [
        ("action", part.query.action.to_string()),
        ("principal", part.query.principal.to_string()),
        ("resource", part.query.resource.to_string()),
        ("severity", severity.into()),
    ];
    let own = own.map(|(name, text)| (name, Value::String(text)));
    let own = own.into_iter().chain([(BREAK_GLASS, Value::Bool(false))]).filter(|(name, _)| wanted(name));
    Ok(common.into_iter().chain(own.map(|(name, value)| (name.to_owned(), value))).collect())
}
