//! The rules that a signed grant or receipt can break: a closed table of codes.

use countersign_protocol::jws::JwsError;
use countersign_protocol::quorum::Ineligible;

/// A rule that a grant or a receipt breaks. The code is stable; evidence, the service and metrics name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Breach {
    /// Not three base64url parts, or a header or payload that does not read.
    Malformed,
    /// Signed otherwise, or as a statement of another type.
    WrongType,
    /// No key of that id.
    UnknownKey,
    /// The signature does not fit.
    BadSignature,
    /// Another service issued it.
    OtherIssuer,
    /// It is for another gateway.
    OtherAudience,
    /// It was issued later than now, by the gateway's clock.
    FromTheFuture,
    /// Its time has not come, by the gateway's clock.
    NotYetValid,
    /// Its time is over, by the gateway's clock.
    Lapsed,
    /// It is about another ticket.
    OtherTicket,
    /// It is about another request.
    OtherDigest,
    /// It does not answer for the gates that were asked about, in their very wording.
    OtherGate,
    /// It may be used for longer than the policy says.
    ValidTooLong,
    /// It may be used more often than the policy says.
    OtherUses,
    /// Somebody who takes part in the request answered.
    SelfApproval,
    /// Somebody who takes part cannot be told apart from somebody who answered.
    NotComparable,
    /// An account is younger than the request.
    AccountTooYoung,
    /// The glass is broken without a reason.
    BreakGlassNeedsReason,
    /// Severity high or the glass broken, and no second factor.
    SecondFactorMissing,
    /// Somebody is in no group that may open a gate, or opens one alone and may not.
    NotInGroup,
    /// One person answered twice, or flagged and answered.
    SamePersonTwice,
    /// Too few people answered.
    QuorumMissing,
    /// No entity stands for somebody who answered.
    ApproverUnknownToPolicy,
    /// A policy for approvers forbids it.
    ApproverForbidden,
    /// A policy for approvers could not be evaluated.
    ApproverPolicyError,
    /// A receipt is about another claim.
    OtherClaim,
}

impl Breach {
    /// All that a grant can break.
    pub const OF_GRANTS: [Self; 25] = [
        Self::Malformed,
        Self::WrongType,
        Self::UnknownKey,
        Self::BadSignature,
        Self::OtherIssuer,
        Self::OtherAudience,
        Self::FromTheFuture,
        Self::NotYetValid,
        Self::Lapsed,
        Self::OtherTicket,
        Self::OtherDigest,
        Self::OtherGate,
        Self::ValidTooLong,
        Self::OtherUses,
        Self::SelfApproval,
        Self::NotComparable,
        Self::AccountTooYoung,
        Self::BreakGlassNeedsReason,
        Self::SecondFactorMissing,
        Self::NotInGroup,
        Self::SamePersonTwice,
        Self::QuorumMissing,
        Self::ApproverUnknownToPolicy,
        Self::ApproverForbidden,
        Self::ApproverPolicyError,
    ];

    /// All that a receipt can break.
    pub const OF_RECEIPTS: [Self; 8] = [
        Self::Malformed,
        Self::WrongType,
        Self::UnknownKey,
        Self::BadSignature,
        Self::OtherIssuer,
        Self::OtherAudience,
        Self::Lapsed,
        Self::OtherClaim,
    ];

    /// Stable, `snake_case`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::WrongType => "wrong_type",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::OtherIssuer => "other_issuer",
            Self::OtherAudience => "other_audience",
            Self::FromTheFuture => "from_the_future",
            Self::NotYetValid => "not_yet_valid",
            Self::Lapsed => "lapsed",
            Self::OtherTicket => "other_ticket",
            Self::OtherDigest => "other_digest",
            Self::OtherGate => "other_gate",
            Self::ValidTooLong => "valid_too_long",
            Self::OtherUses => "other_uses",
            Self::SelfApproval => "self_approval",
            Self::NotComparable => "identity_not_comparable",
            Self::AccountTooYoung => "account_too_young",
            Self::BreakGlassNeedsReason => "break_glass_needs_reason",
            Self::SecondFactorMissing => "second_factor_missing",
            Self::NotInGroup => "not_in_group",
            Self::SamePersonTwice => "same_person_twice",
            Self::QuorumMissing => "quorum_missing",
            Self::ApproverUnknownToPolicy => "approver_unknown_to_policy",
            Self::ApproverForbidden => "approver_forbidden",
            Self::ApproverPolicyError => "approver_policy_error",
            Self::OtherClaim => "other_claim",
        }
    }

    /// Whether only the gateway's clock is against it.
    pub(crate) const fn is_of_time(self) -> bool {
        matches!(self, Self::FromTheFuture | Self::NotYetValid | Self::Lapsed)
    }
}

impl From<JwsError> for Breach {
    fn from(error: JwsError) -> Self {
        match error {
            JwsError::Malformed => Self::Malformed,
            JwsError::WrongType => Self::WrongType,
            JwsError::UnknownKey => Self::UnknownKey,
            JwsError::BadSignature => Self::BadSignature,
        }
    }
}

impl From<Ineligible> for Breach {
    fn from(why: Ineligible) -> Self {
        match why {
            Ineligible::SelfApproval => Self::SelfApproval,
            Ineligible::NotComparable => Self::NotComparable,
            Ineligible::AccountTooYoung => Self::AccountTooYoung,
            Ineligible::BreakGlassNeedsReason => Self::BreakGlassNeedsReason,
            Ineligible::SecondFactorMissing => Self::SecondFactorMissing,
            Ineligible::NotInGroup => Self::NotInGroup,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_those_of_protocol() {
        let all: BTreeSet<_> = Breach::OF_GRANTS.into_iter().chain(Breach::OF_RECEIPTS).collect();
        let codes: BTreeSet<_> = all.iter().map(|breach| breach.code()).collect();
        assert_eq!((all.len(), codes.len()), (26, 26));
        for error in [JwsError::Malformed, JwsError::WrongType, JwsError::UnknownKey, JwsError::BadSignature]
        {
            assert_eq!(Breach::from(error).code(), error.to_string());
        }
        for why in [
            Ineligible::SelfApproval,
            Ineligible::NotComparable,
            Ineligible::AccountTooYoung,
            Ineligible::BreakGlassNeedsReason,
            Ineligible::SecondFactorMissing,
            Ineligible::NotInGroup,
        ] {
            assert_eq!(Breach::from(why).code(), why.code());
        }
    }
}
