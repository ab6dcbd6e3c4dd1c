//! What Envoy's tap filter writes: JSON or length-delimited protobuf, a trace as one message or in segments.

mod assemble;
mod delimited;
mod json;
mod message;
mod trace;

use std::io::Read;

use crate::draft::{Broken, Pieces};
use assemble::Assemble;
use message::TraceWrapper;

pub(crate) use delimited::is_delimited;

/// Traces one after another.
trait Traces: Iterator<Item = Result<TraceWrapper, Broken>> {}

impl<T: Iterator<Item = Result<TraceWrapper, Broken>>> Traces for T {}

/// Whether an object with this member is a trace (`TraceWrapper`).
pub(crate) fn is_member(name: &str) -> bool {
    const MEMBERS: [&str; 4] = [
        "http_buffered_trace",
        "http_streamed_trace_segment",
        "socket_buffered_trace",
        "socket_streamed_trace_segment",
    ];
    let plain = |name: &str| name.replace('_', "").to_ascii_lowercase();
    MEMBERS.iter().any(|member| plain(member) == plain(name))
}

/// Reads a tap that begins with `head`.
pub(crate) fn pieces<'a>(input: impl Read + 'a, head: &[u8]) -> Box<dyn Pieces + 'a> {
    if head.trim_ascii_start().first() == Some(&b'{') {
        Box::new(Assemble::new(json::Json::new(input)))
    } else {
        Box::new(Assemble::new(delimited::Delimited::new(input)))
    }
}
