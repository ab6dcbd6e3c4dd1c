//! The explanation for programs.

use countersign_core::clock::rfc3339;
use countersign_core::explain::{Decided, TakenRoute};
use countersign_core::identity::Caller;
use countersign_core::policy::{Account, Fault, Query, Required, Role, Verdict};
use serde_json::{Map, Value, json};

use super::Report;

pub(super) fn render(report: &Report<'_>) -> Value {
    let explanation = &report.explanation;
    let required = explanation.ruling.as_ref().and_then(|ruling| match &ruling.verdict {
        Verdict::NeedsApproval(required) => Some(asked(required)),
        _ => None,
    });
    let missed = explanation.missed.iter().map(|(route, miss)| json!({"route": route, "misses": miss}));
    json!({
        // As in the report of a coverage without one.
        "filter": null,
        "bundle": {"path": report.folder, "sha256": report.explainer.bundle_hash()},
        "recording": report.file,
        "id": report.entry.id,
        "at": rfc3339(report.at),
        "partial": !report.entry.is_whole(),
        "verdict": verdict(&explanation.verdict),
        "asks": required,
        "differs": report.differs(),
        "caller": explanation.caller.as_ref().map(caller),
        "route": explanation.route.as_ref().map(route),
        "missed_routes": missed.collect::<Vec<_>>(),
        "query": explanation.query.as_ref().map(|query| self::query(report, query)),
        "unfit": explanation.unfit,
        "determining": explanation.ruling.as_ref().map(|ruling| &ruling.determining),
        "errors": explanation.ruling.iter().flat_map(|ruling| &ruling.errors).map(error).collect::<Vec<_>>(),
        "policies": explanation.accounts.iter().map(|account| policy(report, account)).collect::<Vec<_>>(),
        "what_would_have_to_differ": report.obstacles,
    })
}

fn verdict(verdict: &Decided) -> Value {
    match verdict {
        Decided::Allow => json!({"decision": "allow"}),
        Decided::Ask => json!({"decision": "ask"}),
        Decided::Deny { code, status, sentence, detail } => {
            json!({"decision": "deny", "reason": code, "status": status, "title": sentence, "detail": detail})
        }
    }
}

fn asked(required: &Required) -> Value {
    let gates = required.gates.iter().map(|gate| {
        json!({
            "policy": gate.gate.id, "group": gate.group, "quorum": gate.quorum, "reason": gate.reason,
            "break_glass": gate.break_glass,
        })
    });
    json!({"gates": gates.collect::<Vec<_>>(), "terms": required.terms})
}

fn caller(caller: &Caller) -> Value {
    json!({
        "principal": caller.principal.to_string(),
        "anonymous": caller.anonymous,
        "source": caller.source,
        "involved": caller.involved,
    })
}

fn route(route: &TakenRoute) -> Value {
    let captured: Map<_, _> =
        route.captured.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({"name": route.name, "written": route.written, "parameters": captured})
}

fn query(report: &Report<'_>, query: &Query) -> Value {
    let types = &report.explanation.types;
    let context = query
        .context
        .iter()
        .map(|(name, value)| (name.clone(), json!({"type": types.get(name), "value": value.to_json()})));
    json!({
        "principal": query.principal.to_string(),
        "action": query.action.to_string(),
        "resource": query.resource.to_string(),
        "parents": query.parents.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "context": context.collect::<Map<_, _>>(),
    })
}

fn error(fault: &Fault) -> Value {
    match fault {
        Fault::Unfit(message) => json!({"message": message}),
        Fault::Failed { policy, failure } => json!({"policy": policy, "code": failure.code()}),
    }
}

/// The account, with the part that the policy has and the expressions that decided it.
fn policy(report: &Report<'_>, account: &Account) -> Value {
    let notes = report.explainer.policy(&account.policy).map(|anatomy| &anatomy.info.notes);
    let role = notes.map(|notes| match notes.role {
        Role::Permit => "permit",
        Role::Forbid => "forbid",
        Role::Gate(_) => "gate",
    });
    let deciding =
        account.deciding().into_iter().map(|(kind, trace)| json!({"clause": kind, "expression": trace}));
    json!({
        "role": role,
        "shadow": notes.is_some_and(|notes| notes.shadow),
        "decided_by": deciding.collect::<Vec<_>>(),
        "account": account,
    })
}
