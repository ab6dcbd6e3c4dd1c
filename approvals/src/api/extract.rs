//! What handlers take from a request: the body, the path, the query, with problems for errors.

use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use countersign_protocol::approval::EVIDENCE;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Number;
use tokio::time::timeout;

use super::LONGEST_BODY;
use super::problem::Problem;
use crate::code::Code;

/// From here on not every whole number is a float.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// How long somebody may take to send a body.
const PATIENCE: Duration = Duration::from_secs(15);

/// Reads the body before anything else: whoever sends it is recognised when it is here, not when it began.
pub(crate) async fn whole(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match timeout(PATIENCE, to_bytes(body, LONGEST_BODY)).await {
        Ok(Ok(body)) => next.run(Request::from_parts(parts, body.into())).await,
        Ok(Err(_)) => {
            let detail = format!("this path takes at most {LONGEST_BODY} bytes");
            Problem::new(Code::BodyTooLarge, detail).into_response()
        }
        Err(_) => Problem::new(Code::BodyTooSlow, "the body did not come").into_response(),
    }
}

/// A JSON body.
#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(Problem))]
pub(crate) struct Body<T>(pub(crate) T);

/// A form.
#[derive(FromRequest)]
#[from_request(via(axum::Form), rejection(Problem))]
pub(crate) struct Form<T>(pub(crate) T);

/// A whole number as JSON Schema understands it (2020-12, validation, section 6.1.1): `1.0` is one, too.
pub(crate) fn whole_number<'de, D: Deserializer<'de>, T: TryFrom<i64>>(from: D) -> Result<T, D::Error> {
    let number = Number::deserialize(from)?;
    let float = || number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < EXACT);
    let whole = number.as_i64().or_else(|| format!("{:.0}", float()?).parse().ok());
    whole
        .and_then(|whole| whole.try_into().ok())
        .ok_or_else(|| D::Error::custom(format!("`{number}` is no such number")))
}

/// The same where there may be none.
pub(crate) fn maybe_whole_number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    struct Whole(#[serde(deserialize_with = "whole_number")] i64);
    Ok(Option::<Whole>::deserialize(from)?.map(|Whole(number)| number))
}

/// Lines of evidence.
pub(crate) struct Lines(pub(crate) Vec<String>);

impl<S: Send + Sync> FromRequest<S> for Lines {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if request.headers().get(header::CONTENT_TYPE).is_none_or(|given| given != EVIDENCE) {
            let detail = format!("this path takes `content-type: {EVIDENCE}`");
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
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
