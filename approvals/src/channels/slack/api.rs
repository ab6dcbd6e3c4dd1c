//! Slack's methods: JSON over HTTP, `ok` or an error's name, and how long to wait when there were too many.

use std::time::Duration;

use axum::http::{Method, Request, header};
use serde_json::Value;
use url::Url;

use super::Slack;
use crate::channels::{AGENT, retry_after};
use crate::store::outbox::settling::Tried;

/// Errors that pass: Slack's own, and a limit that a reply tells instead of its status.
const PASSING: [&str; 6] = [
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "ratelimited",
    "rate_limited",
];

/// Why a call did nothing.
#[derive(Debug)]
pub(super) enum NotDone {
    /// It may work later.
    Later(String),
    /// There were too many calls.
    Limited(Duration),
    /// Slack's name for what is wrong.
    Refused(String),
}

impl From<NotDone> for Tried {
    fn from(not_done: NotDone) -> Self {
        match not_done {
            NotDone::Later(error) => Self::Failed(error),
            NotDone::Limited(wait) => Self::Limited(wait, "Slack takes no more for now (429)".into()),
            NotDone::Refused(code) => Self::Refused(format!("Slack says `{code}`")),
        }
    }
}

impl Slack {
    /// Calls a method that writes.
    pub(super) async fn call(&self, method: &str, body: &Value) -> Result<Value, NotDone> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}/{method}", self.api))
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8");
        self.send(request, body.to_string().into_bytes()).await
    }

    /// Calls a method that reads.
    pub(super) async fn read(&self, method: &str, query: &[(&str, &str)]) -> Result<Value, NotDone> {
        let url = Url::parse_with_params(&format!("{}/{method}", self.api), query);
        let url = url.map_err(|error| NotDone::Refused(error.to_string()))?;
        self.send(Request::builder().method(Method::GET).uri(url.as_str()), Vec::new()).await
    }

    async fn send(&self, request: axum::http::request::Builder, body: Vec<u8>) -> Result<Value, NotDone> {
        let request = request
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::USER_AGENT, AGENT)
            .body(body)
            .map_err(|_| NotDone::Refused("the token or the address cannot be sent".into()))?;
        let reply = self.http.call(request).await.map_err(|error| NotDone::Later(error.to_string()))?;
        if let Some(wait) = retry_after(&reply) {
            return Err(NotDone::Limited(wait));
        }
        if !reply.status().is_success() {
            return Err(NotDone::Later(format!("Slack answered {}", reply.status().as_u16())));
        }
        let Ok(said) = serde_json::from_slice::<Value>(reply.body()) else {
            return Err(NotDone::Later("Slack answered something that is no JSON".into()));
        };
        if said.get("ok").and_then(Value::as_bool) == Some(true) {
            return Ok(said);
        }
        let code = said.get("error").and_then(Value::as_str).unwrap_or("unknown_error").to_owned();
        let passing = PASSING.contains(&code.as_str());
        Err(if passing { NotDone::Later(format!("Slack says `{code}`")) } else { NotDone::Refused(code) })
    }
}
