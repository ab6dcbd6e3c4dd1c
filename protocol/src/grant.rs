//! What the approval service signs: the grant (who said yes to what) and the receipt of a claim.

use serde::{Deserialize, Serialize};

use crate::person::{GroupId, Person};
use crate::{Hash, Token, UnixMillis};

/// `typ` of a grant's JWS header.
pub const GRANT_TYPE: &str = "countersign-grant+jws";
/// `typ` of a claim receipt's JWS header.
pub const RECEIPT_TYPE: &str = "countersign-receipt+jws";

/// People's answers to one request, signed by the service. `iat`, `nbf` and `exp` are seconds (RFC 7519).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Grant {
    /// The service that signed it.
    pub iss: String,
    /// The gateway audience that it is for.
    pub aud: String,
    /// When it was signed.
    pub iat: i64,
    /// When it starts to count.
    pub nbf: i64,
    /// When it stops to count.
    pub exp: i64,
    /// This grant, among all.
    pub jti: Token,
    /// The ticket that was answered.
    pub ticket: Token,
    /// The digest of the request that was answered.
    pub digest: Hash,
    /// When the request was asked; no account or membership younger than this counts.
    pub asked_at: UnixMillis,
    /// How often the request may go on.
    pub uses: u32,
    /// The gates that the answers were asked for.
    pub gates: Vec<GateRef>,
    /// The approvals, one for each person.
    pub answers: Vec<Answer>,
    /// Who flagged the request; each flag needs one more approver, and fills no slot.
    pub flaggers: Vec<Person>,
}

/// A gate as it was when the question was asked: its id and the hash of its text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GateRef {
    /// The policy's `@id`.
    pub id: String,
    /// SHA-256 of the policy's text in the bundle.
    pub hash: Hash,
}

/// One person's approval, with what the service knows of the person at that moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Answer {
    /// This answer, among all.
    pub id: Token,
    /// Who answered.
    pub person: Person,
    /// When.
    pub at: UnixMillis,
    /// Since when the account exists.
    pub account_since: UnixMillis,
    /// The groups that the person belongs to.
    pub groups: Vec<Membership>,
    /// How the person proved who they are (RFC 8176: `pwd`, `otp`, `hwk` …).
    pub amr: Vec<String>,
    /// Why the person opens alone what takes others as well; an answer with a reason breaks the glass
    /// ([`crate::request::BreakGlass`]) and fills nobody's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<String>,
}

/// A person's place in a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Membership {
    /// The group.
    pub group: GroupId,
    /// Since when the person belongs to it.
    pub since: UnixMillis,
}

/// The service's word that a claim won, signed. `iat` and `exp` are seconds (RFC 7519).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Receipt {
    /// The service that signed it.
    pub iss: String,
    /// The gateway audience that it is for.
    pub aud: String,
    /// When it was signed.
    pub iat: i64,
    /// When it stops to count.
    pub exp: i64,
    /// The grant that was used.
    pub jti: Token,
    /// The ticket that was used.
    pub ticket: Token,
    /// The digest of the request that may go on.
    pub digest: Hash,
    /// The nonce of the claim that won.
    pub nonce: Token,
    /// Hash of the evidence record that came with the claim and is now kept.
    pub record: Hash,
}
