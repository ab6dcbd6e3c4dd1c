//! gRPC with a real client and server, tonic: what the client sees of each decision.

mod messages;

use std::convert::Infallible;
use std::future::Ready;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as Waking, Poll};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codegen::Service;
use tonic::server::NamedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use xtask::stack::gateway::Gateway;

use crate::Trials;
use crate::upstreams::send_to;
use crate::world::{World, settings};

pub(crate) fn add(trials: &mut Trials) {
    trials.add("grpc: allowed, denied, held, pending, and streams", every_decision);
    trials.add("grpc: fields of messages, as an import describes them", messages::judged);
}

const SCHEMA: &str = "
entity User; entity Agent { owner: User }; entity Order;
action place, cancel, purge, watch, follow appliesTo { principal: [Agent], resource: Order };
";

const POLICIES: &str = r#"
@id("orders") permit (principal, action, resource);
@id("no-purge") forbid (principal, action == Action::"purge", resource);
@id("cancel-needs-a-person") @approval("security") @hold("4s")
forbid (principal, action in [Action::"cancel", Action::"watch"], resource);
"#;

const ROUTES: &str = r#"
routes:
  - { match: { host: orders.example, path: "/shop.Orders/Place" }, action: 'Action::"place"', resource: 'Order::"any"' }
  - { match: { host: orders.example, path: "/shop.Orders/Cancel" }, action: 'Action::"cancel"', resource: 'Order::"any"' }
  - { match: { host: orders.example, path: "/shop.Orders/Purge" }, action: 'Action::"purge"', resource: 'Order::"any"' }
  - { match: { host: orders.example, grpc: shop.Orders/Watch }, action: 'Action::"watch"', resource: 'Order::"any"' }
  - { match: { host: orders.example, grpc: shop.Orders/Follow }, action: 'Action::"follow"', resource: 'Order::"any"' }
"#;

const IDENTITIES: &str = "
people: { User: { issuer: local } }
agents: { Agent: { owner: owner } }
groups: { security: { issuer: local, id: security } }
";

const ENTITIES: &str = r#"[{ "uid": { "type": "Agent", "id": "clerk" }, "parents": [],
  "attrs": { "owner": { "__entity": { "type": "User", "id": "ana" } } } }]"#;

/// What is sent and what comes back.
#[derive(Clone, PartialEq, prost::Message)]
struct Order {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int64, tag = "2")]
    amount: i64,
}

type Codec = ProstCodec<Order, Order>;

/// A server that answers every unary method with what it got, and keeps the names.
#[derive(Clone, Default)]
struct Orders {
    seen: Arc<Mutex<Vec<String>>>,
}

impl NamedService for Orders {
    const NAME: &'static str = "shop.Orders";
}

impl Service<Request<Order>> for Orders {
    type Response = Response<Order>;
    type Error = Status;
    type Future = Ready<Result<Response<Order>, Status>>;

    fn poll_ready(&mut self, _: &mut Waking<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Order>) -> Self::Future {
        let order = request.into_inner();
        self.saw(&order);
        std::future::ready(Ok(Response::new(order)))
    }
}

/// A method that takes a stream answers with its last order.
impl Service<Request<Streaming<Order>>> for Orders {
    type Response = Response<Order>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Order>, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Waking<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Streaming<Order>>) -> Self::Future {
        let orders = self.clone();
        Box::pin(async move {
            let (mut stream, mut last) = (request.into_inner(), Order::default());
            while let Some(order) = stream.message().await? {
                orders.saw(&order);
                last = order;
            }
            Ok(Response::new(last))
        })
    }
}

impl Service<http::Request<Body>> for Orders {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Waking<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let orders = self.clone();
        let streams = request.uri().path().ends_with("/Follow");
        Box::pin(async move {
            let mut server = tonic::server::Grpc::new(Codec::default());
            Ok(match streams {
                true => server.client_streaming(orders, request).await,
                false => server.unary(orders, request).await,
            })
        })
    }
}

impl Orders {
    async fn serve(self) -> Result<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = Server::builder().add_service(self);
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        Ok(address)
    }

    fn saw(&self, order: &Order) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(order.name.clone());
    }

    fn names(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn gateway(world: &World, upstream: SocketAddr) -> Result<Gateway> {
    let files = [
        ("a.cedarschema", SCHEMA),
        ("a.cedar", POLICIES),
        ("routes.yaml", ROUTES),
        ("identities.yaml", IDENTITIES),
        ("entities.json", ENTITIES),
    ];
    let files = files.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    let mut configuration = world.stack.configuration_of(&files)?;
    let source = json!({ "kind": "header", "name": "x-agent", "peers": ["127.0.0.1/32"], "type": "Agent" });
    settings(&mut configuration)?.insert("identity".into(), json!([source]));
    settings(&mut configuration)?.insert("limits".into(), json!({ "body_wait": "2s" }));
    send_to(&mut configuration, upstream, true)?;
    world.stack.gateway("grpc", &configuration).await
}

async fn channel(gateway: &Gateway) -> Result<Grpc<Channel>> {
    let endpoint = Endpoint::from_shared(format!("http://{}", gateway.address()))?
        .origin("http://orders.example".parse()?);
    Ok(Grpc::new(endpoint.connect().await?))
}

fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-agent", tonic::metadata::MetadataValue::from_static("clerk"));
    request
}

