//! Calls to the approval service: how they are sent, and what of a reply can be read.

use std::fmt;
use std::time::Duration;

use countersign_core::config::Approval;
use countersign_protocol::approval::EVIDENCE;
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType, Status};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::host;

/// Why a call was not answered. It shows nothing of the reply but its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The gateway did not send it, and said why.
    NotSent(Option<Status>),
    /// The gateway says that nothing came back.
    Nothing,
    /// The service's status, or what the gateway gives in its place.
    Status(u16),
    /// So many bytes, more than are read.
    TooLong(usize),
    /// No JSON of the form that was awaited, at this line and column.
    Unreadable(usize, usize),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(Some(status)) => write!(f, "the gateway did not send it ({status:?})"),
            Self::NotSent(None) => f.write_str("it cannot be written"),
            Self::Nothing => f.write_str("no answer"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::TooLong(bytes) => write!(f, "the answer has {bytes} bytes, more than are read"),
            Self::Unreadable(line, column) => {
                write!(f, "the answer cannot be read at line {line}, column {column}")
            }
        }
    }
}

/// What a call says.
#[derive(Debug)]
pub(crate) struct Body {
    media_type: &'static str,
    bytes: Vec<u8>,
}

impl Body {
    /// `value` as JSON, or nothing when it cannot be written.
    pub(crate) fn json(value: &impl Serialize) -> Option<Self> {
        Some(Self { media_type: "application/json", bytes: serde_json::to_vec(value).ok()? })
    }

    /// Lines of evidence.
    pub(crate) fn evidence(lines: String) -> Self {
        Self { media_type: EVIDENCE, bytes: lines.into_bytes() }
    }
}

/// Sends `body` to `path`; gives the gateway's id of the call.
///
/// # Errors
/// When it could not be sent.
pub(crate) fn send(approval: &Approval, path: &str, body: &Body, timeout: i64) -> Result<u32, Fault> {
    let bearer = format!("Bearer {}", approval.token);
    let headers = vec![
        (":method", "POST"),
        (":path", path),
        (":authority", approval.authority.as_str()),
        ("content-type", body.media_type),
        ("authorization", bearer.as_str()),
    ];
    let timeout = Duration::from_millis(timeout.unsigned_abs());
    let sent = hostcalls::dispatch_http_call(&approval.cluster, headers, Some(&body.bytes), vec![], timeout);
    sent.map_err(|status| Fault::NotSent(Some(status)))
}

/// The longest reply that is read, bytes: the service takes and gives no longer batches.
const LONGEST_REPLY: usize = 16 << 20;

/// Reads the reply that just came: what it says, or why there is none. Refusals, time-outs, resets and garbage
/// are all the same to a request.
pub(crate) fn reply<T: DeserializeOwned>(body_size: usize) -> (Option<T>, Option<Fault>) {
    match read(body_size) {
        Ok(reply) => (Some(reply), None),
        Err(fault) => (None, Some(fault)),
    }
}

fn read<T: DeserializeOwned>(body_size: usize) -> Result<T, Fault> {
    let body = body(body_size, LONGEST_REPLY)?;
    // Serde's own message can quote the reply.
    serde_json::from_slice(&body).map_err(|error| Fault::Unreadable(error.line(), error.column()))
}

/// The body of the reply that just came, when it has one of at most `longest` bytes and the status 200.
///
/// # Errors
/// See [`Fault`].
pub(crate) fn body(body_size: usize, longest: usize) -> Result<Vec<u8>, Fault> {
    let headers = host::pairs(MapType::HttpCallResponseHeaders).ok_or(Fault::Nothing)?;
    let status = headers.iter().find(|(name, _)| name == b":status").map(|(_, value)| value.as_slice());
    let status = status.and_then(|status| str::from_utf8(status).ok()?.parse().ok()).ok_or(Fault::Nothing)?;
    if status != 200 {
        return Err(Fault::Status(status));
    }
    if body_size > longest {
        return Err(Fault::TooLong(body_size));
    }
    host::buffer(BufferType::HttpCallResponseBody, body_size).ok_or(Fault::Nothing)
}

/// Asks a server for what is at its `path`; gives the gateway's id of the call.
///
/// # Errors
/// When it could not be sent.
pub(crate) fn get(cluster: &str, authority: &str, path: &str, timeout: i64) -> Result<u32, Fault> {
    let headers = vec![
        (":method", "GET"),
        (":path", path),
        (":authority", authority),
        ("accept", "application/jwk-set+json, application/json"),
    ];
    let timeout = Duration::from_millis(timeout.unsigned_abs());
    let sent = hostcalls::dispatch_http_call(cluster, headers, None, vec![], timeout);
    sent.map_err(|status| Fault::NotSent(Some(status)))
}
