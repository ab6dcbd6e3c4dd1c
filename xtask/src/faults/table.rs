//! The table itself.

use super::{Row, Section};

/// All of it, in the order of the page.
pub const SECTIONS: &[Section] = &[SERVICE, CLAIMS, GRANTS, POLICIES, REQUESTS];

/// A held request that was approved and went on.
const RELEASED: &[&str] = &["needs_approval", "claim", "forwarded", "outcome 201"];

const SERVICE: Section = Section {
    title: "The approval service",
    about: "A question that nobody can be asked is refused at once, because its caller can do something about it; a \
            request that people have been asked about waits on, because they may have answered. No call is tried so \
            often that it becomes a load of its own: the pauses grow from 250 ms to 4 s.",
    rows: &[
        Row {
            id: "service-down-at-start",
            when: "It is down when the gateway starts",
            client: &["200", "503 service_unavailable"],
            upstream: 0,
            evidence: &["allowed", "needs_approval", "denied service_unavailable"],
            note: "What needs no approval passes; what does is refused. The evidence waits in the filter until the \
                   service is there.",
        },
        Row {
            id: "service-down-at-ask",
            when: "It is down when a question is asked",
            client: &["503 service_unavailable"],
            upstream: 0,
            evidence: &["needs_approval", "denied service_unavailable"],
            note: "Try again later.",
        },
        Row {
            id: "ask-broken",
            when: "It answers a question with a 5xx, garbage, half an answer, more than 16 MiB, or a reset",
            client: &["503 service_unavailable", "201"],
            upstream: 1,
            evidence: &[
                "needs_approval",
                "denied service_unavailable",
                "needs_approval",
                "claim",
                "forwarded",
                "outcome 201",
            ],
            note: "All of that is no answer. The second try here is asked and approved as if nothing had been.",
        },
        Row {
            id: "ask-late",
            when: "It takes a question, but answers after `approval.timeout`",
            client: &["503 service_unavailable", "201"],
            upstream: 1,
            evidence: &[
                "needs_approval",
                "denied service_unavailable",
                "needs_approval",
                "claim",
                "forwarded",
                "outcome 201",
            ],
            note: "People may see a question whose caller was refused. Their answer is not lost: the same request, \
                   sent again, finds it.",
        },
        Row {
            id: "service-down-in-hold",
            when: "It is down for a part of a hold",
            client: &["201"],
            upstream: 1,
            evidence: RELEASED,
            note: "The request stays held and the gateway keeps polling. An answer given meanwhile releases it as \
                   soon as the service is back.",
        },
        Row {
            id: "service-down-to-the-end",
            when: "It is down until the hold is over",
            client: &["403 pending", "200"],
            upstream: 1,
            evidence: &["needs_approval", "pending", "needs_approval", "claim", "forwarded", "outcome 200"],
            note: "The client is told to come back, as after every hold; then the answer counts.",
        },
        Row {
            id: "wait-broken",
            when: "It answers polls with a 5xx, garbage, half an answer, more than 16 MiB, or a reset",
            client: &["201"],
            upstream: 1,
            evidence: RELEASED,
            note: "A poll that fails is made again. The service remembers what a poll was to say until the next one \
                   names it as read.",
        },
    ],
};

