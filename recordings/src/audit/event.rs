//! One request of an audit log.

use countersign_protocol::recording::{Bytes, Fidelity, Request, lost};
use serde_json::{Map, Value};

use crate::draft::Draft;
use crate::head::Head;
use crate::time;

/// The metadata key under which the claims of the user are found.
const CLAIMS: &str = "kubernetes-audit";
/// How clients inside a cluster call its API server: the log does not say how this one did.
const AUTHORITY: &str = "https://kubernetes.default.svc";

/// Makes a request of an event. The error says why there is none to replay.
pub(super) fn draft(event: &Value) -> Result<Draft, String> {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (verb, uri) = (text("/verb"), text("/requestURI"));
    if !uri.starts_with('/') {
        return Err("it is no audit event with a `requestURI`".into());
    }
    let method = method(verb).ok_or_else(|| format!("its verb is `{verb}`"))?;
    let body = event.get("requestObject").filter(|object| !object.is_null());
    let mut fields = Vec::new();
    if !text("/userAgent").is_empty() {
        fields.push(("user-agent".to_owned(), text("/userAgent").to_owned()));
    }
    if let Some(kind) = body.map(|body| content_type(method, body)) {
        fields.push(("content-type".to_owned(), kind.to_owned()));
    }
    let head = Head::new(method, &format!("{AUTHORITY}{uri}"), fields)?;
    let mut draft = Draft::new(Fidelity::Rebuilt, Request { headers: head.fields, ..Request::default() });
    draft.lost = head.lost;
    for lost in [lost::HEADERS, lost::AUTHORITY, lost::METHOD] {
        draft.lose(lost);
    }
    let received = ["/requestReceivedTimestamp", "/stageTimestamp"].map(|name| time::iso(text(name)));
    let (time, exact) = received.into_iter().flatten().next().unzip();
    draft.at(time, exact.unwrap_or(false));
    draft.peer.address = event.pointer("/sourceIPs/0").and_then(Value::as_str).and_then(|ip| ip.parse().ok());
    if draft.peer.address.is_none() {
        draft.lose(lost::PEER);
    }
    draft.claims = claims(event);
    match body {
        Some(body) => {
            draft.lose(lost::BODY_BYTES);
            draft.request.body = Some(Bytes(body.to_string().into_bytes()));
        }
        None if method != "GET" && method != "HEAD" && method != "OPTIONS" => draft.lose(lost::BODY),
        None => {}
    }
    Ok(draft)
}

/// The method behind a verb: of a resource, or the method itself in lower case where there is none.
fn method(verb: &str) -> Option<&'static str> {
    Some(match verb {
        "get" | "list" | "watch" | "proxy" => "GET",
        "create" | "post" | "connect" => "POST",
        "update" | "put" => "PUT",
        "patch" => "PATCH",
        "delete" | "deletecollection" => "DELETE",
        "head" => "HEAD",
        "options" => "OPTIONS",
        _ => return None,
    })
}

/// The log has the object, not in what form it came: a patch that is a list can only be of RFC 6902.
fn content_type(method: &str, body: &Value) -> &'static str {
    match (method, body) {
        ("PATCH", Value::Array(_)) => "application/json-patch+json",
        ("PATCH", _) => "application/strategic-merge-patch+json",
        _ => "application/json",
    }
}

/// Who asked, in the form of a token's claims (RFC 7519, and RFC 8693 for who acts for whom): `sub` is the user that
/// counts, `act` the one who impersonated it.
fn claims(event: &Value) -> Map<String, Value> {
    let of = |name: &str| {
        let user = event.get(name)?;
        let mut claims = Map::new();
        claims.insert("sub".into(), user.get("username")?.clone());
        for name in ["uid", "groups", "extra"] {
            if let Some(value) = user.get(name) {
                claims.insert(name.into(), value.clone());
            }
        }
        Some(claims)
    };
    let Some(user) = of("user") else { return Map::new() };
    let mut subject = match of("impersonatedUser") {
        Some(mut subject) => {
            subject.insert("act".into(), Value::Object(user));
            subject
        }
        None => user,
    };
    subject.shift_insert(0, "iss".into(), "kubernetes".into());
    Map::from_iter([(CLAIMS.to_owned(), Value::Object(subject))])
}
