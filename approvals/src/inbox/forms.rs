//! What the buttons of a request's page send.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use countersign_protocol::{Hash, Token};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

use super::page::{LoggedIn, Trouble};
use super::request::{self, Extent};
use crate::api::extract::{Form, Path};
use crate::api::people::{give, seen, seen_to_answer, take_back};
use crate::api::problem::Problem;
use crate::app::App;
use crate::auth::Session;
use crate::store::answers::giving::Given;
use crate::store::answers::{Kind, Narrowed};

#[derive(Deserialize)]
pub(super) struct AnswerForm {
    csrf: String,
    kind: Kind,
    #[serde(default)]
    reason: String,
    shown: Hash,
    /// A one-time code, where the request needs one and the session has none.
    #[serde(default)]
    totp: String,
    /// There when the glass is to be broken.
    #[serde(default)]
    break_glass: Option<String>,
    #[serde(default)]
    uses: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct RevokeForm {
    csrf: String,
    reason: String,
}

/// Whether a form comes from a page that this session was given.
pub(super) fn genuine(session: &Session, csrf: &str) -> Result<(), Problem> {
    let same = bool::from(session.csrf().as_bytes().ct_eq(csrf.as_bytes()));
    same.then_some(())
        .ok_or_else(|| Problem::forbidden("csrf", "this form is out of date: go back and reload"))
}

pub(super) async fn answer(
    State(app): State<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Path(id): Path<Token>,
    Form(form): Form<AnswerForm>,
) -> Result<Response, Trouble> {
    genuine(&session, &form.csrf)?;
    seen_to_answer(&app, &session, id, form.kind).await?;
    match answered(&app, &session, id, form).await {
        Ok(()) => Ok(Redirect::to(&format!("/inbox/{id}")).into_response()),
        Err(problem) => request::page(&app, &session, id, Extent::Folded, Some(problem)).await,
    }
}

async fn answered(app: &Arc<App>, session: &Session, id: Token, form: AnswerForm) -> Result<(), Problem> {
    let mut session = session.clone();
    if !form.totp.trim().is_empty() {
        app.auth.step_up(&session, &form.totp).await?;
        let stepped = app.auth.session(&session.secret).await?;
        session = stepped.ok_or_else(|| Problem::unauthorized("log in first"))?;
    }
    let reason = Some(form.reason).filter(|reason| !reason.trim().is_empty());
    let given = Given {
        kind: form.kind,
        reason,
        shown: form.shown,
        amr: session.amr.clone(),
        break_glass: form.break_glass.is_some(),
        narrowed: Narrowed { uses: form.uses, use_within_ms: None },
    };
    give(app, session, id, given).await
}

pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Path(id): Path<Token>,
    Form(form): Form<RevokeForm>,
) -> Result<Response, Trouble> {
    genuine(&session, &form.csrf)?;
    seen(&app, &session, id).await?;
    match take_back(&app, session.clone(), id, form.reason).await {
        Ok(()) => Ok(Redirect::to(&format!("/inbox/{id}")).into_response()),
        Err(problem) => request::page(&app, &session, id, Extent::Folded, Some(problem)).await,
    }
}

#[derive(Deserialize)]
pub(super) struct ReviewForm {
    csrf: String,
    note: String,
}

pub(super) async fn review(
    State(app): State<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Path(id): Path<Token>,
    Form(form): Form<ReviewForm>,
) -> Result<Response, Trouble> {
    genuine(&session, &form.csrf)?;
    seen(&app, &session, id).await?;
    match app.store.close_review(id, &session.member, &form.note).await {
        Ok(()) => Ok(Redirect::to(&format!("/inbox/{id}")).into_response()),
        Err(refused) => request::page(&app, &session, id, Extent::Folded, Some(refused.into())).await,
    }
}
