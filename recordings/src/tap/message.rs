//! The messages of `envoy.data.tap.v3` that a recording needs, with Envoy's field numbers and JSON names.
//!
//! A `oneof` is written here as optional fields: on the wire, and in JSON, it is the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// `TraceWrapper`.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(super) struct TraceWrapper {
    #[prost(message, optional, tag = "1")]
    #[serde(alias = "httpBufferedTrace")]
    pub(super) http_buffered_trace: Option<HttpBufferedTrace>,
    #[prost(message, optional, tag = "2")]
    #[serde(alias = "httpStreamedTraceSegment")]
    pub(super) http_streamed_trace_segment: Option<HttpStreamedTraceSegment>,
}

/// `HttpBufferedTrace`.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(super) struct HttpBufferedTrace {
    #[prost(message, optional, tag = "1")]
    pub(super) request: Option<Message>,
    #[prost(message, optional, tag = "2")]
    pub(super) response: Option<Message>,
    #[prost(message, optional, tag = "3")]
    #[serde(alias = "downstreamConnection")]
    pub(super) downstream_connection: Option<Connection>,
}

/// `HttpBufferedTrace.Message`.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    #[prost(message, repeated, tag = "1")]
    pub(super) headers: Vec<HeaderValue>,
    #[prost(message, optional, tag = "2")]
    pub(super) body: Option<Body>,
    #[prost(message, repeated, tag = "3")]
    pub(super) trailers: Vec<HeaderValue>,
    #[prost(message, optional, tag = "4")]
    #[serde(alias = "headersReceivedTime")]
    pub(super) headers_received_time: Option<Timestamp>,
}

/// `HttpStreamedTraceSegment`.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(super) struct HttpStreamedTraceSegment {
    #[prost(uint64, tag = "1")]
    #[serde(alias = "traceId", deserialize_with = "number")]
    pub(super) trace_id: u64,
    #[prost(message, optional, tag = "2")]
    #[serde(alias = "requestHeaders")]
    pub(super) request_headers: Option<HeaderMap>,
    #[prost(message, optional, tag = "3")]
    #[serde(alias = "requestBodyChunk")]
    pub(super) request_body_chunk: Option<Body>,
    #[prost(message, optional, tag = "4")]
    #[serde(alias = "requestTrailers")]
    pub(super) request_trailers: Option<HeaderMap>,
    #[prost(message, optional, tag = "5")]
    #[serde(alias = "responseHeaders")]
    pub(super) response_headers: Option<HeaderMap>,
}

/// `Body`.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(super) struct Body {
    #[prost(bytes = "vec", optional, tag = "1")]
    #[serde(alias = "asBytes", deserialize_with = "base64")]
    pub(super) as_bytes: Option<Vec<u8>>,
    #[prost(string, optional, tag = "2")]
    #[serde(alias = "asString")]
    pub(super) as_string: Option<String>,
    #[prost(bool, tag = "3")]
    pub(super) truncated: bool,
}

/// `envoy.config.core.v3.HeaderMap`.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(super) struct HeaderMap {
    #[prost(message, repeated, tag = "1")]
    pub(super) headers: Vec<HeaderValue>,
}

/// `envoy.config.core.v3.HeaderValue`.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(super) struct HeaderValue {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
    #[prost(bytes = "vec", optional, tag = "3")]
    #[serde(alias = "rawValue", deserialize_with = "base64")]
    pub(super) raw_value: Option<Vec<u8>>,
}

/// `Connection`.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(super) struct Connection {
    #[prost(message, optional, tag = "2")]
    #[serde(alias = "remoteAddress")]
    pub(super) remote_address: Option<Address>,
}

/// `envoy.config.core.v3.Address`.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(super) struct Address {
    #[prost(message, optional, tag = "1")]
    #[serde(alias = "socketAddress")]
    pub(super) socket_address: Option<SocketAddress>,
}

/// `envoy.config.core.v3.SocketAddress`.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(super) struct SocketAddress {
    #[prost(string, tag = "2")]
    pub(super) address: String,
}

/// `google.protobuf.Timestamp`; in JSON RFC 3339.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Timestamp {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(super) nanos: i32,
}

impl Timestamp {
    /// Milliseconds since the Unix epoch.
    pub(super) fn millis(self) -> Option<i64> {
        self.seconds.checked_mul(1000)?.checked_add(i64::from(self.nanos) / 1_000_000)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time: jiff::Timestamp = text.parse().map_err(D::Error::custom)?;
        Ok(Self { seconds: time.as_second(), nanos: time.subsec_nanosecond() })
    }
}

/// Proto3 JSON writes 64-bit numbers as strings.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(u64),
        Text(String),
    }
    match Written::deserialize(deserializer)? {
        Written::Number(number) => Ok(number),
        Written::Text(text) => text.parse().map_err(D::Error::custom),
    }
}

fn base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| STANDARD.decode(text).map_err(D::Error::custom)).transpose()
}
