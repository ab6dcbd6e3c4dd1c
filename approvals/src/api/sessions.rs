//! Logging in and out, and proving the second factor.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use countersign_protocol::UnixMillis;
use countersign_protocol::person::Person;
use serde::{Deserialize, Serialize};

use super::extract::{Body, COOKIE};
use super::problem::Problem;
use crate::app::App;
use crate::auth::{Credentials, Session};

/// Who is logged in, and with what.
#[derive(Serialize)]
struct LoggedIn {
    /// The secret to send as `Authorization: Bearer`; browsers hold it in a cookie.
    session: String,
    person: Person,
    amr: Vec<String>,
    expires_at: UnixMillis,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Code {
    totp: String,
}

impl From<Session> for LoggedIn {
    fn from(session: Session) -> Self {
        let Session { secret, member, amr, expires_at } = session;
        Self { session: secret, person: member.person, amr, expires_at }
    }
}

/// A `Set-Cookie` for that session; an empty secret takes the cookie away. Browsers keep it for this very host and
/// from pages of other sites (RFC 6265bis, section 4.1.3.2); they take it over plain HTTP from this machine alone.
pub(crate) fn set_cookie(secret: &str) -> String {
    let age = if secret.is_empty() { "; Max-Age=0" } else { "" };
    format!("{COOKIE}={secret}; Path=/; Secure; HttpOnly; SameSite=Strict{age}")
}

async fn shown(app: &App, secret: &str) -> Result<Json<LoggedIn>, Problem> {
    let session = app.auth.session(secret).await?;
    let session = session.ok_or_else(|| Problem::unauthorized("the account has just gone"))?;
    Ok(Json(session.into()))
}

pub(crate) async fn log_in(
    State(app): State<Arc<App>>,
    Body(credentials): Body<Credentials>,
) -> Result<impl IntoResponse, Problem> {
    let secret = app.auth.log_in(credentials).await?;
    let cookie = [(header::SET_COOKIE, set_cookie(&secret))];
    Ok((StatusCode::CREATED, cookie, shown(&app, &secret).await?))
}

pub(crate) async fn step_up(
    State(app): State<Arc<App>>,
    session: Session,
    Body(code): Body<Code>,
) -> Result<impl IntoResponse, Problem> {
    app.auth.step_up(&session, &code.totp).await?;
    shown(&app, &session.secret).await
}

pub(crate) async fn log_out(
    State(app): State<Arc<App>>,
    session: Session,
) -> Result<impl IntoResponse, Problem> {
    app.store.end_session(&session.secret).await?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, set_cookie(""))]))
}
