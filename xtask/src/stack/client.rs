//! An ordinary HTTP client: it knows nothing of approvals.

use std::net::SocketAddr;

use anyhow::Result;
use countersign_protocol::Hash;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Request};
use serde_json::Value;

use super::upstream::Arrived;
use crate::example::Call;

/// The host of the example's API.
pub const HOST: &str = "deploy.example";

/// A request, ready to be sent as often as one likes.
#[derive(Debug, Clone)]
pub struct Prepared {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Seconds to wait, when it says so.
    pub retry_after: Option<u64>,
    /// JSON, or nothing when it is none.
    pub body: Value,
}

impl Prepared {
    /// The request for `call`, in the name of whom `token` is for.
    ///
    /// # Errors
    /// When the call cannot be written as HTTP.
    pub fn new(call: &Call, token: Option<&str>) -> Result<Self> {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static(HOST));
        headers.insert("accept", HeaderValue::from_static("application/json"));
        headers.insert("user-agent", HeaderValue::from_static("release-bot/1.0"));
        if let Some(token) = token {
            headers.insert("authorization", HeaderValue::try_from(format!("Bearer {token}"))?);
        }
        if let Some(why) = &call.justification {
            headers.insert("countersign-justification", HeaderValue::try_from(why)?);
        }
        if call.body.is_some() {
            headers.insert("content-type", HeaderValue::from_static("application/json"));
        }
        let body = call.body.as_ref().map(serde_json::to_vec).transpose()?.unwrap_or_default();
        Ok(Self { method: call.method.parse()?, path: call.path.clone(), headers, body })
    }

    /// The same with one more header.
    ///
    /// # Errors
    /// When it cannot be written as HTTP.
    pub fn with(mut self, name: &str, value: &str) -> Result<Self> {
        self.headers.append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        Ok(self)
    }

    /// The same with one more header whose value may be any bytes that HTTP takes.
    ///
    /// # Errors
    /// When it cannot be written as HTTP.
    pub fn with_bytes(mut self, name: &str, value: &[u8]) -> Result<Self> {
        self.headers.append(HeaderName::try_from(name)?, HeaderValue::from_bytes(value)?);
        Ok(self)
    }

    /// The same for another host.
    ///
    /// # Errors
    /// When it cannot be written as HTTP.
    pub fn to(mut self, host: &str) -> Result<Self> {
        self.headers.insert("host", HeaderValue::try_from(host)?);
        Ok(self)
    }

    /// The HTTP method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Raw, with its query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its header fields, `host` among them.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Its start line and headers as HTTP/1.1, with `framing` for the body, for whoever writes it by hand.
    ///
    /// # Errors
    /// When a header is no text.
    pub fn head(&self, framing: &str) -> Result<String> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {}\r\n", value.to_str()?));
        }
        Ok(format!("{head}{framing}connection: close\r\n\r\n"))
    }

    /// Its headers that are text, in order.
    #[must_use]
    pub fn text_headers(&self) -> Vec<(String, String)> {
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            Some((name.to_string(), value.to_str().ok()?.into()))
        };
        self.headers.iter().filter_map(text).collect()
    }

    /// The body's bytes.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Sends it through a gateway and waits for the answer, however long it is held.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn send(&self, gateway: SocketAddr) -> Result<Answer> {
        let url = format!("http://{gateway}{}", self.path);
        let mut request = Request::new(self.method.clone(), url.parse()?);
        *request.headers_mut() = self.headers.clone();
        if !self.body.is_empty() {
            *request.body_mut() = Some(self.body.clone().into());
        }
        let answer = Client::new().execute(request).await?;
        let seconds = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let retry_after = seconds.and_then(|seconds| seconds.parse().ok());
        let status = answer.status().as_u16();
        let body = serde_json::from_slice(&answer.bytes().await?).unwrap_or_default();
        Ok(Answer { status, retry_after, body })
    }

    /// What differs between this request and what arrived, or nothing.
    #[must_use]
    pub fn difference(&self, arrived: &Arrived) -> Option<String> {
        let changed =
            |what: &str, sent: &str, got: &str| Some(format!("{what}: sent `{sent}`, arrived `{got}`"));
        if self.method.as_str() != arrived.method {
            return changed("method", self.method.as_str(), &arrived.method);
        }
        if self.path != arrived.path {
            return changed("path", &self.path, &arrived.path);
        }
        let digest = Hash::of(&self.body).to_string();
        if digest != arrived.body_sha256 {
            return changed("body", &digest, &arrived.body_sha256);
        }
        self.changed_header(arrived).or_else(|| self.added_header(arrived))
    }

    fn changed_header(&self, arrived: &Arrived) -> Option<String> {
        self.headers.keys().find_map(|name| {
            // As the upstream writes down what it got.
            let sent = self.headers.get_all(name).iter();
            let sent: Vec<_> = sent.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            let got = arrived.header(name.as_str());
            (sent != got).then(|| format!("header `{name}`: sent {sent:?}, arrived {got:?}"))
        })
    }

    /// Nothing may be added but what the protocol needs and what the gateway is known to add.
    fn added_header(&self, arrived: &Arrived) -> Option<String> {
        const KNOWN: [&str; 5] =
            ["content-length", "transfer-encoding", "x-forwarded-for", "x-forwarded-proto", "x-request-id"];
        let new = |name: &str| !self.headers.contains_key(name) && !KNOWN.contains(&name);
        let added = arrived.headers.iter().find(|(name, _)| new(&name.to_ascii_lowercase()));
        added.map(|(name, value)| format!("header `{name}: {value}` was added"))
    }
}

impl Answer {
    /// The problem's stable code, when it is a problem.
    #[must_use]
    pub fn code(&self) -> &str {
        self.body.get("code").and_then(Value::as_str).unwrap_or_default()
    }

    /// What is particular about a problem.
    #[must_use]
    pub fn detail(&self) -> &str {
        self.body.get("detail").and_then(Value::as_str).unwrap_or_default()
    }
}
