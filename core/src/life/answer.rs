//! What a client gets in place of the upstream's answer, in the protocol that it speaks.

use countersign_protocol::{Token, UnixMillis};
use serde_json::{Map, Value, json};

use crate::denial::{Denial, Reason};
use crate::dialect::Dialect;
use crate::grpc::percent_encoded;

/// Where a ticket's status can be read through the gateway, without its capability.
pub const STATUS_PATH: &str = "/.well-known/countersign/tickets/";

/// What a client is told whose token does not hold: it may get a fresh one (RFC 6750 section 3.1).
const CHALLENGE: &str = "Bearer error=\"invalid_token\"";

/// An answer in place of the upstream's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Why.
    pub reason: Reason,
    /// HTTP status.
    pub status: u16,
    /// Header fields.
    pub headers: Vec<(&'static str, String)>,
    /// `application/problem+json`; JSON-RPC where the Model Context Protocol is spoken; nothing for gRPC.
    pub body: String,
}

/// Whom people were asked as, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) ticket: Token,
    /// The groups, by their names in policy.
    pub(super) groups: Vec<String>,
}

/// How a client finds its held request again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ComeBack {
    pub(super) capability: Token,
    pub(super) answer_by: UnixMillis,
    pub(super) retry_after_seconds: i64,
}

impl Reply {
    pub(crate) fn denial(denial: &Denial, dialect: &Dialect) -> Self {
        Self::build(denial, denial.reason.meaning().http, dialect, None, None)
    }

    /// A denial of a request that people were asked about.
    pub(super) fn ended(denial: &Denial, dialect: &Dialect, asked: &Asked) -> Self {
        Self::build(denial, denial.reason.meaning().http, dialect, Some(asked), None)
    }

    /// The hold is over: the same request, sent again, finds its ticket.
    pub(super) fn pending(status: u16, dialect: &Dialect, asked: &Asked, back: &ComeBack) -> Self {
        let denial = Denial::new(Reason::Pending, "nobody has answered yet");
        Self::build(&denial, status, dialect, Some(asked), Some(back))
    }

    fn build(
        denial: &Denial,
        status: u16,
        dialect: &Dialect,
        asked: Option<&Asked>,
        back: Option<&ComeBack>,
    ) -> Self {
        let mut headers =
            Vec::from_iter(back.map(|back| ("retry-after", back.retry_after_seconds.to_string())));
        let problem = problem(denial, status, asked, back);
        let said = match dialect {
            Dialect::Grpc { .. } => return Self::grpc(denial, headers, asked, back),
            Dialect::Mcp(conversation) => conversation.reply(denial, &problem, status),
            Dialect::Http => None,
        };
        let (media, (status, body)) = match said {
            Some(said) => ("application/json", said),
            None => ("application/problem+json", (status, Value::Object(problem).to_string())),
        };
        headers.splice(0..0, [("content-type", media.to_owned()), ("cache-control", "no-store".to_owned())]);
        if denial.token {
            headers.push(("www-authenticate", CHALLENGE.to_owned()));
        }
        Self { reason: denial.reason, status, headers, body }
    }

    /// Trailers only: the status is in the headers, and what a client needs besides is metadata.
    fn grpc(
        denial: &Denial,
        more: Vec<(&'static str, String)>,
        asked: Option<&Asked>,
        back: Option<&ComeBack>,
    ) -> Self {
        let meaning = denial.reason.meaning();
        let colon = if denial.detail.is_empty() { "" } else { ": " };
        let message = percent_encoded(&format!("{}{colon}{}", meaning.sentence, denial.detail));
        let mut headers = vec![
            ("content-type", "application/grpc".to_owned()),
            ("grpc-status", meaning.grpc.to_string()),
            ("grpc-message", message),
            ("countersign-code", meaning.code.to_owned()),
        ];
        headers.extend(denial.rule.map(|rule| ("countersign-rule", rule.name().to_owned())));
        headers.extend(asked.map(|asked| ("countersign-ticket", asked.ticket.to_string())));
        headers.extend(back.map(|back| ("countersign-status-url", link(back))));
        headers.extend(more);
        Self { reason: denial.reason, status: 200, headers, body: String::new() }
    }
}

fn link(back: &ComeBack) -> String {
    format!("{STATUS_PATH}{}", back.capability)
}

/// Problem details (RFC 9457); the other protocols carry the same members in their own places.
fn problem(
    denial: &Denial,
    status: u16,
    asked: Option<&Asked>,
    back: Option<&ComeBack>,
) -> Map<String, Value> {
    let meaning = denial.reason.meaning();
    let mut members = Map::from_iter([
        ("type".into(), json!(format!("urn:countersign:{}", meaning.code))),
        ("title".into(), json!(meaning.sentence)),
        ("status".into(), json!(status)),
        ("code".into(), json!(meaning.code)),
        ("detail".into(), json!(denial.detail)),
    ]);
    if let Some(rule) = denial.rule {
        members.insert("rule".into(), json!(rule.name()));
    }
    if let Some(asked) = asked {
        members.insert("ticket".into(), json!(asked.ticket));
        members.insert("asked".into(), json!(asked.groups));
    }
    if let Some(back) = back {
        members.insert("status_url".into(), json!(link(back)));
        members.insert("answer_by".into(), json!(crate::clock::rfc3339(back.answer_by)));
        members.insert("retry_after".into(), json!(back.retry_after_seconds));
    }
    members
}
