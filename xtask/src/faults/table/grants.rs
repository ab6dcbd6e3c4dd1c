//! Rows about what the service says that people answered.

use crate::faults::{Row, Section};

/// A grant that is reported, and a yes that holds.
const fn after_report(refused: &'static str) -> [&'static str; 5] {
    ["needs_approval", refused, "claim", "forwarded", "outcome 201"]
}

/// A grant that is only ignored, and the same grant later.
const fn after_hold(refused: &'static str) -> [&'static str; 7] {
    ["needs_approval", refused, "pending", "needs_approval", "claim", "forwarded", "outcome 200"]
}

pub(super) const GRANTS: Section = Section {
    title: "The grant",
    about: "What the service says people answered counts only when the filter itself finds it to hold, for this very \
            request, at this moment. The rows suppose that the service is wrong, or that somebody else speaks for it.",
    rows: &[
        Row {
            id: "grant-forged",
            when: "It is signed by another key",
            client: &["403 pending", "200"],
            upstream: 1,
            evidence: &[
                "needs_approval",
                "grant_refused bad_signature",
                "pending",
                "needs_approval",
                "claim",
                "forwarded",
                "outcome 200",
            ],
            note: "It is no grant, and nothing is reported: who signed it would hear of it. Here the true one comes \
                   with the second try.",
        },
        ignored("grant-expired", "It has expired", &IGNORED_LAPSED, "Or the gateway's clock is fast."),
        ignored(
            "grant-not-yet-valid",
            "It is not valid yet",
            &IGNORED_EARLY,
            "Or the gateway's clock is slow.",
        ),
        ignored(
            "grant-from-the-future",
            "It was signed more than 30 s from now",
            &IGNORED_FUTURE,
            "The gateway's clock is slow. Until it is right nothing that was approved goes on.",
        ),
        reopened("grant-other-audience", "It is for another gateway", &REOPENED_AUDIENCE),
        reopened("grant-other-digest", "It is for another request", &REOPENED_DIGEST),
        reopened(
            "grant-valid-too-long",
            "It is valid for longer than the gate's `@use_within`",
            &REOPENED_LONG,
        ),
        reopened("grant-by-the-requester", "It names the person for whom the agent acts", &REOPENED_SELF),
        reopened("grant-by-the-owner", "It names the owner of the agent", &REOPENED_SELF),
        reopened("grant-one-person-twice", "It names one person for two places", &REOPENED_TWICE),
        Row {
            id: "grant-without-second-factor",
            when: "The gate is of severity high, and somebody answered without the second factor",
            client: &["403 pending", "200"],
            upstream: 1,
            evidence: &[
                "needs_approval",
                "grant_refused second_factor_missing",
                "pending",
                "needs_approval",
                "claim",
                "forwarded",
                "outcome 200",
            ],
            note: "The service is told and asks again. Here the hold ends before somebody else answers.",
        },
        Row {
            id: "grant-other-gate-text",
            when: "It answers for a gate of another wording",
            client: &["403 gates_changed"],
            upstream: 0,
            evidence: &["needs_approval", "grant_refused other_gate", "denied gates_changed"],
            note: "People were asked another question. The ticket is revoked; sent again, it is asked anew.",
        },
    ],
};

const IGNORED_LAPSED: [&str; 7] = after_hold("grant_refused lapsed");
const IGNORED_EARLY: [&str; 7] = after_hold("grant_refused not_yet_valid");
const IGNORED_FUTURE: [&str; 7] = after_hold("grant_refused from_the_future");
const REOPENED_AUDIENCE: [&str; 5] = after_report("grant_refused other_audience");
const REOPENED_DIGEST: [&str; 5] = after_report("grant_refused other_digest");
const REOPENED_LONG: [&str; 5] = after_report("grant_refused valid_too_long");
const REOPENED_SELF: [&str; 5] = after_report("grant_refused self_approval");
const REOPENED_TWICE: [&str; 5] = after_report("grant_refused same_person_twice");

const fn ignored(
    id: &'static str,
    when: &'static str,
    evidence: &'static [&'static str],
    note: &'static str,
) -> Row {
    Row { id, when, client: &["403 pending", "200"], upstream: 1, evidence, note }
}

const fn reopened(id: &'static str, when: &'static str, evidence: &'static [&'static str]) -> Row {
    let note =
        "The service is told, drops the answers that do not count, and asks again; here others then say yes.";
    Row { id, when, client: &["201"], upstream: 1, evidence, note }
}
