//! What is compared: gateways that differ in one filter, made of the configuration that ships, and the
//! requests that are sent to them.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use super::policies::{self, CALLER, HOST, PATH};
use crate::stack::Stack;

/// The filter that stands before the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    /// None.
    None,
    /// The empty one.
    Floor,
    /// Countersign with this many policies.
    Countersign(usize),
    /// Envoy's `ext_authz`, which asks a server that does nothing.
    ExtAuthz,
}

/// The request that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// A read without a body, allowed.
    Read,
    /// The same by a stranger, denied by a gateway that judges.
    Stranger,
    /// A write with a JSON body of 1 KB that policy reads, allowed.
    Write,
}

/// One thing that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Variant {
    /// How it is called in figures.
    pub(super) name: &'static str,
    pub(super) filter: Filter,
    pub(super) call: Call,
}

/// In the order in which each round measures them.
pub(super) const VARIANTS: [Variant; 10] = [
    variant("no filter", Filter::None, Call::Read),
    variant("floor", Filter::Floor, Call::Read),
    variant("10 policies", Filter::Countersign(10), Call::Read),
    variant("1,000 policies", Filter::Countersign(1_000), Call::Read),
    variant("10,000 policies", Filter::Countersign(10_000), Call::Read),
    variant("denied, 10 policies", Filter::Countersign(10), Call::Stranger),
    variant("ext_authz", Filter::ExtAuthz, Call::Read),
    variant("no filter, body", Filter::None, Call::Write),
    variant("floor, body", Filter::Floor, Call::Write),
    variant("10 policies, body", Filter::Countersign(10), Call::Write),
];

const fn variant(name: &'static str, filter: Filter, call: Call) -> Variant {
    Variant { name, filter, call }
}

/// Bytes of the body.
const BODY: usize = 1024;

/// A request as a load generator sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<String>,
}

impl Variant {
    /// The variants that this one is held against: without a filter, and with the empty one.
    pub(super) fn bases(&self) -> [&'static str; 2] {
        match self.call {
            Call::Write => ["no filter, body", "floor, body"],
            Call::Read | Call::Stranger => ["no filter", "floor"],
        }
    }

    /// The status that each answer must have.
    pub(super) fn status(&self) -> u16 {
        if self.call == Call::Stranger { 403 } else { 200 }
    }

    /// The policy that lets the request pass, where policies decide and it passes.
    pub(super) fn permit(&self) -> Option<&'static str> {
        match (self.filter, self.call) {
            (Filter::Countersign(_), Call::Read) => Some(policies::READ),
            (Filter::Countersign(_), Call::Write) => Some(policies::WRITE),
            _ => None,
        }
    }

    pub(super) fn request(&self) -> Request {
        let caller = if self.call == Call::Stranger { "stranger" } else { CALLER.1 };
        let mut headers = vec![("host", HOST.to_owned()), (CALLER.0, caller.to_owned())];
        let body = (self.call == Call::Write).then(|| policies::body(BODY));
        headers.extend(body.iter().map(|_| ("content-type", "application/json".to_owned())));
        Request { method: if body.is_some() { "PUT" } else { "GET" }, path: PATH, headers, body }
    }

    /// The gateway's configuration. `floor` is the empty filter, `authority` where `ext_authz` asks.
    pub(super) fn configuration(&self, stack: &Stack, floor: &Path, authority: u16) -> Result<Value> {
        let policies = if let Filter::Countersign(policies) = self.filter { policies } else { 10 };
        let mut configuration = stack.configuration_of(&policies::files(policies)?)?;
        answer_at_once(&mut configuration)?;
        let filters = filters(&mut configuration)?;
        filters.retain(|filter| !is(filter, "jwt_authn"));
        let wasm =
            filters.iter_mut().find(|filter| is(filter, "wasm")).context("the gateway has no filter")?;
        match self.filter {
            Filter::Countersign(_) => {
                set(wasm, "/typed_config/config/configuration/value", "identity", policies::identity())?
            }
            Filter::Floor => empty(wasm, floor)?,
            Filter::ExtAuthz => *wasm = ext_authz(),
            Filter::None => filters.retain(|filter| !is(filter, "wasm")),
        }
        if self.call == Call::Write {
            filters.insert(0, buffer());
        }
        if self.filter == Filter::ExtAuthz {
            clusters(&mut configuration)?.push(authorizer(authority));
        }
        Ok(configuration)
    }
}

