//! What a client gets in place of the upstream's answer: problem details (RFC 9457).

use countersign_protocol::{Token, UnixMillis};
use serde_json::{Map, Value, json};

use crate::denial::{Denial, Reason};

/// Where a ticket's status can be read through the gateway, without its capability.
pub const STATUS_PATH: &str = "/.well-known/countersign/tickets/";

/// An answer in place of the upstream's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Why.
    pub reason: Reason,
    /// HTTP status.
    pub status: u16,
    /// Header fields.
    pub headers: Vec<(&'static str, String)>,
    /// `application/problem+json`.
    pub body: String,
}

/// How a client finds its held request again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ComeBack {
    pub(super) ticket: Token,
    pub(super) capability: Token,
    pub(super) answer_by: UnixMillis,
    pub(super) retry_after_seconds: i64,
}

impl Reply {
    pub(super) fn denial(denial: &Denial) -> Self {
        Self::build(denial, denial.reason.meaning().http, Vec::new(), Map::new())
    }

    /// A denial of a request that people were asked about.
    pub(super) fn ended(denial: &Denial, ticket: Token) -> Self {
        let members = Map::from_iter([("ticket".into(), json!(ticket))]);
        Self::build(denial, denial.reason.meaning().http, Vec::new(), members)
    }

    /// The hold is over: the same request, sent again, finds its ticket.
    pub(super) fn pending(status: u16, back: &ComeBack) -> Self {
        let denial = Denial::new(Reason::Pending, "nobody has answered yet");
        let link = format!("{STATUS_PATH}{}", back.capability);
        let headers = vec![("retry-after", back.retry_after_seconds.to_string())];
        let members = Map::from_iter([
            ("ticket".into(), json!(back.ticket)),
            ("status_url".into(), json!(link)),
            ("answer_by".into(), json!(crate::clock::rfc3339(back.answer_by))),
            ("retry_after".into(), json!(back.retry_after_seconds)),
        ]);
        Self::build(&denial, status, headers, members)
    }

    fn build(
        denial: &Denial,
        status: u16,
        more: Vec<(&'static str, String)>,
        members: Map<String, Value>,
    ) -> Self {
        let meaning = denial.reason.meaning();
        let mut body = Map::from_iter([
            ("type".into(), json!(format!("urn:countersign:{}", meaning.code))),
            ("title".into(), json!(meaning.sentence)),
            ("status".into(), json!(status)),
            ("code".into(), json!(meaning.code)),
            ("detail".into(), json!(denial.detail)),
        ]);
        body.extend(members);
        let mut headers = vec![
            ("content-type", "application/problem+json".to_owned()),
            ("cache-control", "no-store".to_owned()),
        ];
        headers.extend(more);
        Self { reason: denial.reason, status, headers, body: Value::Object(body).to_string() }
    }
}
