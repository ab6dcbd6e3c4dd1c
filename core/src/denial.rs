//! Why a request does not go on: one table from reason to code, HTTP status, gRPC status and sentence.

use crate::reading::Rule;

/// Every reason for which a request does not go on. The code is stable; policies and clients may rely on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// No permit, or an absolute forbid.
    Forbidden,
    /// A policy could not be evaluated, or the request does not fit the schema.
    PolicyError,
    /// A gate is shut and nobody knows who asks.
    Anonymous,
    /// A closed host has no route for it.
    NoRoute,
    /// Two parsers could read the request differently.
    Ambiguous,
    /// A fact that the route needs is missing or of the wrong type.
    BadFact,
    /// What was posted is no message of the protocol's version.
    BadMessage,
    /// A header says something else than the body that it repeats.
    HeaderMismatch,
    /// The protocol's version is not known.
    UnsupportedVersion,
    /// Credentials are present and do not hold.
    BadIdentity,
    /// The keys that a token is verified with are not here yet.
    KeysUnavailable,
    /// The agent's owner is not known.
    OwnerUnknown,
    /// Somebody who takes part cannot be told apart from approvers.
    IdentityNotComparable,
    /// The body is over the limit.
    BodyTooLarge,
    /// The gateway does not deliver the body.
    HostWithholdsBody,
    /// A gate applies, and what is said is not whole: a stream, or more than one message.
    StreamGated,
    /// The upstream's answer is to be filtered and cannot be read.
    AnswerUnreadable,
    /// The approval service cannot be asked.
    ServiceUnavailable,
    /// The approval service will not ask it.
    AskRefused,
    /// Somebody said no.
    Rejected,
    /// Nobody answered, or nobody used the yes, in time.
    Expired,
    /// The ticket was taken back or nobody waited for it.
    Cancelled,
    /// The policies changed while people answered.
    GatesChanged,
    /// The grant does not hold.
    GrantRefused,
    /// The use could not be confirmed in time; it may have been counted.
    ClaimUnanswered,
    /// Held, and the hold is over: come back later. Not a denial.
    Pending,
}

/// What a client gets for a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// Stable, `snake_case`.
    pub code: &'static str,
    /// HTTP status (RFC 9110).
    pub http: u16,
    /// gRPC status code.
    pub grpc: u8,
    /// One sentence for the caller.
    pub sentence: &'static str,
}

impl Reason {
    /// All reasons, in the order of the table.
    pub const ALL: [Self; 26] = [
        Self::Forbidden,
        Self::PolicyError,
        Self::Anonymous,
        Self::NoRoute,
        Self::Ambiguous,
        Self::BadFact,
        Self::BadMessage,
        Self::HeaderMismatch,
        Self::UnsupportedVersion,
        Self::BadIdentity,
        Self::KeysUnavailable,
        Self::OwnerUnknown,
        Self::IdentityNotComparable,
        Self::BodyTooLarge,
        Self::HostWithholdsBody,
        Self::StreamGated,
        Self::AnswerUnreadable,
        Self::ServiceUnavailable,
        Self::AskRefused,
        Self::Rejected,
        Self::Expired,
        Self::Cancelled,
        Self::GatesChanged,
        Self::GrantRefused,
        Self::ClaimUnanswered,
        Self::Pending,
    ];