/// Sets one key of the filter's own configuration.
pub(super) fn set_filter(configuration: &mut Value, key: &str, to: Value) -> Result<()> {
    let filters = filters(configuration)?;
    let wasm = filters.iter_mut().find(|filter| is(filter, "wasm")).context("the gateway has no filter")?;
    set(wasm, "/typed_config/config/configuration/value", key, to)
}

/// A gateway that answers everything at once, for `ext_authz` to ask.
pub(super) fn nothing(stack: &Stack) -> Result<Value> {
    let mut configuration = stack.configuration_of(&policies::files(10)?)?;
    answer_at_once(&mut configuration)?;
    filters(&mut configuration)?.retain(|filter| is(filter, "router"));
    Ok(configuration)
}

const MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";

/// The gateway answers itself, so that no upstream is what limits; nothing is logged for each request.
fn answer_at_once(configuration: &mut Value) -> Result<()> {
    object(configuration, MANAGER)?.remove("access_log");
    let routes = format!("{MANAGER}/route_config/virtual_hosts/0/routes");
    let routes = configuration.pointer_mut(&routes).and_then(Value::as_array_mut).context("no routes")?;
    let last = routes.last_mut().and_then(Value::as_object_mut).context("no route")?;
    last.remove("route");
    last.insert("direct_response".into(), json!({ "status": 200, "body": { "inline_string": "ok\n" } }));
    Ok(())
}

fn filters(configuration: &mut Value) -> Result<&mut Vec<Value>> {
    let filters = configuration.pointer_mut(&format!("{MANAGER}/http_filters"));
    filters.and_then(Value::as_array_mut).context("no HTTP filters")
}

fn clusters(configuration: &mut Value) -> Result<&mut Vec<Value>> {
    let clusters = configuration.pointer_mut("/static_resources/clusters");
    clusters.and_then(Value::as_array_mut).context("no clusters")
}

fn is(filter: &Value, name: &str) -> bool {
    let full = filter.get("name").and_then(Value::as_str).unwrap_or_default();
    full.strip_prefix("envoy.filters.http.") == Some(name)
}

fn object<'a>(value: &'a mut Value, place: &str) -> Result<&'a mut Map<String, Value>> {
    let object = value.pointer_mut(place).and_then(Value::as_object_mut);
    object.with_context(|| format!("the configuration has no `{place}`"))
}

fn set(value: &mut Value, place: &str, key: &str, to: Value) -> Result<()> {
    object(value, place)?.insert(key.into(), to);
    Ok(())
}

/// The same block of configuration, with the empty filter in it.
fn empty(wasm: &mut Value, floor: &Path) -> Result<()> {
    let config = object(wasm, "/typed_config/config")?;
    config.remove("configuration");
    config.insert("name".into(), "floor".into());
    config.insert("root_id".into(), "floor".into());
    set(wasm, "/typed_config/config/vm_config", "vm_id", "floor".into())?;
    set(wasm, "/typed_config/config/vm_config/code/local", "filename", floor.display().to_string().into())
}

/// Holds a request until its body is there. Without it the gateway would answer before it has read the
/// body, and close the connection.
fn buffer() -> Value {
    json!({
        "name": "envoy.filters.http.buffer",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer",
            "max_request_bytes": 1 << 20,
        },
    })
}

fn ext_authz() -> Value {
    json!({
        "name": "envoy.filters.http.ext_authz",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
            "transport_api_version": "V3",
            "http_service": {
                "server_uri": { "uri": "http://authorizer", "cluster": "authorizer", "timeout": "5s" },
            },
        },
    })
}

fn authorizer(port: u16) -> Value {
    let address = json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
    json!({
        "name": "authorizer",
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {
            "cluster_name": "authorizer",
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_base_is_measured() {
        let names = VARIANTS.map(|variant| variant.name);
        for variant in VARIANTS {
            assert!(variant.bases().iter().all(|base| names.contains(base)), "{}", variant.name);
        }
    }

    #[test]
    fn a_body_comes_with_what_says_so() {
        let write = variant("a", Filter::None, Call::Write).request();
        assert_eq!((write.method, write.body.map(|body| body.len())), ("PUT", Some(BODY)));
        assert!(write.headers.iter().any(|(name, _)| *name == "content-type"));
        assert_eq!(variant("a", Filter::None, Call::Stranger).request().headers[1].1, "stranger");
    }
}
