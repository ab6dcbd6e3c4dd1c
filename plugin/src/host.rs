//! What the gateway is asked for, in the forms that cannot panic: bytes, pairs, and nothing for nothing.

use std::cell::Cell;
use std::thread::LocalKey;
use std::time::UNIX_EPOCH;

use countersign_core::life::{Moment, Reply};
use countersign_protocol::{Token, UnixMillis};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType};

use crate::quiet::Quiet;

/// Ordered header fields as bytes.
pub(crate) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// The gateway's clock.
pub(crate) fn now() -> UnixMillis {
    let since = hostcalls::get_current_time().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| since.as_millis().try_into().ok()).unwrap_or(UnixMillis::MAX)
}

/// 128 random bits from the gateway, or nothing when it has none to give.
pub(crate) fn random() -> Option<Token> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok().map(|()| Token(bytes))
}

/// This moment, with fresh randomness.
pub(crate) fn moment() -> Option<Moment> {
    random().map(|fresh| Moment { now: now(), fresh })
}

/// All fields of a map, in order. Names are tokens (RFC 9110 section 5.6.2): the gateway's codecs refuse others.
pub(crate) fn pairs(map: MapType) -> Option<Pairs> {
    let fields = hostcalls::get_map_bytes(map).ok()?;
    Some(fields.into_iter().map(|(name, value)| (name.into_bytes(), value)).collect())
}

/// The first `size` bytes of a buffer.
pub(crate) fn buffer(buffer: BufferType, size: usize) -> Option<Vec<u8>> {
    if size == 0 {
        return Some(Vec::new());
    }
    hostcalls::get_buffer(buffer, 0, size).ok().flatten().filter(|bytes| bytes.len() == size)
}

/// A property's bytes.
pub(crate) fn property(path: &[&str]) -> Option<Vec<u8>> {
    hostcalls::get_property(path.to_vec()).ok().flatten()
}

/// A property's text, when it is text that says something.
pub(crate) fn text(path: &[&str]) -> Option<String> {
    property(path).and_then(|bytes| String::from_utf8(bytes).ok()).filter(|text| !text.is_empty())
}

/// A property that the gateway gives as a 64-bit integer.
pub(crate) fn integer(path: &[&str]) -> Option<u64> {
    property(path).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes)
}

/// Keeps the summary in filter state, for the gateway's own access log.
pub(crate) fn summarise(summary: &str) {
    report(hostcalls::set_property(vec!["countersign"], Some(summary.as_bytes())));
}

/// Answers the request in place of the upstream.
pub(crate) fn reply(reply: &Reply) {
    let headers = reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    report(hostcalls::send_http_response(u32::from(reply.status), headers, Some(reply.body.as_bytes())));
}

/// Host calls that fail leave the request where it is: held, never forwarded. It is worth a line.
pub(crate) fn report(result: Result<(), proxy_wasm::types::Status>) {
    if let Err(status) = result {
        complain(&REFUSED, || format!("the gateway refused a call: {status:?}"));
    }
}

thread_local! {
    static REFUSED: Cell<Quiet> = const { Cell::new(Quiet::NEW) };
}

/// An error that every request may bring about again: it must not fill the log.
pub(crate) fn complain(place: &'static LocalKey<Cell<Quiet>>, line: impl FnOnce() -> String) {
    let mut quiet = place.get();
    if let Some(times) = quiet.again(now()) {
        log::error!("{} ({times} since the last such line)", line());
    }
    place.set(quiet);
}