const CLAIMS: Section = Section {
    title: "The claim",
    about: "Right before an approved request goes on, one atomic statement at the service counts its use. The claim \
            has a random nonce: the same nonce gets the same receipt, another gets none beyond what was granted. \
            Nothing goes on without a receipt.",
    rows: &[
        Row {
            id: "claim-broken",
            when: "Claims are answered with a 5xx, garbage, half an answer, more than 16 MiB, or a reset",
            client: &["201"],
            upstream: 1,
            evidence: RELEASED,
            note: "The claim is sent again with its nonce.",
        },
        Row {
            id: "claim-late",
            when: "A claim is answered after `approval.timeout`",
            client: &["201"],
            upstream: 1,
            evidence: RELEASED,
            note: "Sent again with its nonce, it gets the receipt of the first time.",
        },
        Row {
            id: "claim-lost",
            when: "The reply to a claim is lost",
            client: &["201"],
            upstream: 1,
            evidence: RELEASED,
            note: "The use was counted; sent again with its nonce, the claim gets the receipt that was lost.",
        },
        Row {
            id: "claim-twice",
            when: "A claim arrives twice",
            client: &["201"],
            upstream: 1,
            evidence: RELEASED,
            note: "It is one use.",
        },
        Row {
            id: "claim-never",
            when: "No reply to a claim comes at all",
            client: &["503 claim_unanswered"],
            upstream: 0,
            evidence: &["needs_approval", "claim", "denied claim_unanswered"],
            note: "It is tried to the end of the hold, and for 10 s at least. The use may have been counted, so it \
                   must be asked for anew: an approval is rather wasted than used twice.",
        },
        Row {
            id: "receipt-forged",
            when: "The receipt of a claim is not signed by the service",
            client: &["201"],
            upstream: 1,
            evidence: &[
                "needs_approval",
                "claim",
                "receipt_refused bad_signature",
                "forwarded",
                "outcome 201",
            ],
            note: "It is no reply. The claim is sent again; here the true receipt comes then.",
        },
        Row {
            id: "receipt-replayed",
            when: "The receipt of an earlier claim comes in place of this one's",
            client: &["201", "201"],
            upstream: 1,
            evidence: &[
                "needs_approval",
                "claim",
                "forwarded",
                "outcome 201",
                "needs_approval",
                "claim",
                "receipt_refused other_claim",
                "forwarded",
                "outcome 201",
            ],
            note: "It is for another nonce. The first four records are of the earlier request, which was another.",
        },
    ],
};

/// A grant that is reported, and a yes that holds.
const fn after_report(refused: &'static str) -> [&'static str; 5] {
    ["needs_approval", refused, "claim", "forwarded", "outcome 201"]
}

/// A grant that is only ignored, and the same grant later.
const fn after_hold(refused: &'static str) -> [&'static str; 7] {
    ["needs_approval", refused, "pending", "needs_approval", "claim", "forwarded", "outcome 200"]
}

