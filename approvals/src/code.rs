//! The codes of problems: what went wrong, stable, for programs; with their statuses and what each means.

use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! codes {
    ($($code:ident $name:literal [$($status:literal),+] $meaning:literal,)+) => {
        /// What went wrong. Once published a code keeps its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code {
            $(#[doc = $meaning] $code,)+
        }

        impl Code {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$code),+];

            /// As it is written, `snake_case`.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$code => $name,)+ }
            }

            /// The statuses (RFC 9110) that go with it, the usual one first.
            pub(crate) fn statuses(self) -> &'static [u16] {
                match self { $(Self::$code => &[$($status),+],)+ }
            }

            fn meaning(self) -> &'static str {
                match self { $(Self::$code => $meaning,)+ }
            }
        }
    };
}

codes! {
    NotFound "not_found" [404] "there is nothing of that name, or nothing that the caller may know of",
    MethodNotAllowed "method_not_allowed" [405] "the path has other methods",
    UnsupportedMediaType "unsupported_media_type" [415] "the path takes another media type",
    MalformedBody "malformed_body" [400, 413, 415, 422] "the body is not what the interface describes, or too long",
    MalformedForm "malformed_form" [400, 413, 415, 422] "the same of a form of a page",
    MalformedQuery "malformed_query" [400] "the same of the query",
    MalformedText "malformed_text" [400] "text holds U+0000",
    BodyTooLarge "body_too_large" [413] "the body is longer than 64 KiB",
    BodyTooSlow "body_too_slow" [408] "the body did not come in 15 s",

    Unauthorized "unauthorized" [401] "no credential came along, or one that is over",
    WrongCredentials "wrong_credentials" [401] "user, password or code is wrong",
    TooManyAttempts "too_many_attempts" [429] "too many wrong ones came before: wait as long as `Retry-After` says",
    Busy "busy" [429] "too many people log in at this moment",
    TooManyStreams "too_many_streams" [429] "the person listens for changes too many times already",
    NoPasswords "no_passwords" [403] "people log in at the provider",
    ScopeMissing "scope_missing" [403] "the token is not for this",
    NotInPerson "not_in_person" [403] "no token does this: log in",
    NotAnAdmin "not_an_admin" [403] "only administrators do this",
    NotAnAuditor "not_an_auditor" [403] "only auditors and administrators read this",
    NotSlack "not_slack" [401] "Slack did not sign this, or not just now",
    MalformedInteraction "malformed_interaction" [400] "this is nothing that Slack sends",
    TooManyClicks "too_many_clicks" [503] "more is clicked in chats than can be worked on",
    CrossSite "cross_site" [403] "the page of another site sent this",
    Csrf "csrf" [403] "the form is out of date",
    NoSession "no_session" [403] "the session is over",

    SelfApproval "self_approval" [403] "whoever takes part in a request does not approve it",
    NotComparable "identity_not_comparable" [403] "somebody who takes part cannot be told apart from the approver",
    AccountTooYoung "account_too_young" [403] "the account is younger than the request",
    GlassNeedsReason "break_glass_needs_reason" [403] "glass is broken with a reason",
    SecondFactorMissing "second_factor_missing" [403] "this needs a second factor, proven lately, that is older than the request",
    NotInGroup "not_in_group" [403] "this is for groups that the person is not in",
    BadReason "bad_reason" [422] "a reason is needed: something to read, of at most 1,000 characters",
    BadTerms "bad_terms" [409] "a yes is for 1 to as many uses, and 1 s to as long, as was asked for",
    OtherShown "other_shown" [409] "the request is not the one that was shown",
    NotInChat "not_in_chat" [409] "this one is approved in the inbox only",
    NotShownInFull "not_shown_in_full" [409] "the page did not show all of it",
    AlreadyAnswered "already_answered" [409] "the person has answered otherwise",
    AlreadyPending "already_pending" [409] "the request waits for approval",
    AlreadyApproved "already_approved" [409] "the request is approved",
    AlreadyConsumed "already_consumed" [409] "the approval is used up",
    AlreadyRejected "already_rejected" [409] "the request is rejected",
    AlreadyExpired "already_expired" [409] "the request or its approval has expired",
    AlreadyRevoked "already_revoked" [409] "the approval was taken back",
    AlreadyCancelled "already_cancelled" [409] "nobody waits for the request any more",
    AlreadyUnknown "already_unknown" [409] "a newer version of the service has closed the request",
    NothingToReview "nothing_to_review" [409] "no glass was broken, or somebody has looked at it",
    NotReviewer "not_reviewer" [403] "somebody else has to look at it",

    PasskeyInvalid "passkey_invalid" [403] "what the passkey says does not hold",
    PasskeyUnknown "passkey_unknown" [403] "the passkey is somebody else's, or nobody's",
    PasskeyCopied "passkey_copied" [403] "the passkey counts backwards: there may be a copy of it",
    NoPasskey "no_passkey" [409] "there is no passkey that is older than the request",
    TooManyPasskeys "too_many_passkeys" [409] "the account has as many as it may have",
    FactorTaken "factor_taken" [409] "the second factor is set up already",
    CeremonyOver "ceremony_over" [409] "this was begun elsewhere, is over, or is too old",
    LoginNotBegun "login_not_begun" [400] "this browser was not sent to the provider, or too long ago",
    ProviderUnavailable "provider_unavailable" [502] "the log-in provider does not answer as it should",
    ProviderUntrusted "provider_untrusted" [502] "what the log-in provider says does not hold",
    AccountRemoved "account_removed" [403] "an administrator has removed the account",
    ProviderRefused "provider_refused" [403] "the log-in provider refused",

    BadName "bad_name" [422] "a name, password or secret cannot be used",
    BadToken "bad_token" [422] "a token has a name, a scope, and 1 to 366 days",
    ShortToken "short_token" [422] "a gateway's token has at least 32 characters",
    Taken "taken" [409] "there is one of that name already",
    LastAdmin "last_admin" [409] "the last administrator stays",

    MalformedEvidence "malformed_evidence" [422] "a line is no record of evidence",
    ForeignProducer "foreign_producer" [403] "the producer belongs to another gateway",
    EvidenceConflict "evidence_conflict" [409] "the record is kept with other bytes",

    Internal "internal" [500] "the service failed; its log says why",
    DatabaseUnavailable "database_unavailable" [503] "the database cannot be reached: try again soon",
    Closing "closing" [503] "the replica is about to end",
}

impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        let line = |code: &Self| {
            let statuses: Vec<_> = code.statuses().iter().map(u16::to_string).collect();
            format!("- `{}` ({}): {}", code.name(), statuses.join(", "), code.meaning())
        };
        let lines: Vec<_> = Self::ALL.iter().map(line).collect();
        let names = Self::ALL.iter().map(|code| code.name());
        let schema = ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).enum_values(Some(names));
        schema.description(Some(lines.join("\n"))).into()
    }
}

impl ToSchema for Code {
    fn name() -> std::borrow::Cow<'static, str> {
        "ProblemCode".into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn codes_are_what_programs_know() {
        let line = |code: &Code| format!("{} {:?}", code.name(), code.statuses());
        let lines: Vec<_> = Code::ALL.iter().map(line).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn each_is_one_of_its_own_with_statuses_of_errors() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for status in Code::ALL.iter().flat_map(|code| code.statuses()) {
            let status = StatusCode::from_u16(*status).unwrap();
            assert!(status.is_client_error() || status.is_server_error());
        }
    }
}
