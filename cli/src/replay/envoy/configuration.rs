//! Envoy's configuration for a replay: that of `envoy/envoy.yaml` where it matters to a filter, and nothing before the
//! filter that would answer in its place.

use std::net::SocketAddr;
use std::path::Path;

use countersign_host_test::approvals::CLUSTER;
use serde_json::{Value, json};

use super::certificates::Files;
use super::message::carrier;
use super::upstream::CLIENT;
use crate::replay::setting::PLUGIN;

/// Where `jwt_authn` puts what it verified.
const JWT: &str = "envoy.filters.http.jwt_authn";

/// How log and upstream name a client: by its end of the connection, and by what it says that this is. The first alone
/// would name another client soon after.
const CONNECTION: &str = "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS%";

/// What goes into a configuration.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) filter: &'a Path,
    /// The filter's own configuration, JSON.
    pub(super) configuration: &'a str,
    pub(super) upstream: SocketAddr,
    pub(super) service: SocketAddr,
    /// The metadata keys of all claims.
    pub(super) keys: &'a [String],
    /// For clients that speak TLS; there are none without.
    pub(super) certificates: Option<&'a Files>,
}

/// Envoy's configuration: a listener for clients in plain text, then one for TLS.
pub(super) fn configuration(parts: &Parts<'_>) -> Value {
    let manager = manager(parts);
    let mut listeners = vec![listener("plain", &manager, None)];
    listeners.extend(parts.certificates.map(|files| listener("tls", &manager, Some(tls(files)))));
    json!({
        "node": { "id": "replay", "cluster": "replay" },
        "admin": { "address": address(SocketAddr::from(([127, 0, 0, 1], 0))) },
        "static_resources": {
            "listeners": listeners,
            "clusters": [cluster("upstream", parts.upstream), cluster(CLUSTER, parts.service)],
        },
    })
}

fn address(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}

fn typed(kind: &str, mut rest: Value) -> Value {
    if let Some(members) = rest.as_object_mut() {
        members.insert("@type".into(), format!("type.googleapis.com/envoy.{kind}").into());
    }
    rest
}

/// Who a client is comes before all that it says (PROXY protocol), on an encrypted connection too.
fn listener(name: &str, manager: &Value, transport: Option<Value>) -> Value {
    let proxy = typed("extensions.filters.listener.proxy_protocol.v3.ProxyProtocol", json!({}));
    let mut chain = json!({
        "filters": [{ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager }],
    });
    if let (Some(chain), Some(transport)) = (chain.as_object_mut(), transport) {
        chain.insert("transport_socket".into(), transport);
    }
    json!({
        "name": name,
        "address": address(SocketAddr::from(([127, 0, 0, 1], 0))),
        "per_connection_buffer_limit_bytes": 1_048_576,
        "listener_filters": [{ "name": "envoy.filters.listener.proxy_protocol", "typed_config": proxy }],
        "filter_chains": [chain],
    })
}

fn tls(files: &Files) -> Value {
    let context = json!({
        "require_client_certificate": false,
        "common_tls_context": {
            "tls_certificates": [{
                "certificate_chain": { "filename": files.certificate },
                "private_key": { "filename": files.key },
            }],
            "validation_context": { "trusted_ca": { "filename": files.authority } },
        },
    });
    let context = typed("extensions.transport_sockets.tls.v3.DownstreamTlsContext", context);
    json!({ "name": "envoy.transport_sockets.tls", "typed_config": context })
}

/// As in `envoy/envoy.yaml`, but for what that refuses before any filter (underscores in names, escaped slashes),
/// which the filter is to judge here; trailers are passed on, and no request is given up for its length in time.
fn manager(parts: &Parts<'_>) -> Value {
    let router = typed("extensions.filters.http.router.v3.Router", json!({ "suppress_envoy_headers": true }));
    let manager = json!({
        "stat_prefix": "gateway",
        "use_remote_address": true,
        "internal_address_config": { "unix_sockets": false },
        "normalize_path": false,
        "merge_slashes": false,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        "common_http_protocol_options": { "headers_with_underscores_action": "ALLOW" },
        "http_protocol_options": { "accept_http_10": false, "enable_trailers": true },
        "stream_idle_timeout": "300s",
        "access_log": [access_log()],
        "http_filters": [
            { "name": "claims", "typed_config": claims(parts.keys) },
            { "name": "filter", "typed_config": wasm(parts) },
            { "name": "envoy.filters.http.router", "typed_config": router },
        ],
        "route_config": routes(),
    });
    typed("extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", manager)
}

fn access_log() -> Value {
    let line = json!({
        "client": CONNECTION,
        "details": "%RESPONSE_CODE_DETAILS%",
        "summary": "%FILTER_STATE(wasm.countersign:PLAIN)%",
    });
    let log = json!({ "log_format": { "json_format": line } });
    let log = typed("extensions.access_loggers.stream.v3.StdoutAccessLog", log);
    json!({ "name": "envoy.access_loggers.stdout", "typed_config": log })
}

/// Puts recorded claims to where `jwt_authn` would have put them, whoever signed them once.
fn claims(keys: &[String]) -> Value {
    let rule = |(index, key): (usize, &String)| {
        json!({
            "header": carrier(index),
            "on_header_present": {
                "metadata_namespace": JWT, "key": key, "type": "PROTOBUF_VALUE", "encode": "BASE64",
            },
            "remove": true,
        })
    };
    // A filter without rules is refused.
    let nothing = ["nothing".to_owned()];
    let keys = if keys.is_empty() { &nothing } else { keys };
    let rules: Vec<_> = keys.iter().enumerate().map(rule).collect();
    typed("extensions.filters.http.header_to_metadata.v3.Config", json!({ "request_rules": rules }))
}

fn wasm(parts: &Parts<'_>) -> Value {
    let text = json!({
        "@type": "type.googleapis.com/google.protobuf.StringValue", "value": parts.configuration,
    });
    let config = json!({
        "name": PLUGIN,
        "root_id": PLUGIN,
        "failure_policy": "FAIL_RELOAD",
        "allow_on_headers_stop_iteration": true,
        "vm_config": {
            "vm_id": "countersign",
            "runtime": "envoy.wasm.runtime.v8",
            "code": { "local": { "filename": parts.filter } },
        },
        "configuration": text,
    });
    typed("extensions.filters.http.wasm.v3.Wasm", json!({ "config": config }))
}

/// Everything goes upstream. The client's connection is named there, which no filter has seen.
fn routes() -> Value {
    json!({
        "name": "gateway",
        "virtual_hosts": [{
            "name": "all",
            "domains": ["*"],
            "routes": [{
                "match": { "prefix": "" },
                "name": "upstream",
                "route": { "cluster": "upstream", "timeout": "15s" },
                "request_headers_to_add": [{
                    "header": { "key": CLIENT, "value": CONNECTION },
                    "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
                }],
            }],
        }],
    })
}

fn cluster(name: &str, at: SocketAddr) -> Value {
    let http = json!({ "explicit_http_config": { "http_protocol_options": { "enable_trailers": true } } });
    let kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "circuit_breakers": {
            "thresholds": [{ "max_connections": 1024, "max_pending_requests": 100_000, "max_requests": 100_000 }],
        },
        "typed_extension_protocol_options": {
            kind: typed("extensions.upstreams.http.v3.HttpProtocolOptions", http),
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(at) } }] }],
        },
    })
}
