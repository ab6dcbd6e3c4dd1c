//! What a client may try: paths with two readings, headers that steer the gateway, tokens that do not hold.

use anyhow::{Result, ensure};
use serde_json::json;
use xtask::example::Call;

use crate::Trials;
use crate::raw::Connection;
use crate::world::{World, settings};

pub(crate) fn add(trials: &mut Trials) {
    trials.add("abuse: paths with two readings", ambiguous_paths);
    trials.add("abuse: headers that steer the gateway", steering_headers);
    trials.add("abuse: tokens that do not hold", bad_tokens);
    trials.add("abuse: the approval service cannot be asked", nobody_to_ask);
}

async fn ambiguous_paths(world: &World) -> Result<()> {
    let token = world.stack.agents.token("release-bot")?;
    for path in [
        "/v1/builds/../keys/a/rotations",
        "/v1/builds/%2e%2e/keys",
        "/v1//builds",
        "/v1/builds%2f4711",
        "/v1/builds%5c4711",
        "/v1/builds/%252e%252e/keys",
        "/v1/builds/a%00",
        "/v1/builds/%zz",
        "/v1\\builds",
    ] {
        let mut connection = Connection::open(world.gateway.address()).await?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: deploy.example\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        );
        connection.write(request.as_bytes()).await?;
        let (status, text) = connection.answer().await?;
        ensure!(status == 400, "`{path}` was answered {text}");
    }
    let calls = world.stack.upstream.calls().await?;
    let odd = calls.iter().find(|call| call.path.contains("..") || call.path.contains("//"));
    ensure!(odd.is_none(), "{odd:?} reached the upstream");
    Ok(())
}

async fn steering_headers(world: &World) -> Result<()> {
    let path = "/v1/builds?steered=1";
    let call = Call { method: "GET".into(), path: path.into(), justification: None, body: None };
    let request = world.request(&call)?;
    let names = [
        "countersign-approved",
        "x-envoy-retry-on",
        "x-envoy-max-retries",
        "x-envoy-upstream-rq-timeout-ms",
        "x-envoy-original-path",
    ];
    let mut steered = request.clone();
    for name in names {
        steered = steered.with(name, "5")?;
    }
    let answer = steered.send(world.gateway.address()).await?;
    ensure!(answer.status == 200, "answered {}: {}", answer.status, answer.body);
    world.stage().arrived_once(&request).await.map(drop)
}

async fn bad_tokens(world: &World) -> Result<()> {
    let call = Call { method: "GET".into(), path: "/v1/builds?bad".into(), justification: None, body: None };
    let stranger = xtask::stack::agents::Agents::new()?.token("release-bot")?;
    for token in [stranger.as_str(), "none", "e30.e30.", ""] {
        let request = xtask::stack::client::Prepared::new(&call, Some(token))?;
        let answer = request.send(world.gateway.address()).await?;
        ensure!(matches!(answer.status, 401 | 403), "`{token}` was answered {}", answer.status);
        world.stage().arrived_never(&request).await?;
    }
    Ok(())
}

async fn nobody_to_ask(world: &World) -> Result<()> {
    let mut configuration = world.stack.configuration()?;
    settings(&mut configuration)?;
    let nowhere = json!({ "address": "127.0.0.1", "port_value": 1 });
    let place = "/static_resources/clusters/1/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    let address = configuration.pointer_mut(place);
    ensure!(address.is_some(), "the approvals cluster is elsewhere");
    address.into_iter().for_each(|address| *address = nowhere.clone());
    let gateway = world.stack.gateway("alone", &configuration).await?;
    let request = world.rotation("nobody-to-ask")?;
    let answer = request.send(gateway.address()).await?;
    ensure!(
        answer.status == 503 && answer.code() == "service_unavailable",
        "{} {}",
        answer.status,
        answer.body
    );
    world.stage().arrived_never(&request).await?;
    gateway.stop().await
}
