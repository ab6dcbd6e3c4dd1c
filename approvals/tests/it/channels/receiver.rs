//! A server that takes messages by HTTP: it keeps what it got and answers as it is told to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::until;
use crate::oidc::provider::hmac_sha256;

/// One request that came.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// Whether one of its signatures is right (Standard Webhooks), as a receiver sees who knows this secret.
    pub(crate) fn is_signed(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let head = format!("{}.{}.", self.header("webhook-id"), self.header("webhook-timestamp"));
        let right = STANDARD.encode(hmac_sha256(&key, &[head.as_bytes(), &self.body].concat()));
        self.header("webhook-signature").split(' ').any(|given| given == format!("v1,{right}"))
    }
}

type Answer = (u16, &'static [(&'static str, &'static str)]);

#[derive(Default)]
struct Plan {
    got: Vec<Got>,
    /// What to answer to the next ones, before all others get `always`.
    next: VecDeque<Answer>,
    always: Option<Answer>,
    /// How long each answer takes.
    pause: std::time::Duration,
}

#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    plan: Arc<Mutex<Plan>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let plan = Arc::new(Mutex::new(Plan::default()));
        let router = Router::new().fallback(take).with_state(Arc::clone(&plan));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, plan }
    }

    /// What it answers to the next ones.
    pub(crate) fn then(&self, answers: &[Answer]) {
        self.plan.lock().unwrap().next.extend(answers);
    }

    /// What it answers to all others.
    pub(crate) fn always(&self, answer: Option<Answer>) {
        self.plan.lock().unwrap().always = answer;
    }

    /// How long each answer takes from now on.
    pub(crate) fn slow(&self, pause: std::time::Duration) {
        self.plan.lock().unwrap().pause = pause;
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.plan.lock().unwrap().got.clone()
    }

    /// Once so many came.
    pub(crate) async fn wait(&self, count: usize) -> Vec<Got> {
        until(&format!("{count} messages"), async || Some(self.got()).filter(|got| got.len() >= count)).await
    }
}

async fn take(State(plan): State<Arc<Mutex<Plan>>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let ((status, headers), pause) = {
        let mut plan = plan.lock().unwrap();
        plan.got.push(Got { path: uri.path().into(), headers, body });
        let answer = plan.next.pop_front().or(plan.always);
        (answer.unwrap_or((202, &[])), plan.pause)
    };
    tokio::time::sleep(pause).await;
    let mut response = StatusCode::from_u16(status).unwrap().into_response();
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    response
}
