//! What reached the API: method, raw path, headers and body of every call, in the order of arrival.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// No call of the example is larger, in bytes.
const LARGEST_BODY: usize = 4 << 20;

/// One call as it arrived.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Call {
    /// When it was complete: Unix, milliseconds.
    at: u128,
    method: String,
    /// Raw, with its query.
    path: String,
    /// In order; bytes that are not UTF-8 are replaced.
    headers: Vec<(String, String)>,
    /// Lower-case hexadecimal.
    body_sha256: String,
    body_bytes: usize,
}

/// Every call so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    /// All calls, in the order of arrival.
    pub(crate) fn all(&self) -> Vec<Call> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn push(&self, call: Call) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }
}

/// Keeps the call, then lets it on. A call whose body does not arrive whole is no call.
pub(crate) async fn keep(State(calls): State<Calls>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let header = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    calls.push(Call {
        at,
        method: parts.method.to_string(),
        path: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        headers: parts.headers.iter().map(header).collect(),
        body_sha256: Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect(),
        body_bytes: body.len(),
    });
    next.run(Request::from_parts(parts, Body::from(body))).await
}
