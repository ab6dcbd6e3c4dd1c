//! What a gateway knows of a request besides its bytes, in the forms in which a filter reads it.
//!
//! Envoy's attributes: <https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/advanced/attributes>.

use std::collections::BTreeMap;

use prost::Message as _;
use prost_types::value::Kind;
use serde_json::{Map, Value};

use crate::cluster::Fields;
use crate::fields;
use crate::stream::{Flow, Stream};

/// What a gateway knows of a request besides its bytes: set by whoever sends it. What comes from the request and
/// the response themselves (`request.path`, `response.code` …) need not be set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Properties {
    /// By path, its parts with a zero byte between them.
    values: BTreeMap<Vec<u8>, Vec<u8>>,
    metadata: Map<String, Value>,
}

/// `envoy.config.core.v3.Metadata`, as far as it is made here.
#[derive(prost::Message)]
struct Metadata {
    #[prost(btree_map = "string, message", tag = "1")]
    filters: BTreeMap<String, prost_types::Struct>,
}

impl Properties {
    /// Sets a property to bytes: text as it is, a number as 8 bytes little-endian, a boolean as one byte.
    #[must_use]
    pub fn with(mut self, path: &[&str], value: impl Into<Vec<u8>>) -> Self {
        self.values.insert(path.join("\0").into_bytes(), value.into());
        self
    }

    /// Sets dynamic metadata of another filter: an object. What is no object is as if nothing was set.
    #[must_use]
    pub fn metadata(mut self, filter: &str, value: Value) -> Self {
        self.metadata.insert(filter.into(), value);
        self
    }

    /// The dynamic metadata from a path on: all of it is a message, a part of it has lost its types.
    fn dynamic(&self, path: &[&[u8]]) -> Option<Vec<u8>> {
        let Some((first, rest)) = path.split_first() else { return Some(self.message()) };
        if *first != b"filter_metadata" {
            return None;
        }
        let (filter, rest) = rest.split_first()?;
        let mut value = self.metadata.get(str::from_utf8(filter).ok()?)?;
        for part in rest {
            let part = str::from_utf8(part).ok()?;
            value = match value {
                Value::Object(members) => members.get(part)?,
                Value::Array(items) => items.get(part.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        serialised(value)
    }

    fn message(&self) -> Vec<u8> {
        let filters = self.metadata.iter().filter_map(|(name, value)| Some((name.clone(), object(value)?)));
        Metadata { filters: filters.collect() }.encode_to_vec()
    }
}

fn object(value: &Value) -> Option<prost_types::Struct> {
    let members = value.as_object()?;
    let fields = members.iter().map(|(name, value)| (name.clone(), written(value))).collect();
    Some(prost_types::Struct { fields })
}

/// JSON as an encoded `google.protobuf.Value`, the form in which Envoy keeps dynamic metadata. Numbers are doubles there.
#[must_use]
pub fn metadata_value(value: &Value) -> Vec<u8> {
    written(value).encode_to_vec()
}

fn written(value: &Value) -> prost_types::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or(f64::NAN)),
        Value::String(value) => Kind::StringValue(value.clone()),
        Value::Array(items) => {
            Kind::ListValue(prost_types::ListValue { values: items.iter().map(written).collect() })
        }
        Value::Object(_) => Kind::StructValue(object(value).unwrap_or_default()),
    };
    prost_types::Value { kind: Some(kind) }
}

/// A value without its type, as Envoy gives it; objects and lists as pairs.
fn serialised(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Null => None,
        Value::Bool(value) => Some(vec![u8::from(*value)]),
        Value::Number(value) => Some(value.as_f64()?.to_le_bytes().into()),
        Value::String(value) => Some(value.clone().into_bytes()),
        Value::Array(items) => {
            let pairs: Option<_> = items.iter().map(|item| Some((serialised(item)?, Vec::new()))).collect();
            Some(fields::write(&pairs?))
        }
        Value::Object(members) => {
            let pair =
                |(name, value): (&String, &Value)| Some((name.clone().into_bytes(), serialised(value)?));
            let pairs: Option<_> = members.iter().map(pair).collect();
            Some(fields::write(&pairs?))
        }
    }
}

/// A property of a request, or nothing when it has none of that path.
pub(crate) fn of(stream: &Stream, path: &[u8]) -> Option<Vec<u8>> {
    if let Some(value) = stream.properties.values.get(path) {
        return Some(value.clone());
    }
    let parts: Vec<&[u8]> = path.split(|byte| *byte == 0).collect();
    match parts.as_slice() {
        [b"metadata", rest @ ..] => stream.properties.dynamic(rest),
        [b"request", rest @ ..] => request(stream, rest),
        [b"response", rest @ ..] => response(stream, rest),
        [name] => stream.state.get(*name).cloned(),
        _ => None,
    }
}

