//! Logging in and out with a browser.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::html;
use super::next::Next;
use super::page::{LoggedIn, Trouble};
use crate::api::callers::{BROWSER, InPerson, OwnPage, cookie};
use crate::api::extract::{Form, Query};
use crate::api::problem::Problem;
use crate::api::sessions::{cookies, set_cookie};
use crate::app::App;
use crate::auth::Credentials;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    user: String,
    error: Option<String>,
    /// Whether there is a form for a password.
    passwords: bool,
    /// The host of the provider, where there is one.
    provider: Option<String>,
    next: Next,
}

/// A page that goes on by itself, so that the next request comes from this service and brings the session along.
#[derive(Template)]
#[template(path = "arrived.html")]
struct ArrivedPage {
    next: Next,
}

#[derive(Deserialize)]
pub(super) struct Csrf {
    pub(super) csrf: String,
}

/// Where to go on to.
#[derive(Deserialize)]
pub(super) struct On {
    #[serde(default)]
    next: String,
}

impl On {
    pub(super) fn next(&self) -> Next {
        Next::parse(&self.next)
    }
}

/// What the form for a password sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginForm {
    user: String,
    password: String,
    #[serde(default)]
    totp: Option<String>,
    #[serde(default)]
    next: String,
}

fn page(app: &App, status: StatusCode, user: String, error: Option<String>, next: Next) -> Response {
    let provider = app.provider.as_ref().map(|provider| provider.host().to_owned());
    html(status, &LoginPage { user, error, passwords: app.auth.takes_passwords(), provider, next })
}

/// The page to log in with; with what went wrong elsewhere.
pub(super) fn refused(app: &App, problem: Problem) -> Response {
    page(app, problem.status, String::new(), Some(problem.detail), Next::default())
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    session: Result<InPerson, Problem>,
    Query(on): Query<On>,
) -> Response {
    match session {
        Ok(_) => Redirect::to(&on.next().to_string()).into_response(),
        Err(_) => page(&app, StatusCode::OK, String::new(), None, on.next()),
    }
}

/// Where whoever comes from another site goes on from.
pub(super) async fn arrive(Query(on): Query<On>) -> Response {
    html(StatusCode::OK, &ArrivedPage { next: on.next() })
}

pub(super) async fn log_in(
    State(app): State<Arc<App>>,
    _own: OwnPage,
    headers: HeaderMap,
    Form(form): Form<LoginForm>,
) -> Response {
    let (user, next) = (form.user.clone(), Next::parse(&form.next));
    let credentials = Credentials { user: form.user, password: form.password, totp: form.totp };
    match app.auth.log_in(credentials, cookie(&headers, BROWSER)).await {
        Ok(entered) => (cookies(&entered), Redirect::to(&next.to_string())).into_response(),
        Err(error) => {
            let Problem { status, detail, .. } = error.into();
            page(&app, status, user, Some(detail), next)
        }
    }
}

pub(super) async fn log_out(
    State(app): State<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Form(form): Form<Csrf>,
) -> Result<Response, Trouble> {
    super::forms::genuine(&session, &form.csrf)?;
    app.store.end_session(&session.secret).await?;
    Ok(([(header::SET_COOKIE, set_cookie(""))], Redirect::to("/login")).into_response())
}
