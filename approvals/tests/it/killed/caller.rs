//! Speaks to the program over a socket, and tells a kill from any other trouble.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign_protocol::approval::EVIDENCE;
use countersign_protocol::grant::{GRANT_TYPE, Grant};
use countersign_protocol::jws::{self, KeySet};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

/// The program was killed before it answered: whether it did what was asked is not known.
#[derive(Debug)]
pub(super) struct Gone;

/// One run of the program, from outside.
#[derive(Clone)]
pub(super) struct Caller {
    http: Client,
    base: String,
    jwk: Value,
    /// Whether it is about to be killed: only then may it hang up.
    pub(super) killed: Arc<AtomicBool>,
}

impl Caller {
    /// `ready` is the line that the program says when it is.
    pub(super) fn new(ready: &Value) -> Self {
        Self {
            http: Client::builder().timeout(Duration::from_secs(60)).build().unwrap(),
            base: format!("http://{}", ready["listening"].as_str().unwrap()),
            jwk: ready["jwk"].clone(),
            killed: Arc::default(),
        }
    }

    pub(super) async fn post(&self, path: &str, token: &str, body: &Value) -> Result<Value, Gone> {
        self.send(self.http.post(format!("{}{path}", self.base)).json(body), token).await
    }

    /// Evidence on its own.
    pub(super) async fn deliver(&self, token: &str, lines: &[String]) -> Result<Value, Gone> {
        let request = self.http.post(format!("{}/v1/evidence", self.base));
        self.send(request.header("content-type", EVIDENCE).body(lines.join("\n")), token).await
    }

    pub(super) async fn get(&self, path: &str, token: &str) -> Result<Value, Gone> {
        self.send(self.http.get(format!("{}{path}", self.base)), token).await
    }

    async fn send(&self, request: RequestBuilder, token: &str) -> Result<Value, Gone> {
        let response = request.bearer_auth(token).send().await.map_err(|error| self.gone(&error))?;
        let status = response.status();
        let text = response.text().await.map_err(|error| self.gone(&error))?;
        assert!(status.is_success(), "{status} {text}");
        Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    fn gone(&self, error: &reqwest::Error) -> Gone {
        assert!(self.killed.load(Ordering::SeqCst) && !error.is_timeout(), "{error:?}");
        Gone
    }

    /// The grant of a verdict, verified.
    pub(super) fn grant(&self, verdict: &Value) -> Grant {
        let keys = KeySet::new(&[serde_json::from_value(self.jwk.clone()).unwrap()]).unwrap();
        jws::verify(verdict["grant"].as_str().unwrap(), GRANT_TYPE, &keys).unwrap()
    }
}
