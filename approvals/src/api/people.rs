//! For people and their tools: requests, answers, revocations.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as AppState;
use countersign_protocol::approval::State;
use countersign_protocol::request::Severity;
use countersign_protocol::{Hash, Token, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::extract::{Body, Path, Query};
use super::problem::Problem;
use crate::app::App;
use crate::auth::Session;
use crate::people::{Member, Role};
use crate::store::StoreError;
use crate::store::answers::giving::Given;
use crate::store::answers::{Kept, Kind, lacking, may_stop};
use crate::store::claims::uses::Use;
use crate::store::history::Entry;
use crate::store::tickets::Ticket;

/// Requests in a list.
const LIST_LIMIT: u32 = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    state: Option<State>,
}

/// A request in a list.
#[derive(Serialize)]
pub(crate) struct Summary {
    ticket: Token,
    state: State,
    audience: String,
    principal: String,
    action: String,
    resource: String,
    method: String,
    authority: String,
    path: String,
    severity: Severity,
    /// Hash of the question; an answer has to name it.
    shown: Hash,
    asked_at: UnixMillis,
    answer_by: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    use_by: Option<UnixMillis>,
    /// How many approvers it still lacks.
    missing: usize,
    /// How many uses are left of those that were asked for.
    uses: i64,
    used: i64,
    /// Of how many uses nobody said in time what became of them.
    outcomes_unknown: i64,
}

/// A request with all that there is about it.
#[derive(Serialize)]
pub(crate) struct Detail {
    #[serde(flatten)]
    summary: Summary,
    digest: Hash,
    /// The question, byte for byte as the gateway sent it.
    question: Box<RawValue>,
    answers: Vec<Value>,
    claims: Vec<Use>,
    history: Vec<Entry>,
    waiting: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAnswer {
    kind: Kind,
    #[serde(default)]
    reason: Option<String>,
    shown: Hash,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revocation {
    reason: String,
}

/// Whether somebody may see a request: whoever may stop it, and auditors.
pub(crate) fn may_see(ticket: &Ticket, member: &Member) -> bool {
    may_stop(ticket, member) || member.has(&[Role::Auditor])
}

/// The request of that name, if the person may know of it.
pub(crate) async fn seen(app: &App, session: &Session, id: Token) -> Result<Ticket, Problem> {
    let ticket = app.store.ticket(id).await?.filter(|ticket| may_see(ticket, &session.member));
    ticket.ok_or_else(Problem::not_found)
}

fn summary(ticket: &Ticket, answers: &[Kept]) -> Summary {
    let question = &ticket.question;
    Summary {
        ticket: ticket.id,
        state: ticket.state,
        audience: ticket.audience.clone(),
        principal: ticket.principal.clone(),
        action: question.cedar.action.clone(),
        resource: question.cedar.resource.clone(),
        method: question.request.method.clone(),
        authority: question.request.authority.clone(),
        path: question.request.path.clone(),
        severity: question.terms.severity,
        shown: ticket.shown,
        asked_at: ticket.asked_at,
        answer_by: ticket.answer_by,
        use_by: ticket.use_by,
        missing: lacking(ticket, answers),
        uses: ticket.uses,
        used: ticket.used,
        outcomes_unknown: ticket.outcomes_unknown,
    }
}

async fn detail(app: &App, ticket: Ticket) -> Result<Detail, Problem> {
    let answers = app.store.answers(&ticket).await?;
    let answer = |kept: &Kept| {
        json!({
            "id": kept.answer.id, "kind": kept.kind, "person": kept.answer.person, "at": kept.answer.at,
            "amr": kept.answer.amr, "reason": kept.reason, "dropped": kept.dropped,
            "assertion": kept.assertion.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok()),
        })
    };
    Ok(Detail {
        summary: summary(&ticket, &answers),
        digest: ticket.digest,
        answers: answers.iter().map(answer).collect(),
        claims: app.store.uses(ticket.id).await?,
        history: app.store.history(ticket.id).await?,
        waiting: app.store.waiting(ticket.id).await?.held,
        question: RawValue::from_string(ticket.raw).map_err(StoreError::from)?,
    })
}

/// Takes an answer, and finishes even when the browser goes away in between.
pub(crate) async fn give(app: &Arc<App>, session: Session, id: Token, given: Given) -> Result<(), Problem> {
    let app = Arc::clone(app);
    let work = async move { app.store.answer(id, &session.member, given, &app.signer).await };
    Ok(tokio::spawn(work).await??)
}

/// Takes a yes back, and finishes even when the browser goes away in between.
pub(crate) async fn take_back(
    app: &Arc<App>,
    session: Session,
    id: Token,
    reason: String,
) -> Result<(), Problem> {
    let app = Arc::clone(app);
    let work = async move { app.store.revoke(id, &session.member, &reason).await };
    Ok(tokio::spawn(work).await??)
}

pub(crate) async fn list(
    AppState(app): AppState<Arc<App>>,
    session: Session,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Value>, Problem> {
    let mut items = Vec::new();
    for ticket in app.store.tickets(wanted.state, LIST_LIMIT).await? {
        if may_see(&ticket, &session.member) {
            items.push(summary(&ticket, &app.store.answers(&ticket).await?));
        }
    }
    Ok(Json(json!({ "items": items })))
}

pub(crate) async fn show(
    AppState(app): AppState<Arc<App>>,
    session: Session,
    Path(id): Path<Token>,
) -> Result<Json<Detail>, Problem> {
    let ticket = seen(&app, &session, id).await?;
    Ok(Json(detail(&app, ticket).await?))
}

pub(crate) async fn answer(
    AppState(app): AppState<Arc<App>>,
    session: Session,
    Path(id): Path<Token>,
    Body(new): Body<NewAnswer>,
) -> Result<Json<Detail>, Problem> {
    seen(&app, &session, id).await?;
    let given = Given {
        kind: new.kind,
        reason: new.reason,
        shown: new.shown,
        amr: session.amr.clone(),
        assertion: None,
    };
    give(&app, session.clone(), id, given).await?;
    let ticket = seen(&app, &session, id).await?;
    Ok(Json(detail(&app, ticket).await?))
}

pub(crate) async fn revoke(
    AppState(app): AppState<Arc<App>>,
    session: Session,
    Path(id): Path<Token>,
    Body(revocation): Body<Revocation>,
) -> Result<Json<Detail>, Problem> {
    seen(&app, &session, id).await?;
    take_back(&app, session.clone(), id, revocation.reason).await?;
    let ticket = seen(&app, &session, id).await?;
    Ok(Json(detail(&app, ticket).await?))
}
