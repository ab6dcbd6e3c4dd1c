//! Calls to the approval service: how they are sent, and what of a reply can be read.

use std::time::Duration;

use countersign_core::config::Approval;
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::host;

/// Sends `body` to `path`; gives the gateway's id of the call, or nothing when it could not be sent.
pub(crate) fn send(approval: &Approval, path: &str, body: &impl Serialize, timeout: i64) -> Option<u32> {
    let body = serde_json::to_vec(body).ok()?;
    let bearer = format!("Bearer {}", approval.token);
    let headers = vec![
        (":method", "POST"),
        (":path", path),
        (":authority", approval.authority.as_str()),
        ("content-type", "application/json"),
        ("authorization", bearer.as_str()),
    ];
    let timeout = Duration::from_millis(timeout.unsigned_abs());
    let sent = hostcalls::dispatch_http_call(&approval.cluster, headers, Some(&body), vec![], timeout);
    sent.inspect_err(|status| log::warn!("call to {path} could not be sent: {status:?}")).ok()
}

/// The longest reply that is read, bytes: the service takes and gives no longer batches.
const LONGEST_REPLY: usize = 16 << 20;

/// Reads the reply that just came; refusals, time-outs, resets and garbage are all nothing.
pub(crate) fn reply<T: DeserializeOwned>(path: &str, body_size: usize) -> Option<T> {
    let headers = host::pairs(MapType::HttpCallResponseHeaders)?;
    let status = headers.iter().find(|(name, _)| name == b":status").map(|(_, value)| value.as_slice());
    if status != Some(b"200") {
        let status = status.map(String::from_utf8_lossy).unwrap_or_default();
        log::warn!("call to {path} failed with status `{status}`");
        return None;
    }
    if body_size > LONGEST_REPLY {
        log::warn!("the reply to {path} has {body_size} bytes, more than {LONGEST_REPLY}: not read");
        return None;
    }
    let body = host::buffer(BufferType::HttpCallResponseBody, body_size)?;
    let read = serde_json::from_slice(&body);
    read.inspect_err(|error| log::warn!("the reply to {path} cannot be read: {error}")).ok()
}