const GRANTS: Section = Section {
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

const POLICIES: Section = Section {
    title: "Policies that change while a request is held",
    about: "A running Envoy takes new policies from a file (`envoy/discovery.yaml`, `envoy/reload.yaml`). What is \
            held is judged again when people have answered, by the policies and the time of that moment.",
    rows: &[
        Row {
            id: "policy-gate-more",
            when: "Another gate applies now",
            client: &["403 gates_changed"],
            upstream: 0,
            evidence: &["needs_approval", "reloaded", "denied gates_changed"],
            note: "Nobody was asked for it. Sent again, people are asked for both.",
        },
        Row {
            id: "policy-gate-text",
            when: "The gate says something else now",
            client: &["403 gates_changed"],
            upstream: 0,
            evidence: &["needs_approval", "reloaded", "denied gates_changed"],
            note: "A gate in a grant is its id and the hash of its text.",
        },
        Row {
            id: "policy-forbid-more",
            when: "A forbid applies now",
            client: &["403 forbidden", "403 forbidden"],
            upstream: 0,
            evidence: &["needs_approval", "reloaded", "denied forbidden", "denied forbidden"],
            note: "No approval opens it, and nobody is asked any more.",
        },
        Row {
            id: "policy-permit-gone",
            when: "No permit applies any more",
            client: &["403 forbidden", "403 forbidden"],
            upstream: 0,
            evidence: &["needs_approval", "reloaded", "denied forbidden", "denied forbidden"],
            note: "Default deny.",
        },
        Row {
            id: "policy-elsewhere",
            when: "Policies changed that are not about it",
            client: &["201"],
            upstream: 1,
            evidence: &["needs_approval", "reloaded", "claim", "forwarded", "outcome 201"],
            note: "It stays held and goes on when people say yes.",
        },
        Row {
            id: "policy-does-not-load",
            when: "The new policies do not load",
            client: &["201"],
            upstream: 1,
            evidence: RELEASED,
            note: "Those before stay in force. Envoy counts `update_rejected` and logs file, line and reason.",
        },
    ],
};

const REQUESTS: Section = Section {
    title: "The request",
    about: "What is approved is every byte that came, and what came must be whole and have one reading.",
    rows: &[
        Row {
            id: "headers-not-paused",
            when: "`allow_on_headers_stop_iteration` is missing in Envoy's configuration",
            client: &["503 host_withholds_body"],
            upstream: 0,
            evidence: &["denied host_withholds_body"],
            note: "Envoy then gives no body while the headers are held. After `limits.body_wait` the request is \
                   refused, and the sentence names the option.",
        },
        Row {
            id: "body-at-the-limit",
            when: "The body is exactly as large as `limits.body`",
            client: &["201"],
            upstream: 1,
            evidence: RELEASED,
            note: "Above the gateway's own `per_connection_buffer_limit_bytes` it answers 413 by itself.",
        },
        Row {
            id: "body-over-the-limit",
            when: "The body is one byte larger than `limits.body`",
            client: &["413 body_too_large"],
            upstream: 0,
            evidence: &["denied body_too_large"],
            note: "Nothing is cut: what cannot be shown whole is not asked.",
        },
        Row {
            id: "body-cut-short",
            when: "The client leaves in the middle of its body",
            client: &["-"],
            upstream: 0,
            evidence: &[],
            note: "There was no request yet. Envoy's access log has it.",
        },
        Row {
            id: "http2",
            when: "The client speaks HTTP/2",
            client: &["201"],
            upstream: 1,
            evidence: RELEASED,
            note: "As over HTTP/1.1.",
        },
        Row {
            id: "trailers",
            when: "Trailers follow the body",
            client: &["201"],
            upstream: 1,
            evidence: RELEASED,
            note: "They are bound like headers. Those that would mean something as headers are refused: \
                   `ambiguous_request`. Envoy drops trailers towards an HTTP/1.1 upstream unless told otherwise.",
        },
        Row {
            id: "half-close",
            when: "The client closes its half of the connection while its request is held",
            client: &["-"],
            upstream: 0,
            evidence: &["needs_approval", "client_left"],
            note: "For Envoy a client of HTTP/1.1 that does so has left. An approval that comes later waits for the \
                   same request to come again.",
        },
        Row {
            id: "expect-continue",
            when: "The client sends `Expect: 100-continue`",
            client: &["201"],
            upstream: 1,
            evidence: RELEASED,
            note: "Envoy answers 100 itself, so the body comes and is judged before anything goes on.",
        },
        Row {
            id: "upgrade",
            when: "The client asks for an upgrade where a gate applies, and Envoy would grant it",
            client: &["400 ambiguous_request"],
            upstream: 0,
            evidence: &["denied ambiguous_request"],
            note: "Nobody can approve bytes that are still to come. The shipped configuration has no `upgrade_configs`.",
        },
        Row {
            id: "steering-headers",
            when: "The client sends `x-envoy-*` headers that steer the router, or `countersign-*` headers",
            client: &["201"],
            upstream: 1,
            evidence: RELEASED,
            note: "They are removed before anything is judged; the upstream does not get them.",
        },
        Row {
            id: "bytes-not-utf8",
            when: "A header that policy does not read holds bytes that are no UTF-8",
            client: &["201"],
            upstream: 1,
            evidence: RELEASED,
            note: "They are bound and go on as they came. Where policy reads such a header it is `ambiguous_request`.",
        },
        Row {
            id: "headers-1024",
            when: "The request has 1,024 headers",
            client: &["201"],
            upstream: 1,
            evidence: RELEASED,
            note: "All are bound. Envoy takes 100 unless `max_headers_count` says more, and answers 431 above.",
        },
    ],
};
