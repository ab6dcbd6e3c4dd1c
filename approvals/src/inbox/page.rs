//! What every page shares, and what stands in for a page that cannot be shown.

use std::sync::Arc;

use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};

use super::html;
use crate::api::callers::InPerson;
use crate::api::problem::Problem;
use crate::app::App;
use crate::auth::Session;

/// Who looks at a page.
pub(super) struct Viewer {
    pub(super) name: String,
    /// What their forms must carry.
    pub(super) csrf: String,
}

impl Viewer {
    pub(super) fn of(session: &Session) -> Self {
        Self { name: session.member.display_name().to_owned(), csrf: session.csrf() }
    }
}

/// Somebody who is logged in; everybody else is asked to log in.
pub(super) struct LoggedIn(pub(super) Session);

impl FromRequestParts<Arc<App>> for LoggedIn {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Trouble> {
        let InPerson(session) = InPerson::from_request_parts(parts, app).await?;
        Ok(Self(session))
    }
}

/// A problem, as a page.
#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    status: StatusCode,
    detail: String,
}

/// A problem for somebody with a browser: who is not logged in is asked to.
pub(super) struct Trouble(Problem);

impl<T: Into<Problem>> From<T> for Trouble {
    fn from(problem: T) -> Self {
        Self(problem.into())
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let Self(Problem { status, detail, .. }) = self;
        if status == StatusCode::UNAUTHORIZED {
            return Redirect::to("/login").into_response();
        }
        html(status, &ProblemPage { status, detail })
    }
}
