//! For gateways: ask, wait, claim, report, deliver evidence. Each sees and claims only its own audience's.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use countersign_protocol::approval::{
    Acked, AskReply, ClaimBatch, ClaimReply, OutcomeBatch, Wait, WaitReply,
};
use countersign_protocol::{Hash, Token};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::extract::{Body, Caller, Lines};
use super::problem::Problem;
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

pub(crate) async fn ask(
    State(app): State<Arc<App>>,
    Caller(gateway): Caller,
    Body(batch): Body<RawAskBatch>,
) -> Result<Json<AskReply>, Problem> {
    let (store, caller) = (Arc::clone(&app.store), Arc::clone(&gateway));
    let items = batch.items.into_iter().map(Ask::from).collect();
    let work = async move { store.ask(&caller, batch.evidence, items).await };
    whole(app, gateway, work).await
}

pub(crate) async fn wait(
    State(app): State<Arc<App>>,
    Caller(gateway): Caller,
    Body(wait): Body<Wait>,
) -> Result<Json<WaitReply>, Problem> {
    Ok(Json(app.store.wait(&gateway, &wait).await?))
}

pub(crate) async fn claim(
    State(app): State<Arc<App>>,
    Caller(gateway): Caller,
    Body(batch): Body<ClaimBatch>,
) -> Result<Json<ClaimReply>, Problem> {
    let (service, caller) = (Arc::clone(&app), Arc::clone(&gateway));
    let work =
        async move { service.store.claim(&caller, batch.evidence, &batch.items, &service.signer).await };
    whole(app, gateway, work).await
}

pub(crate) async fn outcomes(
    State(app): State<Arc<App>>,
    Caller(gateway): Caller,
    Body(batch): Body<OutcomeBatch>,
) -> Result<Json<Acked>, Problem> {
    let (store, caller) = (Arc::clone(&app.store), Arc::clone(&gateway));
    let work = async move {
        let acked = store.outcomes(&caller, batch.evidence, &batch.items).await?;
        Ok(Acked { acked })
    };
    whole(app, gateway, work).await
}

pub(crate) async fn evidence(
    State(app): State<Arc<App>>,
    Caller(gateway): Caller,
    Lines(lines): Lines,
) -> Result<Json<Acked>, Problem> {
    let (store, caller) = (Arc::clone(&app.store), Arc::clone(&gateway));
    let work = async move { Ok(Acked { acked: store.keep(&caller, lines).await? }) };
    whole(app, gateway, work).await
}