async fn call(client: &Grpc<Channel>, path: &'static str, name: &str) -> Result<Result<Order, Status>> {
    let mut client = client.clone();
    client.ready().await?;
    let path = http::uri::PathAndQuery::from_static(path);
    let order = Order { name: name.into(), ..Order::default() };
    Ok(client.unary(request(order), path, Codec::default()).await.map(Response::into_inner))
}

fn metadata(status: &Status, name: &str) -> Result<String> {
    let value = status.metadata().get(name).with_context(|| format!("no `{name}` in {status:?}"))?;
    Ok(value.to_str()?.to_owned())
}

async fn every_decision(world: &World) -> Result<()> {
    let orders = Orders::default();
    let gateway = gateway(world, orders.clone().serve().await?).await?;
    let client = channel(&gateway).await?;

    let placed = call(&client, "/shop.Orders/Place", "one").await??;
    ensure!(placed.name == "one", "{placed:?}");

    let purged = call(&client, "/shop.Orders/Purge", "two").await?;
    let purged = purged.err().context("what is forbidden was done")?;
    ensure!(purged.code() == Code::PermissionDenied, "{purged:?}");
    ensure!(purged.message() == "policy does not allow this: forbidden by no-purge", "{purged:?}");
    ensure!(metadata(&purged, "countersign-code")? == "forbidden", "{purged:?}");

    let unknown = call(&client, "/shop.Orders/Unknown", "x").await?.err().context("it has no route")?;
    ensure!(
        unknown.code() == Code::PermissionDenied && unknown.message().contains("no route"),
        "{unknown:?}"
    );

    let held = tokio::spawn({
        let client = client.clone();
        async move { call(&client, "/shop.Orders/Cancel", "three").await }
    });
    let ticket = world.stack.approvals.pending("/shop.Orders/Cancel").await?;
    world.stack.approvals.approve(&ticket, "ben").await?;
    ensure!(held.await???.name == "three", "it came back as something else");

    let pending = call(&client, "/shop.Orders/Cancel", "four").await?.err().context("nobody approved it")?;
    ensure!(pending.code() == Code::FailedPrecondition, "{pending:?}");
    ensure!(pending.message().starts_with("a person must countersign this"), "{pending:?}");
    let ticket = world.stack.approvals.ticket(&metadata(&pending, "countersign-ticket")?).await?;
    let url = format!("http://{}{}", gateway.address(), metadata(&pending, "countersign-status-url")?);
    let status = reqwest::get(&url).await?.text().await?;
    ensure!(status.contains("pending"), "{status}");
    world.stack.approvals.approve(&ticket, "ben").await?;
    ensure!(call(&client, "/shop.Orders/Cancel", "four").await??.name == "four", "not the same again");

    stream_is_not_held(&client).await?;
    stream_goes_on_while_it_lasts(&client, &orders).await?;
    let arrived = ["one", "three", "four", "first", "second"];
    ensure!(orders.names() == arrived, "arrived: {:?}", orders.names());
    gateway.stop().await
}

/// A stream under no gate is judged at its headers: what it says first arrives before it says more.
async fn stream_goes_on_while_it_lasts(client: &Grpc<Channel>, orders: &Orders) -> Result<()> {
    let (mut client, path) = (client.clone(), http::uri::PathAndQuery::from_static("/shop.Orders/Follow"));
    client.ready().await?;
    let seen = orders.clone();
    let messages = futures_util::stream::unfold(0, move |count| {
        let seen = seen.clone();
        async move {
            let name = *["first", "second"].get(count)?;
            let mut tries = 0..500;
            while count == 1 && !seen.names().contains(&"first".to_owned()) {
                // Without more to say, the stream ends, and the test with it.
                tries.next()?;
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            Some((Order { name: name.into(), ..Order::default() }, count + 1))
        }
    });
    let answer = client.client_streaming(request(Box::pin(messages)), path, Codec::default()).await?;
    ensure!(answer.get_ref().name == "second", "{answer:?}");
    Ok(())
}

/// A client that goes on talking: it cannot be shown to anybody, and the answer does not wait for its end.
async fn stream_is_not_held(client: &Grpc<Channel>) -> Result<()> {
    let (mut client, path) = (client.clone(), http::uri::PathAndQuery::from_static("/shop.Orders/Watch"));
    client.ready().await?;
    let orders = futures_util::stream::unfold(0, async |count| {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        Some((Order { name: count.to_string(), ..Order::default() }, count + 1))
    });
    let begun = tokio::time::Instant::now();
    let answer = client.streaming(request(Box::pin(orders)), path, Codec::default()).await;
    let status = answer.err().context("a gate let a stream pass")?;
    ensure!(status.code() == Code::PermissionDenied, "{status:?}");
    ensure!(metadata(&status, "countersign-code")? == "stream_gated", "{status:?}");
    ensure!(begun.elapsed() < std::time::Duration::from_secs(10), "it was waited for");
    Ok(())
}
