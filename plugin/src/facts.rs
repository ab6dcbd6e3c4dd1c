//! Collects what the gateway knows of a request whose headers came, after removing what no client may say.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use countersign_core::engine::Engine;
use countersign_core::facts::{Peer, RequestFacts};
use countersign_core::reading::{to_strip, to_strip_from_trailers};
use prost::Message as _;
use proxy_wasm::hostcalls;
use proxy_wasm::types::MapType;

use crate::configuration::object;
use crate::host::{self, Pairs};

/// The facts of the current request, or nothing when the gateway does not give its headers. Each property is a
/// call to the gateway: those that no source of identities reads are not fetched.
pub(crate) fn collect(engine: &Engine, body: Option<Vec<u8>>) -> Option<RequestFacts> {
    Some(RequestFacts {
        headers: sanitised(MapType::HttpRequestHeaders)?,
        body,
        trailers: Vec::new(),
        peer: peer(engine.reads_certificates()),
        claims: if engine.reads_claims() { claims()? } else { serde_json::Map::new() },
    })
}

/// All fields but those that steer the router or speak for the filter: these are removed, here and at the gateway.
pub(crate) fn sanitised(map: MapType) -> Option<Pairs> {
    let (strip, keep): (Pairs, Pairs) = host::pairs(map)?.into_iter().partition(|(name, _)| to_strip(name));
    remove(map, strip)?;
    Some(keep)
}

/// Removes the trailers that would mean something as headers from a request that went on before they came; nothing when
/// the gateway does not let it.
pub(crate) fn sanitise_trailers(engine: &Engine) -> Option<()> {
    let mut trailers = host::pairs(MapType::HttpRequestTrailers)?;
    trailers.retain(|(name, _)| to_strip_from_trailers(name, engine.relaxed()));
    remove(MapType::HttpRequestTrailers, trailers)
}

fn remove(map: MapType, fields: Pairs) -> Option<()> {
    for (name, _) in fields {
        hostcalls::remove_map_value(map, &String::from_utf8(name).ok()?).ok()?;
    }
    Some(())
}

fn peer(certificate: bool) -> Peer {
    let presented = || host::property(&["connection", "mtls"]).is_some_and(|flag| flag == [1]);
    let uri_san = || host::text(&["connection", "uri_san_peer_certificate"]);
    Peer {
        address: host::text(&["source", "address"]).and_then(|text| address(&text)),
        uri_san: (certificate && presented()).then(uri_san).flatten(),
    }
}

fn address(text: &str) -> Option<IpAddr> {
    text.parse::<SocketAddr>().map(|socket| socket.ip()).or_else(|_| text.parse()).ok()
}

/// `envoy.config.core.v3.Metadata`, as far as it is read here.
#[derive(prost::Message)]
struct Metadata {
    #[prost(btree_map = "string, message", tag = "1")]
    filters: BTreeMap<String, prost_types::Struct>,
}

/// What `jwt_authn` verified, from metadata key to payload. The whole metadata is read: a part of it comes
/// without the types of its members. Metadata that cannot be read is not the same as none: somebody may be
/// named in it, so there are no facts then.
fn claims() -> Option<serde_json::Map<String, serde_json::Value>> {
    let Some(bytes) = host::property(&["metadata"]) else { return Some(serde_json::Map::new()) };
    let mut metadata = Metadata::decode(bytes.as_slice()).ok()?;
    match metadata.filters.remove("envoy.filters.http.jwt_authn").map(|claims| object(claims.fields)) {
        None => Some(serde_json::Map::new()),
        Some(Some(serde_json::Value::Object(claims))) => Some(claims),
        Some(_) => None,
    }
}
