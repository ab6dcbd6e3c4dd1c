//! Headers that a client must not send: ours, and those with which it would steer the gateway's router.

use super::JUSTIFICATION;

/// Request headers that Envoy's router (and fault filter) obeys, from Envoy's "HTTP header manipulation",
/// "Router" and "Fault injection" pages. A retry or a hedge would send an approved call twice; a timeout, an
/// original destination or a fault would change what happens to it; the rest rewrites what is logged of it.
const STEERING: [&str; 21] = [
    "x-envoy-attempt-count",
    "x-envoy-decorator-operation",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-force-trace",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-internal",
    "x-envoy-ip-tags",
    "x-envoy-is-timeout-retry",
    "x-envoy-max-retries",
    "x-envoy-original-dst-host",
    "x-envoy-original-host",
    "x-envoy-original-path",
    "x-envoy-retriable-header-names",
    "x-envoy-retriable-status-codes",
    "x-envoy-retry-grpc-on",
    "x-envoy-retry-on",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-stream-duration-ms",
];

/// Whether a header of this name is taken out before anything else looks at the request, so that neither
/// digest nor upstream sees it.
#[must_use]
pub fn to_strip(name: &[u8]) -> bool {
    if starts_with(name, b"countersign-") {
        return !name.eq_ignore_ascii_case(JUSTIFICATION.as_bytes());
    }
    let steers = |known: &&str| known.len() == name.len() && starts_with(name, known.as_bytes());
    starts_with(name, b"x-envoy-fault-") || STEERING.iter().any(steers)
}

/// Whether a name begins so (in lower case, with `-`), whatever its case and with `_` for `-`.
fn starts_with(name: &[u8], prefix: &[u8]) -> bool {
    let fold = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    name.get(..prefix.len()).is_some_and(|start| start.iter().map(fold).eq(prefix.iter().copied()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_the_router_or_poses_as_ours_is_taken_out() {
        let gone =
            ["countersign-ticket", "Countersign-Anything", "countersign_justification", "X-Envoy-Retry-On"];
        let gone =
            gone.into_iter().chain(["x_envoy_max_retries", "x-envoy-fault-delay-request"]).chain(STEERING);
        for name in gone {
            assert!(to_strip(name.as_bytes()), "{name}");
        }
        for name in ["countersign-justification", "x-envoy-external-address", "x-request-id", "countersign"] {
            assert!(!to_strip(name.as_bytes()), "{name}");
        }
    }
}
