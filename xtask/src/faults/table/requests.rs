//! Rows about policies that change, and about the request itself.

use super::RELEASED;
use crate::faults::{Row, Section};

pub(super) const POLICIES: Section = Section {
    title: "Policies that change while a request is held",
    about: "A running Envoy takes new policies from a file (`envoy/discovery.yaml`, `envoy/reload.yaml`). What is \
            held is judged again when people have answered, by the policies and the time of that moment.",
    rows: &[
        Row {
            id: "policy-gate-more",
            when: "Another gate applies now",
            client: &["403 gates_changed", "403 rejected"],
            upstream: 0,
            evidence: &[
                "needs_approval",
                "reloaded",
                "denied gates_changed",
                "needs_approval",
                "denied rejected",
            ],
            note: "Nobody was asked for it. Sent again, people are asked for both; here somebody then says no.",
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
            id: "policy-back",
            when: "Everything is forbidden, and the policies before come back",
            client: &["201"],
            upstream: 1,
            evidence: &[
                "needs_approval",
                "reloaded",
                "reloaded",
                "allowed",
                "claim",
                "forwarded",
                "outcome 201",
            ],
            note: "Envoy takes the filter again that it has, and configures nothing. It and what it holds go by its own \
                   policies from the next call on; another call that they allow passes meanwhile.",
        },
        Row {
            id: "policy-does-not-load",
            when: "The new policies do not load",
            client: &["201"],
            upstream: 1,
            evidence: &["needs_approval", "allowed", "claim", "forwarded", "outcome 201"],
            note: "Those before stay in force; another call that they allow passes meanwhile. Envoy counts \
                   `update_rejected` and logs file, line and reason.",
        },
    ],
};

pub(super) const REQUESTS: Section = Section {
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
