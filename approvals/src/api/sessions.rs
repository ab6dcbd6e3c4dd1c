//! Logging in and out, and proving the second factor.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse};
use countersign_protocol::UnixMillis;
use countersign_protocol::grant::Membership;
use countersign_protocol::person::Person;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::callers::{BROWSER, COOKIE, InPerson, Reader, cookie};
use super::extract::Body;
use super::problem::{Failed, Problem};
use crate::app::App;
use crate::auth::{Credentials, Entered, Session};
use crate::people::{Member, Role};
use crate::store::browsers::LASTS;
use crate::store::tokens::Scope;

/// Who is logged in, and with what.
#[derive(Serialize, ToSchema)]
pub(crate) struct LoggedIn {
    /// The secret to send as `Authorization: Bearer`; browsers hold it in a cookie.
    session: String,
    person: Person,
    amr: Vec<String>,
    expires_at: UnixMillis,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Code {
    totp: String,
}

impl From<Session> for LoggedIn {
    fn from(session: Session) -> Self {
        let Session { secret, member, amr, expires_at, .. } = session;
        Self { session: secret, person: member.person, amr, expires_at }
    }
}

/// A `Set-Cookie` for that session; an empty secret takes the cookie away. Browsers keep it for this very host and
/// from pages of other sites (RFC 6265bis, section 4.1.3.2); they take it over plain HTTP from this machine alone.
pub(crate) fn set_cookie(secret: &str) -> String {
    let age = if secret.is_empty() { "; Max-Age=0" } else { "" };
    format!("{COOKIE}={secret}; Path=/; Secure; HttpOnly; SameSite=Strict{age}")
}

/// The cookies of somebody who has just logged in with a password: the session's first.
pub(crate) fn cookies(entered: &Entered) -> AppendHeaders<[(HeaderName, String); 2]> {
    let lasts = LASTS / 1000;
    let browser =
        format!("{BROWSER}={}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={lasts}", entered.browser);
    AppendHeaders([(header::SET_COOKIE, set_cookie(&entered.session)), (header::SET_COOKIE, browser)])
}

async fn shown(app: &App, secret: &str) -> Result<Json<LoggedIn>, Problem> {
    let session = app.auth.session(secret).await?;
    let session = session.ok_or_else(|| Problem::unauthorized("the account has just gone"))?;
    Ok(Json(session.into()))
}

/// Log in
#[utoipa::path(post, path = "/v1/sessions", tag = "service", request_body = Credentials,
    responses((status = 201, description = "A session, as a cookie too", body = LoggedIn), Failed))]
pub(crate) async fn log_in(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Body(credentials): Body<Credentials>,
) -> Result<impl IntoResponse, Problem> {
    let entered = app.auth.log_in(credentials, cookie(&headers, BROWSER)).await?;
    Ok((StatusCode::CREATED, cookies(&entered), shown(&app, &entered.session).await?))
}

/// Prove the second factor; it counts for 15 minutes
#[utoipa::path(post, path = "/v1/sessions/totp", tag = "people", request_body = Code,
    responses((status = 200, description = "The session as it is now", body = LoggedIn), Failed))]
pub(crate) async fn step_up(
    State(app): State<Arc<App>>,
    InPerson(session): InPerson,
    Body(code): Body<Code>,
) -> Result<impl IntoResponse, Problem> {
    app.auth.step_up(&session, &code.totp).await?;
    shown(&app, &session.secret).await
}

/// Log out
#[utoipa::path(delete, path = "/v1/sessions", tag = "people",
    responses((status = 204, description = "The session is over"), Failed))]
pub(crate) async fn log_out(
    State(app): State<Arc<App>>,
    InPerson(session): InPerson,
) -> Result<impl IntoResponse, Problem> {
    app.store.end_session(&session.secret).await?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, set_cookie(""))]))
}

/// Who somebody is, and what they may do.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    person: Person,
    name: Option<String>,
    groups: Vec<Membership>,
    roles: BTreeSet<Role>,
    /// How they proved who they are (RFC 8176); `api_token` when a token was used.
    amr: Vec<String>,
    /// What the token is for, when one was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<BTreeSet<Scope>>,
    expires_at: UnixMillis,
}

/// See who one is
#[utoipa::path(get, path = "/v1/me", tag = "people",
    responses((status = 200, description = "Who the session or token belongs to", body = Me), Failed))]
pub(crate) async fn me(Reader(session): Reader) -> Json<Me> {
    let Session { member, amr, scopes, expires_at, .. } = session;
    let Member { person, name, groups, roles, .. } = member;
    Json(Me { person, name, groups, roles, amr, scopes, expires_at })
}
