//! The inbox: pages for people, which work without a script and are live with one.

mod account;
mod assets;
mod because;
mod bulk;
mod channels;
mod forms;
pub(crate) mod live;
mod login;
mod next;
mod page;
mod past;
mod provider;
mod queue;
pub(crate) mod reference;
mod request;
mod rows;
mod sought;
mod text;
mod typed;
pub(crate) mod words;

pub(crate) use request::PRESETS;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};

use crate::api::problem::Problem;
use crate::app::App;

/// What a page may load and do: nothing but this service's own files and forms.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What pages are.
const HTML: &str = "text/html; charset=utf-8";

/// Pages, their files and their live updates.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(|| async { Redirect::to("/inbox") }))
        .route("/login", get(login::show).post(login::log_in))
        .route("/login/done", get(login::arrive))
        .route("/login/oidc", get(provider::leave))
        .route("/login/oidc/callback", get(provider::come_back))
        .route("/logout", post(login::log_out))
        .merge(account::router())
        .route("/inbox", get(queue::show))
        .route("/inbox/changes", get(live::changes))
        .route("/inbox/history", get(past::history))
        .route("/inbox/mine", get(past::mine))
        .route("/inbox/reject", post(bulk::reject))
        .route("/inbox/channels", get(channels::show).post(channels::try_again))
        .route("/inbox/{ticket}", get(request::show))
        .route("/inbox/{ticket}/answer", post(forms::answer))
        .route("/inbox/{ticket}/passkey", post(forms::ask_passkey))
        .route("/inbox/{ticket}/revoke", post(forms::revoke))
        .route("/inbox/{ticket}/review", post(forms::review))
        .route("/assets/{file}", get(assets::file))
}

/// Whether somebody with a browser asks, and not for what is for programs.
fn wants_page(headers: &HeaderMap, uri: &Uri) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.any(|accepted| accepted.contains("text/html")) && !uri.path().starts_with("/v1/")
}

/// Puts on every reply what browsers need to know to keep it safe. A problem (RFC 9457) is a page for them.
pub(crate) async fn guarded(request: Request, next: Next) -> Response {
    let page = wants_page(request.headers(), request.uri());
    let mut response = next.run(request).await;
    if page && let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = page::of(&problem, response);
    }
    let rules = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Our own forms must name their origin; nobody else learns where a link was followed.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    let headers = response.headers_mut();
    for (name, value) in rules {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A page, or the reason why it could not be written.
fn html(status: StatusCode, page: &impl askama::Template) -> Response {
    match page.render() {
        Ok(text) => (status, [(header::CONTENT_TYPE, HTML)], text).into_response(),
        Err(error) => Problem::internal(&error).into_response(),
    }
}
