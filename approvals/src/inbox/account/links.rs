//! Saying who one is in a chat: begun by a click there, ended here, once, by who is logged in.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::{done, genuine};
use crate::api::extract::{Form, Path};
use crate::api::problem::Problem;
use crate::app::App;
use crate::auth::Session;
use crate::auth::factors::FactorError;
use crate::inbox::html;
use crate::inbox::page::{LoggedIn, Trouble, Viewer};
use crate::inbox::text::Visible;
use crate::store::ceremonies::Purpose;
use crate::store::links::ChatUser;

#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage {
    viewer: Viewer,
    problem: Option<String>,
    secret: String,
    user: ChatUser,
    /// Whether a factor was proven lately, or there is none.
    may_change: bool,
    /// Whether there are one-time codes to prove.
    codes: bool,
}

#[derive(Deserialize)]
pub(super) struct Linking {
    csrf: String,
    #[serde(default)]
    totp: String,
}

#[derive(Deserialize)]
pub(super) struct Unlinking {
    csrf: String,
    team: String,
    id: String,
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Path(secret): Path<String>,
) -> Result<Response, Trouble> {
    page(&app, &session, secret, None).await
}

async fn page(
    app: &App,
    session: &Session,
    secret: String,
    problem: Option<Problem>,
) -> Result<Response, Trouble> {
    let user = app.store.ceremony(Purpose::Link, &secret).await?.ok_or(FactorError::Over)?;
    let status = problem.as_ref().map_or(StatusCode::OK, |problem| problem.status);
    let page = LinkPage {
        viewer: Viewer::of(session, "/account"),
        problem: problem.map(|problem| problem.detail),
        secret,
        user,
        may_change: app.auth.may_change(session).await?,
        codes: session.member.totp.is_some(),
    };
    Ok(html(status, &page))
}

pub(super) async fn link(
    State(app): State<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Path(secret): Path<String>,
    Form(form): Form<Linking>,
) -> Result<Response, Trouble> {
    genuine(&session, &form.csrf)?;
    if let Err(error) = prove(&app, &session, &form.totp).await {
        return page(&app, &session, secret, Some(error.into())).await;
    }
    let linked = app.store.link(&secret, &session.member).await?;
    done(&app, &session, linked.map(drop).ok_or(FactorError::Over)).await
}

/// As for every change of one's own account.
async fn prove(app: &App, session: &Session, code: &str) -> Result<(), FactorError> {
    if !code.trim().is_empty() && !app.auth.is_proven(session).await? {
        app.auth.step_up(session, code).await?;
    }
    app.auth.must_change(session).await
}

pub(super) async fn unlink(
    State(app): State<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Form(form): Form<Unlinking>,
) -> Result<Response, Trouble> {
    genuine(&session, &form.csrf)?;
    app.store.unlink(&session.member.person, &form.team, &form.id).await?;
    done::<FactorError>(&app, &session, Ok(())).await
}
