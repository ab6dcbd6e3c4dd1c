//! What handlers take from a request: the body, the path, the query, with problems for errors.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header;
use countersign_protocol::approval::EVIDENCE;

use super::problem::Problem;

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
