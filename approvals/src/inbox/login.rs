//! Logging in and out with a browser.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::html;
use super::page::{LoggedIn, Trouble};
use crate::api::callers::{InPerson, OwnPage};
use crate::api::extract::Form;
use crate::api::problem::Problem;
use crate::api::sessions::set_cookie;
use crate::app::App;
use crate::auth::Credentials;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    user: String,
    error: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Csrf {
    csrf: String,
}

pub(super) async fn show(session: Result<InPerson, Problem>) -> Response {
    match session {
        Ok(_) => Redirect::to("/inbox").into_response(),
        Err(_) => html(axum::http::StatusCode::OK, &LoginPage { user: String::new(), error: None }),
    }
}

pub(super) async fn log_in(
    State(app): State<Arc<App>>,
    _own: OwnPage,
    Form(credentials): Form<Credentials>,
) -> Response {
    let user = credentials.user.clone();
    match app.auth.log_in(credentials).await {
        Ok(secret) => {
            ([(header::SET_COOKIE, set_cookie(&app, &secret))], Redirect::to("/inbox")).into_response()
        }
        Err(error) => {
            let Problem { status, detail, .. } = error.into();
            html(status, &LoginPage { user, error: Some(detail) })
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
    Ok(([(header::SET_COOKIE, set_cookie(&app, ""))], Redirect::to("/login")).into_response())
}