fn request(stream: &Stream, path: &[&[u8]]) -> Option<Vec<u8>> {
    let flow = &stream.request;
    let headers = (flow.sees.headers || stream.logging).then_some(&flow.headers);
    let header = |name: &[u8]| fields::first(headers?, name).map(<[u8]>::to_vec);
    match path {
        [b"path"] => header(b":path"),
        [b"url_path"] => header(b":path").map(|path| split_query(&path).0.into()),
        [b"query"] => header(b":path").map(|path| split_query(&path).1.into()),
        [b"host"] => header(b":authority"),
        [b"scheme"] => header(b":scheme"),
        [b"method"] => header(b":method"),
        [b"referer"] => header(b"referer"),
        [b"useragent"] => header(b"user-agent"),
        [b"id"] => header(b"x-request-id"),
        [b"protocol"] => Some(b"HTTP/1.1".into()),
        [b"time"] => Some(u64::try_from(stream.began.as_nanos()).ok()?.to_le_bytes().into()),
        [b"size"] => Some(size(flow, headers)),
        [b"headers"] => headers.map(fields::write),
        [b"headers", name] => joined(headers?, name),
        _ => None,
    }
}

fn response(stream: &Stream, path: &[&[u8]]) -> Option<Vec<u8>> {
    let flow = &stream.response;
    let headers = (flow.sees.headers || stream.logging).then_some(&flow.headers);
    match path {
        [b"code"] => {
            let status = fields::first(&flow.headers, b":status")?;
            Some(str::from_utf8(status).ok()?.parse::<u64>().ok()?.to_le_bytes().into())
        }
        [b"code_details"] => (!stream.details.is_empty()).then(|| stream.details.clone().into_bytes()),
        [b"flags"] => Some(0_u64.to_le_bytes().into()),
        [b"size"] => Some((stream.reached.body.len() as u64).to_le_bytes().into()),
        [b"headers"] => headers.map(fields::write),
        [b"headers", name] => joined(headers?, name),
        [b"trailers", name] => joined(flow.trailers.as_ref()?, name),
        _ => None,
    }
}

fn split_query(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().position(|byte| *byte == b'?').and_then(|place| path.split_at_checked(place)) {
        Some((path, query)) => (path, query.get(1..).unwrap_or_default()),
        None => (path, &[]),
    }
}

/// What the header fields say, or else what came so far.
fn size(flow: &Flow, headers: Option<&Fields>) -> Vec<u8> {
    let said = headers.and_then(|headers| fields::first(headers, b"content-length"));
    let said = said.and_then(|said| str::from_utf8(said).ok()?.parse().ok());
    said.unwrap_or(flow.received).to_le_bytes().into()
}

/// All values of a field, with commas between them.
fn joined(headers: &Fields, name: &[u8]) -> Option<Vec<u8>> {
    let values = headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
    let values: Vec<&[u8]> = values.map(|(_, value)| value.as_slice()).collect();
    (!values.is_empty()).then(|| values.join(&b','))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn stream(properties: Properties) -> Stream {
        Stream::new(0, 1, Duration::ZERO, properties)
    }

    #[test]
    fn metadata_is_a_message_and_its_parts_have_no_types() {
        let claims = json!({ "sub": "ana", "age": 7, "admin": true, "groups": ["a", "b"] });
        let stream = stream(Properties::default().metadata("jwt", claims.clone()));
        let message = Metadata::decode(of(&stream, b"metadata").unwrap().as_slice()).unwrap();
        assert_eq!(message.filters["jwt"], object(&claims).unwrap());
        let part = |path: &[u8]| of(&stream, &[b"metadata\0filter_metadata\0", path].concat());
        assert_eq!(part(b"jwt\0sub"), Some(b"ana".into()));
        assert_eq!(part(b"jwt\0age"), Some(7_f64.to_le_bytes().into()));
        assert_eq!(part(b"jwt\0groups\x001"), Some(b"b".into()));
        assert_eq!(part(b"other"), None);
    }

    #[test]
    fn what_is_set_goes_before_what_is_known() {
        let set = Properties::default().with(&["request", "protocol"], "HTTP/2");
        assert_eq!(of(&stream(set), b"request\0protocol"), Some(b"HTTP/2".into()));
        assert_eq!(of(&stream(Properties::default()), b"request\0protocol"), Some(b"HTTP/1.1".into()));
        assert_eq!(of(&stream(Properties::default()), b"request\0path"), None);
    }
}
