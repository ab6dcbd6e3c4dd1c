//! The three Envoys.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use countersign_core::reading::Rule as Known;
use serde_json::{Map, Value, json};
use xtask::example::{bundle, files};
use xtask::reading::{Outcome, Request};
use xtask::stack::gateway::{Gateway, Options};
use xtask::workspace::Workspace;

use super::RawUpstream;
use crate::upstreams::send_to;
use crate::world::{World, manager, settings};

/// How an Envoy is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// As shipped.
    Shipped,
    /// Envoy refuses and tidies up as little as it can be told to.
    Lenient,
    /// The same, and every rule is relaxed.
    Relaxed,
}

/// One of them, and its upstream.
pub(super) struct Reader {
    pub(super) gateway: Gateway,
    pub(super) upstream: RawUpstream,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Shipped => "shipped",
            Self::Lenient => "lenient",
            Self::Relaxed => "relaxed",
        }
    }

    pub(super) fn outcome(self, request: &Request) -> Outcome {
        match self {
            Self::Shipped => request.shipped,
            Self::Lenient => request.lenient,
            Self::Relaxed => request.relaxed,
        }
    }
}

impl Reader {
    pub(super) async fn start(world: &World, kind: Kind) -> Result<Self> {
        let upstream = RawUpstream::start().await?;
        let mut configuration = configuration(world, upstream.address())?;
        if kind != Kind::Shipped {
            loosen(&mut configuration)?;
        }
        if kind == Kind::Relaxed {
            let names = Known::ALL.iter().filter(|rule| !rule.is_fixed()).map(|rule| rule.name());
            settings(&mut configuration)?.insert("relax".into(), names.collect());
        }
        // One worker, so that the access log is in the order of the requests.
        let options = Options { workers: 1, ..Options::default() };
        let name = format!("reading-{}", kind.name());
        let gateway = world.stack.gateway_of(&name, &configuration, &options).await?;
        Ok(Self { gateway, upstream })
    }
}

/// The shipped configuration, with the policies of these tests.
pub(crate) fn configuration(world: &World, upstream: SocketAddr) -> Result<Value> {
    let mut configuration = world.stack.configuration()?;
    let policies = files(&Workspace::find()?.root().join("xtask/tests/gateway/reading/policies"))?;
    let settings = settings(&mut configuration)?;
    settings.insert("bundle".into(), bundle(&policies));
    let user = json!({ "kind": "header", "name": "x-user", "peers": ["127.0.0.0/8"], "type": "Read::User" });
    settings.insert("identity".into(), json!([user]));
    send_to(&mut configuration, upstream, false)?;
    Ok(configuration)
}

/// Switches off whatever of Envoy's options would refuse or change a request before the filter sees it.
fn loosen(configuration: &mut Value) -> Result<()> {
    let runtime = json!({ "layers": [{ "name": "lenient", "static_layer": {
        "envoy.reloadable_features.http_reject_path_with_fragment": false,
    }}]});
    configuration.as_object_mut().context("no configuration")?.insert("layered_runtime".into(), runtime);
    let manager = manager(configuration)?;
    manager.insert("path_with_escaped_slashes_action".into(), json!("KEEP_UNCHANGED"));
    manager.insert(
        "upgrade_configs".into(),
        json!([{ "upgrade_type": "websocket" }, { "upgrade_type": "CONNECT" }]),
    );
    let member = |manager: &mut Map<String, Value>, name: &str, change: Value| -> Result<()> {
        let options =
            manager.entry(name).or_insert_with(|| json!({})).as_object_mut().context("no options")?;
        options.extend(change.as_object().cloned().unwrap_or_default());
        Ok(())
    };
    member(manager, "common_http_protocol_options", json!({ "headers_with_underscores_action": "ALLOW" }))?;
    let http1 = json!({ "allow_chunked_length": true, "enable_trailers": true, "accept_http_10": true });
    member(manager, "http_protocol_options", http1)?;
    let routes = manager.get_mut("route_config");
    let routes =
        routes.and_then(|config| config.pointer_mut("/virtual_hosts/0/routes")).and_then(Value::as_array_mut);
    let connect = json!({ "match": { "connect_matcher": {} }, "route": { "cluster": "upstream" } });
    routes.context("the configuration has no routes")?.insert(0, connect);
    upstream_trailers(configuration)
}

/// Trailers go on to the upstream, too.
fn upstream_trailers(configuration: &mut Value) -> Result<()> {
    let options = json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": { "http_protocol_options": { "enable_trailers": true } },
    }});
    let upstream = configuration.pointer_mut("/static_resources/clusters/0").and_then(Value::as_object_mut);
    let upstream = upstream.filter(|cluster| cluster.get("name") == Some(&json!("upstream")));
    let upstream = upstream.context("the first cluster is not `upstream`")?;
    upstream.insert("typed_extension_protocol_options".into(), options);
    Ok(())
}
