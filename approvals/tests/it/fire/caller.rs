//! Speaks to the program over a socket, and tells the trouble that a test makes from any other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use countersign_protocol::approval::EVIDENCE;
use countersign_protocol::grant::{GRANT_TYPE, Grant};
use countersign_protocol::jws::{self, KeySet};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::harness::{EDGE, PASSWORD, shown};

/// How long the database may be away.
const AWAY: Duration = Duration::from_secs(60);

/// The program was killed before it answered: whether it did what was asked is not known.
#[derive(Debug)]
pub(crate) struct Gone;

/// One run of the program, from outside.
#[derive(Clone)]
pub(crate) struct Caller {
    http: Client,
    base: String,
    jwk: Value,
    /// Whether it is about to be killed: only then may it hang up.
    pub(crate) killed: Arc<AtomicBool>,
    /// Whether its database may be away: only then may it put off what it is asked.
    pub(crate) away: Arc<AtomicBool>,
}

impl Caller {
    /// `ready` is the line that the program says when it is.
    pub(crate) fn new(ready: &Value) -> Self {
        Self {
            http: Client::builder().timeout(Duration::from_secs(60)).build().unwrap(),
            base: format!("http://{}", ready["listening"].as_str().unwrap()),
            jwk: ready["jwk"].clone(),
            killed: Arc::default(),
            away: Arc::default(),
        }
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> Result<Value, Gone> {
        self.expect(self.http.post(format!("{}{path}", self.base)).json(body), token).await
    }

    /// Evidence on its own.
    pub(crate) async fn deliver(&self, token: &str, lines: &[String]) -> Result<Value, Gone> {
        let request = self.http.post(format!("{}/v1/evidence", self.base));
        self.expect(request.header("content-type", EVIDENCE).body(lines.join("\n")), token).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Result<Value, Gone> {
        self.expect(self.http.get(format!("{}{path}", self.base)), token).await
    }

    /// What comes of it, whatever that is.
    pub(crate) async fn attempt(
        &self,
        path: &str,
        token: &str,
        body: &Value,
    ) -> Result<(StatusCode, Value), Gone> {
        self.send(self.http.post(format!("{}{path}", self.base)).json(body), token).await
    }

    async fn expect(&self, request: RequestBuilder, token: &str) -> Result<Value, Gone> {
        let (status, body) = self.send(request, token).await?;
        assert!(status.is_success(), "{status} {body}");
        Ok(body)
    }

    /// Sends it, again for as long as the database may be away.
    async fn send(&self, request: RequestBuilder, token: &str) -> Result<(StatusCode, Value), Gone> {
        let request = request.bearer_auth(token);
        let since = Instant::now();
        loop {
            let sent = request.try_clone().unwrap().send().await;
            let response = sent.map_err(|error| self.gone(&error))?;
            let (status, again) = (response.status(), response.headers().get("retry-after").cloned());
            let text = response.text().await.map_err(|error| self.gone(&error))?;
            let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
            if status != StatusCode::SERVICE_UNAVAILABLE || !self.away.load(Ordering::SeqCst) {
                return Ok((status, body));
            }
            assert_eq!(body["code"], "database_unavailable", "{body}");
            assert!(since.elapsed() < AWAY, "the service does not recover: {body}");
            let seconds = again.unwrap().to_str().unwrap().parse().unwrap();
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
    }

    fn gone(&self, error: &reqwest::Error) -> Gone {
        assert!(self.killed.load(Ordering::SeqCst) && !error.is_timeout(), "{error:?}");
        Gone
    }

    /// The grant of a verdict, verified.
    pub(crate) fn grant(&self, verdict: &Value) -> Grant {
        let keys = KeySet::new(&[serde_json::from_value(self.jwk.clone()).unwrap()]).unwrap();
        jws::verify(verdict["grant"].as_str().unwrap(), GRANT_TYPE, &keys).unwrap()
    }

    pub(crate) async fn log_in(&self, user: &str) -> String {
        let body = json!({ "user": user, "password": PASSWORD });
        let reply = self.post("/v1/sessions", "", &body).await.unwrap();
        reply["session"].as_str().unwrap().to_owned()
    }

    /// The answer to one question.
    pub(crate) async fn ask(&self, ask: &Value) -> Value {
        let body = json!({ "evidence": [], "items": [ask] });
        let item = self.post("/v1/requests", EDGE, &body).await.unwrap()["items"][0].clone();
        assert_eq!(item["result"], "open", "{item}");
        item
    }

    /// Answers `ask`, as `ticket`, in the name of whom that session belongs to.
    pub(crate) async fn answer(
        &self,
        session: &str,
        (ask, ticket): (&Value, &str),
        kind: &str,
    ) -> (StatusCode, Value) {
        let shown = shown(&ask["question"]);
        let body = json!({ "kind": kind, "reason": "because", "shown": shown });
        self.attempt(&format!("/v1/requests/{ticket}/answers"), session, &body).await.unwrap()
    }

    /// One long poll.
    pub(crate) async fn wait(&self, ask: &Value, cursor: u64, timeout_ms: u64) -> Value {
        let body = json!({ "waiter": ask["waiter"], "cursor": cursor, "timeout_ms": timeout_ms });
        self.post("/v1/wait", EDGE, &body).await.unwrap()
    }
}
