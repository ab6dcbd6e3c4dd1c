//! Secrets of Kubernetes: whatever their members are called, all that they hold is secret.

use countersign_protocol::recording::Entry;
use serde_json::Value;

use super::json::Step;
use crate::head::value;

/// Whether the body is one, or a change to one: it says so (`kind: Secret`), or it is sent to where they are.
pub(super) fn holds_secret(entry: &Entry) -> bool {
    let path = value(&entry.request.headers, ":path").unwrap_or_default();
    let mut segments =
        path.split('?').next().unwrap_or_default().split('/').skip_while(|segment| *segment != "namespaces");
    let sent_to = path.starts_with("/api/v1/") && segments.nth(2) == Some("secrets");
    sent_to || says_so(entry)
}

fn says_so(entry: &Entry) -> bool {
    let Some(body) =
        entry.request.body.as_ref().filter(|body| body.0.windows(6).any(|word| word == b"Secret"))
    else {
        return false;
    };
    let body: Value = serde_json::from_slice(&body.0).unwrap_or_default();
    body.get("kind").and_then(Value::as_str) == Some("Secret")
}

/// Whether a member of such a body is secret: `data`, `stringData`, the copy of both that `kubectl apply` leaves in an
/// annotation, and the values of a JSON patch (RFC 6902).
pub(super) fn is_secret(path: &[Step]) -> bool {
    let member = |at: usize| match path.get(at) {
        Some(Step::Member(name)) => name.as_str(),
        _ => "",
    };
    match member(0) {
        "data" | "stringData" => true,
        "metadata" => member(1) == "annotations" && member(2).ends_with("/last-applied-configuration"),
        _ => matches!(path.first(), Some(Step::Element(_))) && member(1) == "value",
    }
}
