//! Rows about the approval service and its replies to claims.

use super::RELEASED;
use crate::faults::{Row, Section};

pub(super) const SERVICE: Section = Section {
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
        Row {
            id: "outcome-broken",
            when: "It is told that a request went on, and answers with a 5xx, garbage, half an answer, more than \
                   16 MiB, or a reset, or late",
            client: &["201"],
            upstream: 1,
            evidence: RELEASED,
            note: "The client has its answer already. The service is told again until it takes it, and counts it once.",
        },
        Row {
            id: "evidence-broken",
            when: "It answers evidence with a 5xx, garbage, half an answer, more than 16 MiB, or a reset, or late",
            client: &["200", "201"],
            upstream: 1,
            evidence: &["allowed", "needs_approval", "claim", "forwarded", "outcome 201"],
            note: "Records wait at the worker and are sent again until the service says that it keeps them; one that \
                   comes twice is kept once, and no lane has a hole. The first try here is of a request that is \
                   allowed, and is not counted at the upstream.",
        },
    ],
};

pub(super) const CLAIMS: Section = Section {
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
