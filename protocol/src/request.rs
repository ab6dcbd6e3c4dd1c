//! A request for approval as people see it: exactly what is bound, with redactions shown as such.

use serde::{Deserialize, Serialize};

use crate::grant::GateRef;
use crate::person::{GroupId, Involved};

/// How bad it is if this goes wrong; `high` needs a second factor from every approver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Easily undone.
    Low,
    /// The default.
    #[default]
    Medium,
    /// Needs the second factor.
    High,
}

/// One gate that is shut for this request, and who may open it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Gate {
    /// Which policy, in which wording.
    #[serde(flatten)]
    pub gate: GateRef,
    /// Whose members may open it.
    pub group: GroupId,
    /// The group's name in the policy, for people to read.
    pub group_name: String,
    /// How many of them it takes.
    #[cfg_attr(feature = "openapi", schema(maximum = 255))]
    pub quorum: u8,
    /// Why the policy asks (`@reason`).
    pub reason: Option<String>,
    /// Where to ask, when the policy names a place (`@channel`).
    pub channel: Option<String>,
    /// Who may open it alone, when the policy says so (`@break_glass`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<BreakGlass>,
}

/// Who may open a gate alone: with a second factor and a reason, plainly on record, reviewed afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BreakGlass {
    /// Whose members may.
    pub group: GroupId,
    /// The group's name in the policy, for people to read.
    pub group_name: String,
}

/// What all shut gates ask for together: shortest times, highest severity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Terms {
    /// How long the gateway holds the request, milliseconds.
    pub hold_ms: i64,
    /// How long people may answer, milliseconds.
    pub expires_ms: i64,
    /// How long a yes may be used, milliseconds.
    pub use_within_ms: i64,
    /// How often a yes may be used.
    #[cfg_attr(feature = "openapi", schema(maximum = 4294967295_i64))]
    pub uses: u32,
    /// The highest severity of all gates.
    pub severity: Severity,
}

/// Text or bytes as they were, or the fact that they were taken out before they left the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// UTF-8, as it was.
    Text(String),
    /// Other bytes, base64 (RFC 4648 section 4).
    Base64(String),
    /// Redacted at the gateway: how many bytes there were.
    Redacted {
        /// Length in bytes.
        bytes: u64,
    },
}

/// One header field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShownHeader {
    /// The name, in lower case.
    pub name: String,
    /// The value.
    pub value: Shown,
    /// Whether the digest covers it. What is not bound may differ when the request is sent again.
    pub bound: bool,
}

/// The request itself, in the order of its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExactRequest {
    /// `:method`.
    pub method: String,
    /// `:scheme`.
    pub scheme: String,
    /// `:authority`.
    pub authority: String,
    /// `:path`, raw, with its query.
    pub path: String,
    /// All other header fields, in order.
    pub headers: Vec<ShownHeader>,
    /// The body.
    pub body: Shown,
    /// SHA-256 of the body's bytes.
    pub body_sha256: crate::Hash,
    /// The pieces of the body that the digest does not cover, in order and apart: they may differ when the request is
    /// sent again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loose: Vec<Piece>,
    /// Trailer fields, in order.
    pub trailers: Vec<ShownHeader>,
}

impl ExactRequest {
    /// Whether the pieces are what they are said to be: of the body, none of them empty, in order and apart.
    #[must_use]
    pub fn has_loose_in_order(&self) -> bool {
        let length = match &self.body {
            Shown::Text(text) => text.len() as u64,
            Shown::Base64(_) | Shown::Redacted { .. } => 0,
        };
        let ends = std::iter::once(0).chain(self.loose.iter().map(|piece| piece.end));
        self.loose
            .iter()
            .zip(ends)
            .all(|(piece, before)| before <= piece.start && piece.start < piece.end && piece.end <= length)
    }
}

/// A piece of a body, by its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Piece {
    /// The first of them.
    pub start: u64,
    /// The one after the last.
    pub end: u64,
}

/// What policy was asked: the Cedar request, entities as Cedar prints them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CedarRequest {
    /// Who.
    pub principal: String,
    /// Does what.
    pub action: String,
    /// To what.
    pub resource: String,
    /// In which circumstances (Cedar's JSON form).
    pub context: serde_json::Value,
}

/// All that a person sees, and needs, to judge one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Question {
    /// What policy was asked.
    pub cedar: CedarRequest,
    /// What else the same request does, when it does several things: each was asked by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<CedarRequest>,
    /// For which gateways an approval counts; empty in questions of gateways that did not say so yet.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub audience: String,
    /// The route's name; empty in questions of gateways that did not say so yet.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub route: String,
    /// Who takes part in it and so never approves it.
    pub involved: Vec<Involved>,
    /// The gates that are shut.
    pub gates: Vec<Gate>,
    /// What they ask for together.
    pub terms: Terms,
    /// The bytes that are bound.
    pub request: ExactRequest,
    /// Why the caller says it does this: untrusted text.
    pub justification: Option<String>,
}
