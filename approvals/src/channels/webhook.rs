//! Programs that are told: HTTP with a signature (Standard Webhooks 1.0).

use axum::http::{Method, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use countersign_protocol::UnixMillis;
use countersign_view::is_plain_host;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use serde::Serialize;
use sha2::Sha256;
use url::Url;

use super::message::Message;
use super::{Http, waits};
use crate::api::people::Summary;
use crate::setup::clock;
use crate::store::history::Entry;
use crate::store::outbox::settling::Tried;

/// How secrets begin.
const PREFIX: &str = "whsec_";
/// The shortest and the longest key, bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// Where to send to, and what to sign with: the newest first, all that a receiver may still know.
#[derive(Clone)]
pub(crate) struct Webhook {
    pub(super) http: Http,
    pub(super) url: Url,
    pub(super) keys: Vec<SigningKey>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Webhook({})", self.url)
    }
}

/// A key that sender and receiver share.
#[derive(Clone)]
pub(crate) struct SigningKey(Vec<u8>);

/// Never the key.
impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}

/// A text that holds no key.
#[derive(Debug, thiserror::Error)]
#[error("a secret is `whsec_` and 24 to 64 bytes in base64: make one with `openssl rand -base64 32`")]
pub(crate) struct BadKey;

impl SigningKey {
    pub(super) fn parse(text: &str) -> Result<Self, BadKey> {
        let key = text.strip_prefix(PREFIX).and_then(|text| BASE64.decode(text).ok());
        key.filter(|key| LENGTHS.contains(&key.len())).map(Self).ok_or(BadKey)
    }

    fn sign(&self, id: &str, at: i64, body: &[u8]) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(format!("{id}.{at}.").as_bytes());
        mac.update(body);
        Some(format!("v1,{}", BASE64.encode(mac.finalize().into_bytes())))
    }
}

/// What is sent.
#[derive(Serialize)]
struct Sent<'a> {
    /// `request.` and what happened.
    r#type: String,
    /// When it happened (RFC 3339).
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    /// The request's page.
    url: &'a str,
    /// What happened, as in the request's history.
    event: &'a Entry,
    /// The request as it is when this is sent.
    request: Summary,
    /// Whether its host is written in ASCII: another may look like one that the reader knows.
    plain_host: bool,
    /// Why it is stopped, for people: untrusted text.
    reasons: Vec<&'a str>,
    /// What the caller says: untrusted text.
    justification: Option<&'a str>,
}

impl Webhook {
    pub(super) async fn deliver(&self, message: &Message) -> Tried {
        let Ok(body) = serde_json::to_vec(&sent(message)) else {
            return Tried::Refused("the message cannot be written".into());
        };
        // This machine's clock: receivers hold it against theirs.
        let (id, at) = (format!("msg_{}", message.id), clock() / 1000);
        let signatures: Vec<_> = self.keys.iter().filter_map(|key| key.sign(&id, at, &body)).collect();
        let request = axum::http::Request::builder()
            .method(Method::POST)
            .uri(self.url.as_str())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, super::AGENT)
            .header("webhook-id", id)
            .header("webhook-timestamp", at)
            .header("webhook-signature", signatures.join(" "))
            .body(body);
        let Ok(request) = request else { return Tried::Refused("the address cannot be called".into()) };
        match self.http.call(request).await {
            Ok(reply) if reply.status().is_success() => Tried::Sent(None),
            Ok(reply) if reply.status() == StatusCode::GONE => {
                Tried::Refused("the receiver wants no more of them (410)".into())
            }
            Ok(reply) => waits(&reply, &format!("the receiver answered {}", reply.status().as_u16())),
            Err(error) => Tried::Failed(error.to_string()),
        }
    }
}

fn sent(message: &Message) -> Sent<'_> {
    let question = &message.ticket.question;
    Sent {
        r#type: format!("request.{}", message.event.event),
        timestamp: rfc3339(message.at),
        data: Data {
            url: &message.link,
            event: &message.event,
            request: Summary::of(&message.ticket, &message.answers),
            plain_host: is_plain_host(&question.request.authority),
            reasons: question.gates.iter().filter_map(|gate| gate.reason.as_deref()).collect(),
            justification: question.justification.as_deref(),
        },
    }
}

fn rfc3339(at: UnixMillis) -> String {
    Timestamp::from_millisecond(at).map(|at| at.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_standard_s_own_example() {
        // Of the specification's libraries: id, time and body as they have them.
        let key = SigningKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b"{\"test\": 2432232314}");
        assert_eq!(signature.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn only_keys_are_keys() {
        for text in ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%"] {
            assert!(SigningKey::parse(text).is_err(), "{text}");
        }
        assert_eq!(format!("{:?}", SigningKey(vec![1; 32])), "SigningKey");
    }
}
