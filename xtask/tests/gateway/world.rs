//! The servers that all tests share, and what several tests do.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};
use xtask::example::{Call, Factor};
use xtask::play::Stage;
use xtask::stack::client::{Answer, Prepared};
use xtask::stack::gateway::Gateway;
use xtask::stack::ticket::Ticket;
use xtask::stack::{Stack, agents};
use xtask::workspace::Workspace;

use crate::faults::{policies, requests};
use crate::scene::Pool;

/// Approval service, upstream, and two gateways.
pub(crate) struct World {
    pub(crate) stack: Stack,
    /// With the example's policies, but a busy machine must not end a hold: they last 90 s.
    pub(crate) gateway: Gateway,
    /// The same, but it holds a request for 4 s only.
    pub(crate) impatient: Gateway,
    /// Gateways whose calls to the approval service fail as a test wants.
    pub(crate) pool: Pool,
    /// A gateway whose policies change.
    pub(crate) reloadable: policies::Shared,
    /// A gateway for requests that are unusual.
    pub(crate) odd: requests::Shared,
}

impl World {
    pub(crate) async fn start() -> Result<Self> {
        let stack = Stack::start(&Workspace::find()?).await?;
        let (patient, short) = (holding(&stack, "90s")?, holding(&stack, "4s")?);
        let (gateway, impatient) =
            tokio::try_join!(stack.gateway("gateway", &patient), stack.gateway("impatient", &short))?;
        let pool = Pool::default();
        Ok(Self { stack, gateway, impatient, pool, reloadable: None.into(), odd: None.into() })
    }

    pub(crate) async fn stop(self, show: bool) -> Result<()> {
        if show {
            eprintln!("{}\n{}", self.gateway.tail(), self.impatient.tail());
        }
        self.gateway.stop().await?;
        self.impatient.stop().await?;
        let (reloadable, odd) = (self.reloadable.into_inner(), self.odd.into_inner());
        let others = reloadable.map(|(_, set)| set).into_iter().chain(odd);
        for set in self.pool.into_sets().into_iter().chain(others) {
            set.stop().await?;
        }
        self.stack.stop().await
    }

    /// The patient gateway's configuration, for another gateway.
    pub(crate) fn patient(&self) -> Result<Value> {
        holding(&self.stack, "90s")
    }

    pub(crate) fn stage(&self) -> Stage<'_> {
        Stage { stack: &self.stack, gateway: &self.gateway }
    }

    /// The agent's request to rotate the key of that name: one of `security` must approve it.
    pub(crate) fn rotation(&self, key: &str) -> Result<Prepared> {
        let call = Call {
            method: "POST".into(),
            path: format!("/v1/keys/{key}/rotations"),
            justification: Some(format!("{key} is due")),
            body: None,
        };
        self.request(&call)
    }

    /// A call of the agent.
    pub(crate) fn request(&self, call: &Call) -> Result<Prepared> {
        Prepared::new(call, Some(&self.stack.agents.token(agents::DEMO)?))
    }

    /// Sends a request through the patient gateway, in the background.
    pub(crate) fn send(&self, request: &Prepared) -> tokio::task::JoinHandle<Result<Answer>> {
        let (request, gateway) = (request.clone(), self.gateway.address());
        tokio::spawn(async move { request.send(gateway).await })
    }

    /// Somebody says no, or flags; it must be taken.
    pub(crate) async fn answer(&self, ticket: &Ticket, person: &str, kind: &str, reason: &str) -> Result<()> {
        let reply = self.stack.approvals.answer(ticket, person, Factor::Totp, kind, Some(reason)).await?;
        ensure!(reply.0 == 200, "{person} cannot {kind}: {}", reply.1);
        Ok(())
    }
}

/// The example's configuration, but a request is held for that long.
fn holding(stack: &Stack, time: &str) -> Result<Value> {
    let hold = format!("@hold(\"{time}\")");
    stack.configuration_of(&edited(stack.files()?, "gates.cedar", "@hold(\"25s\")", &hold)?)
}

/// The files with one replacement made, which must be possible.
pub(crate) fn edited(
    mut files: BTreeMap<String, String>,
    file: &str,
    from: &str,
    to: &str,
) -> Result<BTreeMap<String, String>> {
    let text = files.get_mut(file).with_context(|| format!("there is no {file}"))?;
    ensure!(text.contains(from), "{file} does not hold {from}");
    *text = text.replace(from, to);
    Ok(files)
}

/// The gateway's connection manager.
pub(crate) fn manager(configuration: &mut Value) -> Result<&mut Map<String, Value>> {
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let manager = configuration.pointer_mut(manager).and_then(Value::as_object_mut);
    manager.context("the configuration has no connection manager")
}

/// The gateway's HTTP filters.
pub(crate) fn filters(configuration: &mut Value) -> Result<&mut Vec<Value>> {
    let filters = manager(configuration)?.get_mut("http_filters").and_then(Value::as_array_mut);
    filters.context("the configuration has no filters")
}

/// The filter's own configuration in the gateway's.
pub(crate) fn settings(configuration: &mut Value) -> Result<&mut Map<String, Value>> {
    let wasm = filters(configuration)?
        .iter_mut()
        .find(|filter| filter.get("name") == Some(&json!("envoy.filters.http.wasm")));
    let settings = wasm.and_then(|filter| filter.pointer_mut("/typed_config/config/configuration/value"));
    settings.and_then(Value::as_object_mut).context("the configuration has no filter")
}

/// A member of an answer that must be text.
pub(crate) fn member(answer: &Answer, name: &str) -> Result<String> {
    let text = answer.body.get(name).and_then(Value::as_str);
    Ok(text.with_context(|| format!("no `{name}` in {}", answer.body))?.to_owned())
}

/// Writes a file into the folder of the stack and gives its path.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> Result<String> {
    write_bytes(folder, name, text.as_bytes())
}

/// The same, whatever the bytes are.
pub(crate) fn write_bytes(folder: &Path, name: &str, bytes: &[u8]) -> Result<String> {
    let path = folder.join(name);
    std::fs::write(&path, bytes)?;
    Ok(path.display().to_string())
}
