//! What every page shares, and what stands in for a page that cannot be shown.

use std::sync::Arc;

use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use super::next::Next;
use super::text::Visible;
use super::{HTML, wants_page};
use crate::api::callers::InPerson;
use crate::api::problem::Problem;
use crate::app::App;
use crate::auth::Session;
use crate::people::Role;

/// Who looks at a page.
pub(super) struct Viewer {
    name: String,
    /// The address of the page among those that the bar names.
    pub(super) at: &'static str,
    /// What their forms must carry.
    pub(super) csrf: String,
    /// Whether they may see how the channels do.
    pub(super) admin: bool,
}

impl Viewer {
    pub(super) fn of(session: &Session, at: &'static str) -> Self {
        let admin = session.member.has(&[Role::Admin]);
        Self { name: session.member.display_name().to_owned(), at, csrf: session.csrf(), admin }
    }

    /// What they are called: somebody else's word, a provider's.
    pub(super) fn name(&self) -> Visible<'_> {
        Visible::line(&self.name)
    }
}

/// Somebody who is logged in; everybody else is asked to log in.
pub(super) struct LoggedIn(pub(super) Session);

impl FromRequestParts<Arc<App>> for LoggedIn {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Trouble> {
        let session = InPerson::from_request_parts(parts, app).await.map(|InPerson(session)| session);
        session.map(Self).map_err(|problem| match problem.status {
            StatusCode::UNAUTHORIZED if wants_page(&parts.headers, &parts.uri) => {
                Trouble::Stranger(Way::of(parts))
            }
            _ => Trouble::Problem(problem),
        })
    }
}

/// A problem, as a page.
#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    status: StatusCode,
    detail: String,
}

/// How somebody with a browser came who is not logged in, or whose browser does not say so.
pub(super) struct Way {
    /// Where they wanted to go.
    to: Next,
    /// Whether a page of another site sent them; then the browser has kept the session back.
    from_elsewhere: bool,
}

impl Way {
    fn of(parts: &Parts) -> Self {
        let page = matches!(parts.method, Method::GET | Method::HEAD);
        let to = if page { Next::parse(parts.uri.path()) } else { Next::with_form(parts.uri.path()) };
        let site = parts.headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        Self { to, from_elsewhere: page && matches!(site, Some(b"cross-site" | b"same-site")) }
    }
}

/// A problem for somebody with a browser: who is not logged in is asked to.
pub(super) enum Trouble {
    Stranger(Way),
    Problem(Problem),
}

impl<T: Into<Problem>> From<T> for Trouble {
    fn from(problem: T) -> Self {
        Self::Problem(problem.into())
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        match self {
            Self::Stranger(Way { to, from_elsewhere: true }) => {
                Redirect::to(&format!("/login/done?next={to}")).into_response()
            }
            Self::Stranger(Way { to, .. }) => Redirect::to(&format!("/login?next={to}")).into_response(),
            Self::Problem(problem) => problem.into_response(),
        }
    }
}

/// A problem as a page; the reply as programs read it where even that cannot be written.
pub(super) fn of(problem: &Problem, reply: Response) -> Response {
    if problem.status == StatusCode::UNAUTHORIZED {
        return Redirect::to("/login").into_response();
    }
    let written = ProblemPage { status: problem.status, detail: problem.detail.clone() }.render();
    let Ok(text) = written else { return reply };
    let (mut parts, _) = reply.into_parts();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(HTML));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, text.into())
}
