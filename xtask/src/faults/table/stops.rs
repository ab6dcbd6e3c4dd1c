//! Rows about what stops, clocks that differ, and much at once.

use super::RELEASED;
use crate::faults::{Row, Section};

pub(super) const STOPS: Section = Section {
    title: "Something stops",
    about: "Evidence that was made and not yet delivered goes with a filter that is killed. No held request that went \
            on is without its claim, because it goes on only when that is kept; the last allows and denials may be \
            missing. The service lists a filter that ended without its last record as `silent` \
            (`/v1/evidence/breaks`).",
    rows: &[
        Row {
            id: "vm-traps",
            when: "The filter's VM traps (here by a test build)",
            client: &["503", "503", "201"],
            upstream: 1,
            evidence: &["needs_approval", "allowed", "needs_approval", "claim", "forwarded", "outcome 201"],
            note: "The request that did it and those held beside it end with Envoy's own 503: the \
                   one at once, the others when `stream_idle_timeout` is over, for nothing wakes them before. \
                   `FAIL_RELOAD` starts a new VM; an approval given meanwhile is found by the same request, sent again (the last try). \
                   The filter that trapped is listed as `silent`.",
        },
        Row {
            id: "gateway-killed",
            when: "Envoy is killed with a request held",
            client: &["-", "201"],
            upstream: 1,
            evidence: &["needs_approval", "needs_approval", "claim", "forwarded", "outcome 201"],
            note: "Nothing went on. Sent again to the gateway that took its place, the request finds its approval.",
        },
        Row {
            id: "gateway-quits",
            when: "Envoy is told to end (SIGTERM, `/quitquitquit`) with a request held",
            client: &["-"],
            upstream: 0,
            evidence: &["needs_approval"],
            note: "Envoy ends at once: drain it first. The last records (`client_left`, `stop`) may or may not \
                   get out; without them the filter is listed as after a kill.",
        },
        Row {
            id: "gateway-drained",
            when: "Envoy is drained (`/drain_listeners?graceful`) with a request held",
            client: &["201"],
            upstream: 1,
            evidence: RELEASED,
            note: "Who is held stays held until it is decided. End Envoy after the longest `@hold`.",
        },
        Row {
            id: "service-killed",
            when: "The approval service is killed with a request held, and started again",
            client: &["201", "201"],
            upstream: 1,
            evidence: &[
                "needs_approval",
                "claim",
                "forwarded",
                "outcome 201",
                "needs_approval",
                "claim",
                "forwarded",
                "outcome 201",
            ],
            note: "What it acknowledged is on disk. The first request here was over before, the second was held.",
        },
    ],
};

pub(super) const CLOCKS: Section = Section {
    title: "Two clocks",
    about: "Run a time service on both sides. The service's clock rules over deadlines and uses; the gateway's over \
            holds, over `now` in policies, and over whether a grant is in force. Nobody's clock is asked about a \
            receipt: its nonce says that it is fresh.",
    rows: &[
        Row {
            id: "gateway-slow",
            when: "The gateway's clock is 5 minutes behind the service's",
            client: &["403 pending"],
            upstream: 0,
            evidence: &["needs_approval", "grant_refused from_the_future", "pending"],
            note: "A grant that was signed in the future is not believed, with 30 s of leeway. Mend the clock: the \
                   approval counts until its `@use_within` is over.",
        },
        Row {
            id: "gateway-fast",
            when: "The gateway's clock is 5 minutes ahead of the service's",
            client: &["201"],
            upstream: 1,
            evidence: RELEASED,
            note: "Grants lapse 5 minutes early; with a `@use_within` of 5 minutes or less nothing would pass.",
        },
    ],
};

/// The first records are of a request that is held already, the last of the same when it is released.
const CAPPED: &[&str] = &[
    "needs_approval",
    "needs_approval",
    "pending",
    "needs_approval",
    "claim",
    "forwarded",
    "outcome 201",
    "claim",
    "forwarded",
    "outcome 201",
];

/// The same, and a request of another principal that is held and rejected meanwhile.
const CAPPED_ALONE: &[&str] = &[
    "needs_approval",
    "needs_approval",
    "pending",
    "needs_approval",
    "denied rejected",
    "needs_approval",
    "claim",
    "forwarded",
    "outcome 201",
    "claim",
    "forwarded",
    "outcome 201",
];

const fn capped(id: &'static str, when: &'static str, evidence: &'static [&'static str]) -> Row {
    let note = "People are asked all the same, nobody waits: the client is told at once to come back, and finds the \
                answer. The last try is of a request that was held already, and stays held.";
    Row { id, when, client: &["403 pending", "201", "201"], upstream: 1, evidence, note }
}

pub(super) const LOAD: Section = Section {
    title: "Much at once",
    about: "What is asked, claimed and reported goes in batches, one call of a kind at a time for each worker, so the \
            number of requests is not the number of calls.",
    rows: &[
        Row {
            id: "twins-on-workers",
            when: "The same request comes on several workers, and is approved once",
            client: &["201", "403 rejected"],
            upstream: 1,
            evidence: &[
                "needs_approval",
                "needs_approval",
                "forwarded",
                "outcome 201",
                "needs_approval",
                "denied rejected",
            ],
            note: "They share a ticket; each worker that hears of the yes in time claims it, and one claim wins: there \
                   is a `claim` of at least one worker and at most of each, which is left out here. The others ask \
                   anew within their holds; here somebody then says no. Tried on two and on four workers.",
        },
        Row {
            id: "held-200",
            when: "200 requests are held at once",
            client: &["201"],
            upstream: 1,
            evidence: RELEASED,
            note: "Each of them, when people have said yes to it.",
        },
        capped("held-cap", "More requests come than `limits.held`", CAPPED),
        capped("held-bytes-cap", "More bytes are held than `limits.held_bytes`", CAPPED),
        capped(
            "principal-cap",
            "One principal has more requests held than `limits.held_per_principal`",
            CAPPED_ALONE,
        ),
        capped(
            "principal-bytes-cap",
            "One principal has more bytes held than `limits.held_bytes_per_principal`",
            CAPPED_ALONE,
        ),
        Row {
            id: "flood-denied",
            when: "A flood of requests is denied while the service takes no evidence",
            client: &["200"],
            upstream: 1,
            evidence: &["allowed", "denied forbidden", "gap"],
            note: "Allowed requests go on meanwhile, each answered at once (the client's here). Each request is a \
                   record of its own, until 32 MiB wait at a worker: what is made then is dropped. When there is room \
                   again, a `gap` says how many were; `countersign_evidence_dropped_total` counts them when it happens.",
        },
    ],
};
