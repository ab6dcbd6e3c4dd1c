//! Upstreams that tests bring along, in the place of the example's.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// Has the gateway send what it lets pass to `address`; `http2`: as gRPC is spoken, without TLS.
pub(crate) fn send_to(configuration: &mut Value, address: SocketAddr, http2: bool) -> Result<()> {
    let clusters = configuration.pointer_mut("/static_resources/clusters").and_then(Value::as_array_mut);
    let named = |cluster: &&mut Value| cluster.get("name").is_some_and(|name| name == "upstream");
    let upstream = clusters.into_iter().flatten().find(named).context("no cluster `upstream`")?;
    let place = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    *upstream.pointer_mut(place).context("the cluster has no address")? =
        json!({ "address": address.ip().to_string(), "port_value": address.port() });
    if http2 {
        let options = json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": { "http2_protocol_options": {} },
        }});
        let upstream = upstream.as_object_mut().context("the cluster is no object")?;
        upstream.insert("typed_extension_protocol_options".into(), options);
    }
    Ok(())
}
