//! The paths that gateways call, as the approval service answers to them.

use countersign_protocol::approval::{EVIDENCE, Wait};
use countersign_protocol::keys::KEYS_PATH;
use countersign_protocol::recording::Operation;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::evidence::KeepError;
use super::service::Service;
use super::troubles::sized;
use crate::cluster::{Call, Response};

/// The longest body, bytes.
const LONGEST_BODY: usize = 16 << 20;

/// What comes of a call.
pub(super) enum Reply {
    /// This, at once.
    Now(Response),
    /// What happens to the waiter's tickets, when something does.
    Later(Wait),
}

/// What a call is, by its path.
pub(super) fn operation(call: &Call) -> Option<Operation> {
    let path = call.header(":path")?.split(|byte| *byte == b'?').next()?;
    Some(match path {
        b"/v1/requests" => Operation::Ask,
        b"/v1/wait" => Operation::Wait,
        b"/v1/claims" => Operation::Claim,
        b"/v1/outcomes" => Operation::Outcome,
        b"/v1/evidence" => Operation::Evidence,
        path if path == KEYS_PATH.as_bytes() => Operation::Keys,
        _ => return None,
    })
}

/// The name of an operation, as recordings write it.
pub(super) fn name(operation: Option<Operation>) -> &'static str {
    match operation {
        Some(Operation::Ask) => "ask",
        Some(Operation::Wait) => "wait",
        Some(Operation::Claim) => "claim",
        Some(Operation::Outcome) => "outcome",
        Some(Operation::Evidence) => "evidence",
        Some(Operation::Keys) => "keys",
        None => "unknown",
    }
}

/// Answers a call.
pub(super) fn serve(service: &mut Service, call: &Call) -> Reply {
    dispatch(service, call).unwrap_or_else(|problem| Reply::Now(problem.response()))
}

fn dispatch(service: &mut Service, call: &Call) -> Result<Reply, Problem> {
    let operation = operation(call).ok_or_else(|| Problem::new(404, "not_found", "there is nothing here"))?;
    let method: &[u8] = if operation == Operation::Keys { b"GET" } else { b"POST" };
    if call.header(":method") != Some(method) {
        return Err(Problem::new(405, "method_not_allowed", "this path has other methods"));
    }
    // Keys are everybody's to read.
    if operation != Operation::Keys {
        authorised(service, call)?;
    }
    Ok(Reply::Now(match operation {
        Operation::Keys => ok(&service.signer.document()),
        Operation::Wait => return Ok(Reply::Later(json_body(call)?)),
        Operation::Ask => ok(&service.ask(json_body(call)?)?),
        Operation::Claim => ok(&service.claim(json_body(call)?)?),
        Operation::Outcome => ok(&service.outcomes(json_body(call)?)?),
        Operation::Evidence => ok(&service.keep_lines(lines(call)?)?),
    }))
}

fn authorised(service: &Service, call: &Call) -> Result<(), Problem> {
    let value = call.header("authorization").and_then(|value| str::from_utf8(value).ok());
    let token = value.and_then(|value| value.split_once(' '));
    let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match token {
        None => Err(Problem::new(401, "unauthorized", "a gateway token is needed")),
        Some((_, token)) if token.trim() == service.token => Ok(()),
        Some(_) => Err(Problem::new(401, "unauthorized", "no gateway has this token")),
    }
}

fn media_type(call: &Call) -> &[u8] {
    let value = call.header("content-type").unwrap_or_default();
    value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

fn bounded(call: &Call) -> Result<&[u8], Problem> {
    if call.body.len() > LONGEST_BODY {
        return Err(Problem::new(413, "malformed_body", "the body is longer than 16 MiB"));
    }
    Ok(&call.body)
}

fn json_body<T: DeserializeOwned>(call: &Call) -> Result<T, Problem> {
    if media_type(call) != b"application/json" {
        return Err(Problem::new(415, "malformed_body", "this path takes `content-type: application/json`"));
    }
    serde_json::from_slice(bounded(call)?).map_err(|error| {
        let status = if error.is_data() { 422 } else { 400 };
        Problem::new(status, "malformed_body", error.to_string())
    })
}

fn lines(call: &Call) -> Result<&str, Problem> {
    if call.header("content-type") != Some(EVIDENCE.as_bytes()) {
        let detail = format!("this path takes `content-type: {EVIDENCE}`");
        return Err(Problem::new(415, "unsupported_media_type", detail));
    }
    str::from_utf8(bounded(call)?).map_err(|error| Problem::new(400, "malformed_body", error.to_string()))
}

/// 200 with `body`, which can always be written.
pub(super) fn ok(body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).unwrap_or_default();
    sized(Response::new(200, body).header("content-type", "application/json"))
}

/// An error, as RFC 9457 has it, with a stable code.
struct Problem {
    status: u16,
    code: &'static str,
    detail: String,
}

impl Problem {
    fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into() }
    }

    fn response(&self) -> Response {
        let body = json!({
            "type": format!("urn:countersign:problem:{}", self.code),
            "title": title(self.status),
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        });
        let response = Response::new(self.status, body.to_string());
        let response = sized(response.header("content-type", "application/problem+json"));
        if self.status == 401 { response.header("www-authenticate", "Bearer") } else { response }
    }
}

fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        413 => "Payload Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Entity",
        _ => "Error",
    }
}

impl From<KeepError> for Problem {
    fn from(error: KeepError) -> Self {
        let (status, code) = match error {
            KeepError::Malformed(_) => (422, "malformed_evidence"),
            KeepError::Conflict(_) => (409, "evidence_conflict"),
        };
        Self::new(status, code, error.to_string())
    }
}
