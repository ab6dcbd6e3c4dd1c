//! Which header fields an approval does not bind, and which nobody is shown.

/// Fields that differ between two tries of the same request, by why they do.
const VOLATILE: [&str; 39] = [
    // When it was sent.
    "date",
    "x-amz-date",
    "x-goog-date",
    "x-ms-date",
    // Trace and request ids.
    "b3",
    "baggage",
    "correlation-id",
    "grpc-trace-bin",
    "grpc-tags-bin",
    "request-id",
    "sentry-trace",
    "traceparent",
    "tracestate",
    "uber-trace-id",
    "x-amzn-trace-id",
    "x-client-trace-id",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-datadog-origin",
    "x-datadog-parent-id",
    "x-datadog-sampling-priority",
    "x-datadog-tags",
    "x-datadog-trace-id",
    "x-ot-span-context",
    "x-request-id",
    // Values of signatures over the request.
    "signature",
    "signature-input",
    "x-signature",
    "x-hub-signature",
    "x-hub-signature-256",
    // Credentials: they are renewed, and whom they name is bound.
    "authorization",
    "cookie",
    "dpop",
    "proxy-authorization",
    "x-amz-security-token",
    // What the gateway adds.
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-port",
    "x-forwarded-proto",
];

/// Prefixes of such fields: Zipkin's trace ids, and what Envoy and Istio add.
const VOLATILE_PREFIXES: [&str; 2] = ["x-b3-", "x-envoy-"];

/// Fields whose values never leave the gateway.
const SECRET: [&str; 14] = [
    "api-key",
    "authorization",
    "cookie",
    "dpop",
    "mcp-session-id",
    "private-token",
    "proxy-authorization",
    "x-access-token",
    "x-amz-security-token",
    "x-api-key",
    "x-auth-token",
    "x-csrf-token",
    "x-goog-api-key",
    "x-vault-token",
];

/// Whether a field (its name in lower case) may differ when an approved request is sent again: it is on the
/// fixed list or among the route's own `extra`.
#[must_use]
pub fn is_volatile(name: &str, extra: &[String]) -> bool {
    VOLATILE.contains(&name)
        || VOLATILE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || extra.iter().any(|other| other == name)
}

/// Whether the value of a field (its name in lower case) is redacted at the gateway: it is on the fixed list
/// or among the route's own `extra`.
#[must_use]
pub fn is_secret(name: &str, extra: &[String]) -> bool {
    SECRET.contains(&name) || extra.iter().any(|other| other == name)
}
