//! Fields of gRPC messages: what `countersign import grpc` makes of a `.proto` file, judged behind a real client.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use countersign_cli::import::{GrpcArguments, Import};
use http::uri::PathAndQuery;
use serde_json::json;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};
use tonic_prost::ProstCodec;
use xtask::stack::gateway::Gateway;

use super::{Codec, Order, Orders, channel, metadata, request};
use crate::upstreams::send_to;
use crate::world::{World, settings, write};

const PROTO: &str = r#"syntax = "proto3";
package shop;
service Orders { rpc Pay(Order) returns (Order); }
message Order { string name = 1; int64 amount = 2; }
"#;

const POLICIES: &str = r#"
@id("orders") permit (principal, action, resource);
@id("not-that-much") forbid (principal, action == Shop::Action::"shop.Orders/Pay", resource) when { context.amount > 100 };
@id("much-needs-a-person") @approval("security") @hold("20s")
forbid (principal, action == Shop::Action::"shop.Orders/Pay", resource) when { context.amount > 10 };
"#;

const IDENTITIES: &str = "
people: { Shop::User: { issuer: local } }
agents: { Shop::Agent: { owner: owner } }
groups: { security: { issuer: local, id: security } }
";

const ENTITIES: &str = r#"[{ "uid": { "type": "Shop::Agent", "id": "clerk" }, "parents": [],
  "attrs": { "owner": { "__entity": { "type": "Shop::User", "id": "ana" } } } }]"#;

/// The same message with its amount twice: a list to prost, one number to everybody who goes by the descriptor.
#[derive(Clone, PartialEq, prost::Message)]
struct Twice {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int64, repeated, packed = "false", tag = "2")]
    amounts: Vec<i64>,
}

async fn gateway(world: &World, upstream: SocketAddr) -> Result<Gateway> {
    let arguments = GrpcArguments {
        file: write(world.stack.folder(), "orders.proto", PROTO)?.into(),
        proto_path: Vec::new(),
        into: world.stack.folder().join("imported"),
        name: None,
        hosts: vec!["orders.example".into()],
        principals: Vec::new(),
    };
    let mut files = Import::Grpc(arguments).plan()?.files;
    for (name, text) in
        [("own.cedar", POLICIES), ("identities.yaml", IDENTITIES), ("entities.json", ENTITIES)]
    {
        files.insert(name.to_owned(), text.to_owned());
    }
    let mut configuration = world.stack.configuration_of(&files)?;
    let source =
        json!({ "kind": "header", "name": "x-agent", "peers": ["127.0.0.1/32"], "type": "Shop::Agent" });
    settings(&mut configuration)?.insert("identity".into(), json!([source]));
    send_to(&mut configuration, upstream, true)?;
    world.stack.gateway("grpc-messages", &configuration).await
}

fn path() -> PathAndQuery {
    PathAndQuery::from_static("/shop.Orders/Pay")
}

async fn pay(client: &Grpc<Channel>, name: &str, amount: i64) -> Result<Result<Order, Status>> {
    let mut client = client.clone();
    client.ready().await?;
    let order = Order { name: name.into(), amount };
    Ok(client.unary(request(order), path(), Codec::default()).await.map(Response::into_inner))
}

pub(super) async fn judged(world: &World) -> Result<()> {
    let orders = Orders::default();
    let gateway = gateway(world, orders.clone().serve().await?).await?;
    let client = channel(&gateway).await?;

    ensure!(pay(&client, "little", 10).await??.amount == 10, "not what was sent");
    let denied = pay(&client, "too much", 101).await?.err().context("what is forbidden was done")?;
    ensure!(denied.message() == "policy does not allow this: forbidden by not-that-much", "{denied:?}");

    let held = tokio::spawn({
        let client = client.clone();
        async move { pay(&client, "much", 11).await }
    });
    let ticket = world.stack.approvals.pending("/shop.Orders/Pay").await?;
    world.stack.approvals.approve(&ticket, "ben").await?;
    ensure!(held.await???.amount == 11, "not what was approved");

    let (mut twice, codec) = (client.clone(), ProstCodec::<Twice, Order>::default());
    twice.ready().await?;
    let message = Twice { name: "twice".into(), amounts: vec![1, 1000] };
    let status =
        twice.unary(request(message), path(), codec).await.err().context("an amount of two was taken")?;
    ensure!(status.code() == Code::InvalidArgument, "{status:?}");
    ensure!(metadata(&status, "countersign-rule")? == "message-fields", "{status:?}");
    ensure!(orders.names() == ["little", "much"], "arrived: {:?}", orders.names());
    gateway.stop().await
}
