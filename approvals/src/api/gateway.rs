//! For gateways: ask, wait, claim, report, deliver evidence. Each sees and claims only its own audience's.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use countersign_protocol::approval::{
    Acked, AskBatch, AskReply, ClaimBatch, ClaimReply, OutcomeBatch, Wait, WaitReply,
};
use countersign_protocol::{Hash, Token};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::callers::Caller;
use super::extract::{Body, Lines};
use super::problem::{Failed, Problem};
use crate::app::App;
use crate::store::asks::Ask;
use crate::store::evidence::KeepError;
use crate::store::gateways::Gateway;

/// [`countersign_protocol::approval::AskBatch`], with each question as the bytes that it is.
#[derive(Deserialize)]
pub(crate) struct RawAskBatch {
    evidence: Vec<String>,
    items: Vec<RawAsk>,
}

#[derive(Deserialize)]
struct RawAsk {
    nonce: Token,
    waiter: Token,
    digest: Hash,
    question: Box<RawValue>,
}

impl From<RawAsk> for Ask {
    fn from(ask: RawAsk) -> Self {
        let RawAsk { nonce, waiter, digest, question } = ask;
        Self { nonce, waiter, digest, raw: question.get().to_owned() }
    }
}

/// Runs to its end even when the gateway hangs up: what was committed must also be told to waiters.
async fn whole<T: Send + 'static>(
    app: Arc<App>,
    gateway: Arc<Gateway>,
    work: impl Future<Output = Result<T, KeepError>> + Send + 'static,
) -> Result<Json<T>, Problem> {
    let done = tokio::spawn(work).await?;
    if let Err(KeepError::Conflict(record)) = &done {
        app.store.keep_conflict(&gateway, record).await?;
    }
    Ok(Json(done?))
}

/// Ask, or join what is open for the same request
#[utoipa::path(post, path = "/v1/requests", tag = "gateways", request_body = AskBatch,
    responses((status = 200, description = "An answer for each question", body = AskReply), Failed))]
pub(crate) async fn ask(
    State(app): State<Arc<App>>,
    Caller(gateway): Caller,
    Body(batch): Body<RawAskBatch>,
) -> Result<Json<AskReply>, Problem> {
    let (store, service, caller) = (Arc::clone(&app.store), Arc::clone(&app), Arc::clone(&gateway));
    let items = batch.items.into_iter().map(Ask::from).collect();
    let work = async move {
        let reply = store.ask(&caller, batch.evidence, items).await?;
        reply.items.iter().for_each(|item| service.metrics.asked(&item.result));
        Ok(reply)
    };
    whole(app, gateway, work).await
}

/// Wait for what happens to one's tickets
#[utoipa::path(post, path = "/v1/wait", tag = "gateways", request_body = Wait,
    responses((status = 200, description = "What happened, or nothing when the time is over", body = WaitReply), Failed))]
pub(crate) async fn wait(
    State(app): State<Arc<App>>,
    Caller(gateway): Caller,
    Body(wait): Body<Wait>,
) -> Result<Json<WaitReply>, Problem> {
    Ok(Json(app.store.wait(&gateway, &wait).await?))
}

/// Use approvals, right before the requests go on
#[utoipa::path(post, path = "/v1/claims", tag = "gateways", request_body = ClaimBatch,
    responses((status = 200, description = "An answer for each claim", body = ClaimReply), Failed))]
pub(crate) async fn claim(
    State(app): State<Arc<App>>,
    Caller(gateway): Caller,
    Body(batch): Body<ClaimBatch>,
) -> Result<Json<ClaimReply>, Problem> {
    let (service, caller) = (Arc::clone(&app), Arc::clone(&gateway));
    let work = async move {
        let reply = service.store.claim(&caller, batch.evidence, &batch.items, &service.signer).await?;
        reply.items.iter().for_each(|item| service.metrics.claimed(&item.result));
        Ok(reply)
    };
    whole(app, gateway, work).await
}

/// Say what became of tickets
#[utoipa::path(post, path = "/v1/outcomes", tag = "gateways", request_body = OutcomeBatch,
    responses((status = 200, description = "Which evidence is kept", body = Acked), Failed))]
pub(crate) async fn outcomes(
    State(app): State<Arc<App>>,
    Caller(gateway): Caller,
    Body(batch): Body<OutcomeBatch>,
) -> Result<Json<Acked>, Problem> {
    let (service, caller) = (Arc::clone(&app), Arc::clone(&gateway));
    let work = async move {
        let acked = service.store.outcomes(&caller, batch.evidence, &batch.items).await?;
        batch.items.iter().for_each(|item| service.metrics.reported(&item.event));
        Ok(Acked { acked })
    };
    whole(app, gateway, work).await
}

/// Deliver evidence
#[utoipa::path(post, path = "/v1/evidence", tag = "gateways",
    request_body(content = String, content_type = "application/x-ndjson", description = "Records, one a line"),
    responses((status = 200, description = "Which evidence is kept", body = Acked), Failed))]
pub(crate) async fn evidence(
    State(app): State<Arc<App>>,
    Caller(gateway): Caller,
    Lines(lines): Lines,
) -> Result<Json<Acked>, Problem> {
    let (store, caller) = (Arc::clone(&app.store), Arc::clone(&gateway));
    let work = async move { Ok(Acked { acked: store.keep(&caller, lines).await? }) };
    whole(app, gateway, work).await
}
