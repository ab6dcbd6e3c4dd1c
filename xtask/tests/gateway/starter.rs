//! The policies to begin with, for an API without routes: method and path are judged.

use anyhow::{Result, ensure};
use serde_json::json;
use xtask::example::{Call, files};
use xtask::stack::client::Prepared;
use xtask::workspace::Workspace;

use crate::Trials;
use crate::world::{World, settings};

pub(crate) fn add(trials: &mut Trials) {
    trials.add("starter: reading is free, deleting is for nobody", judged_without_routes);
}

async fn judged_without_routes(world: &World) -> Result<()> {
    let files = files(&Workspace::find()?.root().join("policies"))?;
    let mut configuration = world.stack.configuration_of(&files)?;
    let source =
        json!({ "kind": "header", "name": "x-client", "peers": ["127.0.0.1/32"], "type": "Http::Client" });
    settings(&mut configuration)?.insert("identity".into(), json!([source]));
    let gateway = world.stack.gateway("starter", &configuration).await?;
    let request = |method: &str, host: &str| {
        let path = format!("/v1/builds?starter={method}-{host}");
        let call = Call { method: method.into(), path, justification: None, body: None };
        Prepared::new(&call, None)?.to(host)?.with("x-client", "laptop")
    };

    let read = request("GET", "api.example.com")?;
    ensure!(read.send(gateway.address()).await?.status == 200, "reading is not free");
    world.stage().arrived_once(&read).await?;
    for (method, host) in
        [("DELETE", "api.example.com"), ("POST", "api.example.com"), ("GET", "other.example.com")]
    {
        let refused = request(method, host)?;
        let answer = refused.send(gateway.address()).await?;
        ensure!(answer.status == 403, "{method} {host} was answered {}: {}", answer.status, answer.body);
        world.stage().arrived_never(&refused).await?;
    }
    gateway.stop().await
}
