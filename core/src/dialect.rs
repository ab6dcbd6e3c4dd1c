//! In which protocol a client reads its answers, known per request.

use crate::facts::RequestFacts;
use crate::grpc;
use crate::mcp::Conversation;

/// How a client reads what it gets in place of the upstream's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Problem details (RFC 9457).
    Http,
    /// A gRPC status.
    Grpc {
        /// How long the client waits, milliseconds.
        timeout: Option<i64>,
    },
    /// JSON-RPC of the Model Context Protocol.
    Mcp(Conversation),
}

/// How long a client of the Model Context Protocol is kept waiting at most, milliseconds: the official SDKs give up
/// after a minute, and asking and claiming take their time besides.
const MCP_HOLD: i64 = 45_000;

/// What of a gRPC client's timeout is left for the answer to reach it, milliseconds.
const GRPC_MARGIN: i64 = 500;

impl Dialect {
    /// As far as the headers tell.
    pub(crate) fn of(facts: &RequestFacts) -> Self {
        if grpc::is_request(facts) { Self::Grpc { timeout: grpc::timeout(facts) } } else { Self::Http }
    }

    /// How long a request may be held before its client gives up, milliseconds.
    pub(crate) fn longest_hold(&self) -> Option<i64> {
        match self {
            Self::Http => None,
            Self::Grpc { timeout } => timeout.map(|timeout| timeout.saturating_sub(GRPC_MARGIN).max(0)),
            Self::Mcp(_) => Some(MCP_HOLD),
        }
    }
}