    /// The row of the table.
    #[must_use]
    pub const fn meaning(self) -> Meaning {
        let (code, http, grpc, sentence) = match self {
            Self::Forbidden => ("forbidden", 403, 7, "policy does not allow this"),
            Self::PolicyError => ("policy_error", 403, 7, "policy could not be evaluated for this request"),
            Self::Anonymous => ("anonymous", 403, 7, "nobody knows who asks"),
            Self::NoRoute => ("no_route", 403, 7, "nothing is known about this request, so it is denied"),
            Self::Ambiguous => ("ambiguous_request", 400, 3, "the request can be read in more than one way"),
            Self::BadFact => ("bad_fact", 400, 3, "a part that policy reads is missing or of the wrong type"),
            Self::BadMessage => ("bad_message", 400, 3, "this is no message of the protocol's version"),
            Self::HeaderMismatch => ("header_mismatch", 400, 3, "a header and the body do not say the same"),
            Self::UnsupportedVersion => {
                ("unsupported_version", 400, 3, "the protocol's version is not known")
            }
            Self::BadIdentity => ("bad_identity", 401, 16, "the credentials do not hold"),
            Self::KeysUnavailable => {
                ("keys_unavailable", 503, 14, "the keys that tokens are verified with are not here yet")
            }
            Self::OwnerUnknown => ("owner_unknown", 403, 7, "the owner of this agent is not known"),
            Self::IdentityNotComparable => {
                ("identity_not_comparable", 403, 7, "who asks cannot be told apart from who approves")
            }
            Self::BodyTooLarge => ("body_too_large", 413, 8, "the body is over the limit"),
            Self::HostWithholdsBody => (
                "host_withholds_body",
                503,
                14,
                "the gateway withholds the body: set allow_on_headers_stop_iteration",
            ),
            Self::StreamGated => {
                ("stream_gated", 403, 7, "a person would have to countersign what is not said yet")
            }
            Self::AnswerUnreadable => {
                ("answer_unreadable", 502, 14, "the server's answer cannot be read, so it is not shown")
            }
            Self::ServiceUnavailable => {
                ("service_unavailable", 503, 14, "the approval service cannot be asked")
            }
            Self::AskRefused => ("ask_refused", 403, 7, "the approval service does not take this request"),
            Self::Rejected => ("rejected", 403, 7, "a reviewer rejected this request"),
            Self::Expired => ("expired", 403, 7, "nobody approved this request in time"),
            Self::Cancelled => ("cancelled", 403, 7, "the request for approval was taken back"),
            Self::GatesChanged => {
                ("gates_changed", 403, 7, "the policies changed: send it again to ask anew")
            }
            Self::GrantRefused => ("grant_refused", 403, 7, "the approval does not hold for this request"),
            Self::ClaimUnanswered => {
                ("claim_unanswered", 503, 14, "the use of the approval was not confirmed")
            }
            Self::Pending => {
                ("pending", 403, 9, "a person must countersign this: send the same request again later")
            }
        };
        Meaning { code, http, grpc, sentence }
    }
}

/// Most characters of a detail: it may quote the request, and stands in evidence and answer.
const LONGEST_DETAIL: usize = 300;

/// A request that does not go on: why, with what is particular about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// Why.
    pub reason: Reason,
    /// The rule of the one reading that is broken, where one is.
    pub rule: Option<Rule>,
    /// Whether it is a token in `authorization` that does not hold: HTTP answers must say so (RFC 9110 section 15.5.2).
    pub token: bool,
    /// What is particular: names the header, field or route. Safe to show to the caller.
    pub detail: String,
}

impl Denial {
    /// A denial for `reason`, with what is particular about it.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        let detail: String = detail.into();
        match detail.char_indices().nth(LONGEST_DETAIL) {
            None => Self { reason, rule: None, token: false, detail },
            Some(_) => Self {
                reason,
                rule: None,
                token: false,
                detail: detail.chars().take(LONGEST_DETAIL).chain(['…']).collect(),
            },
        }
    }

    /// The same, of a token in `authorization`, if it is about credentials.
    #[must_use]
    pub(crate) fn of_token(self) -> Self {
        Self { token: self.reason == Reason::BadIdentity, ..self }
    }

    /// The same, found in `place`.
    #[must_use]
    pub(crate) fn within(self, place: &str) -> Self {
        Self {
            rule: self.rule,
            token: self.token,
            ..Self::new(self.reason, format!("{place}: {}", self.detail))
        }
    }
}
