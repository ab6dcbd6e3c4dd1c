//! To the provider and back: the browser that left is the only one that can come back.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

use super::login::{self, On};
use super::next::Next;
use crate::api::callers::cookie;
use crate::api::extract::Query;
use crate::api::problem::Problem;
use crate::api::sessions::set_cookie;
use crate::app::App;
use crate::auth::provided::ProvidedError;
use crate::code::Code;
use crate::oidc::{OidcError, Provider, word};

/// The cookie of a browser that is away. `Lax`, because it comes back from another site.
const COOKIE: &str = "__Host-countersign_login";

/// What the provider sends a browser back with (RFC 6749, section 4.1.2, and RFC 9207).
#[derive(Deserialize)]
pub(super) struct Back {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

impl From<ProvidedError> for Problem {
    fn from(error: ProvidedError) -> Self {
        match error {
            ProvidedError::Login(error) => error.into(),
            ProvidedError::None => Self::not_found(),
            ProvidedError::NotBegun => Self::new(Code::LoginNotBegun, error.to_string()),
            ProvidedError::Removed => Self::new(Code::AccountRemoved, error.to_string()),
            ProvidedError::Provider(error) => provider(&error),
        }
    }
}

/// What is said of the provider names no details that came from it.
fn provider(error: &OidcError) -> Problem {
    tracing::warn!(%error, "nobody was logged in at the provider");
    let (code, detail) = match error {
        OidcError::Unavailable(_) => {
            let detail = "the log-in provider does not answer as it should: try again in a moment";
            (Code::ProviderUnavailable, detail.to_owned())
        }
        OidcError::Untrusted(_) => {
            let detail = "what the log-in provider said does not hold, so nobody was logged in";
            (Code::ProviderUntrusted, detail.to_owned())
        }
        OidcError::Refused(why) => (Code::ProviderRefused, format!("the log-in provider refused: {why}")),
    };
    Problem::new(code, detail)
}

fn held(state: &str) -> String {
    let age = if state.is_empty() { 0 } else { 600 };
    format!("{COOKIE}={state}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={age}")
}

/// Sends a browser to the provider.
pub(super) async fn leave(State(app): State<Arc<App>>, Query(on): Query<On>) -> Response {
    match sent_off(&app, on.next()).await {
        Ok(response) => response,
        Err(error) => login::refused(&app, error.into()),
    }
}

async fn sent_off(app: &App, next: Next) -> Result<Response, ProvidedError> {
    let provider = app.provider.as_ref().ok_or(ProvidedError::None)?;
    let sent = app.auth.send_off(provider, next.to_string()).await?;
    let cookie = [(header::SET_COOKIE, held(&sent.state))];
    Ok((cookie, Redirect::to(sent.to.as_str())).into_response())
}

/// Takes a browser back. What comes next has to be a page of this service that goes on by itself, because a browser
/// that another site sent brings no `Strict` cookie along.
pub(super) async fn come_back(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Query(back): Query<Back>,
) -> Response {
    match returned(&app, &headers, back).await {
        Ok((secret, next)) => {
            let cookies = [(header::SET_COOKIE, set_cookie(&secret)), (header::SET_COOKIE, held(""))];
            let on = Redirect::to(&format!("/login/done?next={next}"));
            (AppendHeaders(cookies), on).into_response()
        }
        Err(error) => login::refused(&app, error.into()),
    }
}

async fn returned(app: &App, headers: &HeaderMap, back: Back) -> Result<(String, Next), ProvidedError> {
    let provider = app.provider.as_ref().ok_or(ProvidedError::None)?;
    let (held, state) = (cookie(headers, COOKIE), back.state.as_deref());
    let (Some(held), Some(state)) = (held, state) else { return Err(ProvidedError::NotBegun) };
    if !bool::from(held.as_bytes().ct_eq(state.as_bytes())) {
        return Err(ProvidedError::NotBegun);
    }
    let away = app.auth.come_back(state).await?;
    let code = answer(provider, back)?;
    let next = Next::parse(&away.next);
    Ok((app.auth.admit(provider, code, away).await?, next))
}

fn answer(provider: &Provider, back: Back) -> Result<String, OidcError> {
    if !provider.is(back.iss.as_deref()) {
        return Err(OidcError::Untrusted("another provider answered".into()));
    }
    back.code
        .filter(|_| back.error.is_none())
        .ok_or_else(|| OidcError::Refused(word(&back.error.unwrap_or_default())))
}
