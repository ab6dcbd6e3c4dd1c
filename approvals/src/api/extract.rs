//! What handlers take from a request: the caller, the body, the query, with problems for errors.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use countersign_protocol::approval::EVIDENCE;

use super::problem::Problem;
use crate::app::App;
use crate::auth::Session;
use crate::store::gateways::{Credential, Gateway};

/// The name of the session cookie.
pub(crate) const COOKIE: &str = "__Host-countersign_session";

/// A JSON body.
#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(Problem))]
pub(crate) struct Body<T>(pub(crate) T);

/// A form.
#[derive(FromRequest)]
#[from_request(via(axum::Form), rejection(Problem))]
pub(crate) struct Form<T>(pub(crate) T);

/// Lines of evidence.
pub(crate) struct Lines(pub(crate) Vec<String>);

impl<S: Send + Sync> FromRequest<S> for Lines {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if request.headers().get(header::CONTENT_TYPE).is_none_or(|given| given != EVIDENCE) {
            return Err(Problem::unsupported_media_type(EVIDENCE));
        }
        let text = String::from_request(request, state).await?;
        // Nothing but the line feed ends a line: the hash of a record is over its very bytes.
        let lines = text.split('\n').filter(|line| !line.is_empty());
        Ok(Self(lines.map(str::to_owned).collect()))
    }
}

/// The query string.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub(crate) struct Query<T>(pub(crate) T);

/// The parts of the path.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub(crate) struct Path<T>(pub(crate) T);

/// The gateway whose token came along.
pub(crate) struct Caller(pub(crate) Arc<Gateway>);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let token =
            bearer(&parts.headers).ok_or_else(|| Problem::unauthorized("a gateway token is needed"))?;
        let gateway = app.store.gateway(&Credential::Token(token)).await?;
        gateway
            .map(|gateway| Self(Arc::new(gateway)))
            .ok_or_else(|| Problem::unauthorized("no gateway has this token"))
    }
}

impl FromRequestParts<Arc<App>> for Session {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let secret = match bearer(&parts.headers) {
            Some(secret) => Some(secret),
            None => cookie(&parts.headers, COOKIE).filter(|_| own_page(app, parts)),
        };
        let session = match secret {
            Some(secret) => app.auth.session(secret).await?,
            None => None,
        };
        session.ok_or_else(|| Problem::unauthorized("log in first"))
    }
}

/// A request that changes something and does not come from another site's page.
pub(crate) struct OwnPage;

impl FromRequestParts<Arc<App>> for OwnPage {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let own = own_page(app, parts).then_some(Self);
        own.ok_or_else(|| Problem::forbidden("cross_site", "this comes from another site"))
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = pairs.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Whether a request that changes something comes from a page of this very origin. `SameSite` alone lets
/// other ports of the same host through. A browser that does not say where a request comes from (Fetch Metadata)
/// names its origin.
fn own_page(app: &App, parts: &Parts) -> bool {
    let header = |name| parts.headers.get(name).map(HeaderValue::as_bytes);
    match header("sec-fetch-site") {
        _ if matches!(parts.method, Method::GET | Method::HEAD) => true,
        Some(site) => matches!(site, b"same-origin" | b"none"),
        None => header("origin") == Some(app.origin.as_bytes()),
    }
}
