//! The table itself.

mod bodies;
mod headers;
mod others;
mod path;
mod query;

use super::Section;

/// All of it, in the order of the page.
pub const SECTIONS: &[Section] =
    &[path::PATH, query::QUERY, headers::HEADERS, headers::MESSAGE, bodies::BODIES];

/// What is refused for another reason than a rule of the one reading, by that reason.
pub const OTHERS: Section = others::OTHERS;

/// How Envoy calls what its parser of HTTP/1.1 does not take.
const CODEC: &str = "http1.codec_error";

/// How Envoy calls a path that it does not take.
const PATH: &str = "path_normalization_failed";

/// A message of MCP in JSON.
const MCP: &[&[u8]] = &[
    b"content-type: application/json",
    b"accept: application/json, text/event-stream",
    b"mcp-protocol-version: 2025-11-25",
];

const RFC3986: &str = "https://www.rfc-editor.org/rfc/rfc3986";
