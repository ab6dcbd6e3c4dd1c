//! A gateway whose calls to the approval service pass through a meddler, for one test at a time, and what came
//! of a request on it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use countersign_protocol::Hash;
use countersign_protocol::evidence::{Lane, Record};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;
use xtask::example::Call;
use xtask::faults::Row;
use xtask::stack::approvals::Approvals;
use xtask::stack::client::{Answer, Prepared};
use xtask::stack::gateway::{Gateway, Options};
use xtask::stack::ticket::Ticket;
use xtask::stack::{Stack, agents, until};

use crate::meddler::Meddler;
use crate::metrics::sample;
use crate::world::{World, edited, settings};

/// Longer than a filter keeps a record before it sends it.
const SETTLED: Duration = Duration::from_millis(1_200);

/// Gateways that tests take turns on.
const SETS: usize = 3;

/// A gateway and the one between it and the service.
pub(crate) struct Set {
    pub(crate) gateway: Gateway,
    pub(crate) meddler: Meddler,
}

/// Sets that no test uses at the moment.
#[derive(Default)]
pub(crate) struct Pool {
    free: Mutex<Vec<Set>>,
    made: Mutex<usize>,
}

/// One test's place.
pub(crate) struct Scene<'a> {
    pub(crate) world: &'a World,
    pub(crate) approvals: &'a Approvals,
    pub(crate) set: Set,
    /// Evidence from before.
    known: BTreeSet<Hash>,
}

/// What a test did.
pub(crate) struct Played {
    /// The request that the row is about.
    pub(crate) request: Prepared,
    /// What the client got, in order.
    pub(crate) tries: Vec<Answer>,
}

/// At most [`SETS`] tests at a time; a set that a failed test leaves behind is made anew.
static TURNS: Semaphore = Semaphore::const_new(SETS);

impl Pool {
    /// A scene of the shared service; `play` has it for itself.
    pub(crate) async fn scene<'a>(&self, world: &'a World) -> Result<(Scene<'a>, SemaphorePermit<'static>)> {
        let turn = TURNS.acquire().await?;
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let set = match free {
            Some(set) => set,
            None => {
                let number = {
                    let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
                    *made += 1;
                    *made
                };
                Set::start(&world.stack, &world.stack.approvals, &format!("faults-{number}")).await?
            }
        };
        // A poll that is still open would not meet with what the test wants.
        set.meddler.down();
        set.meddler.up().await?;
        Ok((Scene::on(world, &world.stack.approvals, set).await?, turn))
    }

    /// Gives a set back after a test that went well: a fault that never happened has shown nothing.
    pub(crate) fn give_back(&self, set: Set) -> Result<()> {
        let unmet = set.meddler.unmet();
        ensure!(unmet.is_empty(), "faults that never happened, of calls to {unmet:?}");
        set.meddler.rest();
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(set);
        Ok(())
    }

    /// Sets that are to be stopped.
    pub(crate) fn into_sets(self) -> Vec<Set> {
        self.free.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Set {
    /// With the configuration of [`configuration`].
    pub(crate) async fn start(stack: &Stack, approvals: &Approvals, name: &str) -> Result<Self> {
        Self::of(stack, approvals, name, configuration(stack)?, &Options::default()).await
    }

    /// With another configuration.
    pub(crate) async fn of(
        stack: &Stack,
        approvals: &Approvals,
        name: &str,
        mut configuration: Value,
        options: &Options,
    ) -> Result<Self> {
        let approval = settings(&mut configuration)?.get_mut("approval").context("the filter asks nobody")?;
        believe(approval, approvals)?;
        Self::as_configured(stack, approvals, name, configuration, options).await
    }

    /// With a configuration whose filter knows the service's key already.
    pub(crate) async fn as_configured(
        stack: &Stack,
        approvals: &Approvals,
        name: &str,
        mut configuration: Value,
        options: &Options,
    ) -> Result<Self> {
        let meddler = Meddler::start(approvals.address()).await?;
        redirect(&mut configuration, meddler.address())?;
        let gateway = stack.gateway_of(name, &configuration, options).await?;
        Ok(Self { gateway, meddler })
    }

    pub(crate) async fn stop(self) -> Result<()> {
        self.gateway.stop().await
    }
}

/// The example's, but: requests are held for 60 s, to change a role for 8 s; and tokens are a person's, and name
/// the agent that acts for the person.
pub(crate) fn configuration(stack: &Stack) -> Result<Value> {
    let mut configuration = stack.configuration_of(&files(stack)?)?;
    let source = json!({
        "kind": "jwt", "metadata": "agents",
        "principal": { "type": "Deploy::User" }, "actor": { "type": "Deploy::Agent" },
    });
    settings(&mut configuration)?.insert("identity".into(), json!([source]));
    Ok(configuration)
}

/// The policies of [`configuration`].
pub(crate) fn files(stack: &Stack) -> Result<std::collections::BTreeMap<String, String>> {
    let files = edited(stack.files()?, "gates.cedar", "@hold(\"25s\")", "@hold(\"60s\")")?;
    let role = "@hold(\"60s\")\n@expires(\"30m\")";
    edited(files, "gates.cedar", role, "@hold(\"8s\")\n@expires(\"30m\")")
}

/// Has the filter use that service's credential and key; `approval` is that part of its configuration.
pub(crate) fn believe(approval: &mut Value, approvals: &Approvals) -> Result<()> {
    let approval = approval.as_object_mut().context("`approval` is no object")?;
    approval.insert("token".into(), approvals.token().into());
    approval.insert("keys".into(), json!([approvals.key()]));
    Ok(())
}

/// Has the gateway find the approval service at `address`.
pub(crate) fn redirect(configuration: &mut Value, address: SocketAddr) -> Result<()> {
    let clusters = configuration.pointer_mut("/static_resources/clusters").and_then(Value::as_array_mut);
    let approvals = clusters
        .into_iter()
        .flatten()
        .find(|cluster| cluster.get("name").is_some_and(|name| name == "approvals"));
    let place = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    let place = approvals.and_then(|cluster| cluster.pointer_mut(place)).context("no cluster `approvals`")?;
    *place = json!({ "address": address.ip().to_string(), "port_value": address.port() });
    Ok(())
}

impl<'a> Scene<'a> {
    pub(crate) async fn on(world: &'a World, approvals: &'a Approvals, set: Set) -> Result<Self> {
        let mut scene = Self { world, approvals, set, known: BTreeSet::new() };
        scene.known = scene.records().await?.into_iter().map(|record| record.hash).collect();
        Ok(scene)
    }

    /// `release-bot`, which acts for `person`, rotates a key: one of `security` must approve, within 60 s.
    pub(crate) fn rotation_for(&self, person: &str, key: &str) -> Result<Prepared> {
        let call = Call {
            method: "POST".into(),
            path: format!("/v1/keys/{key}/rotations"),
            justification: Some(format!("{key} is due")),
            body: None,
        };
        self.call_for(person, &call)
    }

    pub(crate) fn rotation(&self, key: &str) -> Result<Prepared> {
        self.rotation_for("ana", key)
    }

    /// A role changes: one of `security` must approve, with the second factor, within 8 s.
    pub(crate) fn role(&self, run: &str) -> Result<Prepared> {
        let call = Call {
            method: "PUT".into(),
            path: format!("/v1/agents/report-bot/role?run={run}"),
            justification: None,
            body: Some(json!({ "role": "viewer" })),
        };
        self.call_for("ana", &call)
    }

    /// A table is exported: two of `dba` must approve, within 60 s.
    pub(crate) fn export(&self, run: &str) -> Result<Prepared> {
        let destination = format!("s3://exports.example/{run}/");
        let body = json!({ "table": "orders", "row_limit": 10, "destination": destination });
        let path = format!("/v1/exports?run={run}");
        self.call_for("ana", &Call { method: "POST".into(), path, justification: None, body: Some(body) })
    }

    /// Builds are read: nobody is asked.
    pub(crate) fn reading(&self, query: &str) -> Result<Prepared> {
        let path = format!("/v1/builds?{query}");
        self.call_for("ana", &Call { method: "GET".into(), path, justification: None, body: None })
    }

    pub(crate) fn call_for(&self, person: &str, call: &Call) -> Result<Prepared> {
        Prepared::new(call, Some(&self.world.stack.agents.delegated(person, &[agents::DEMO])?))
    }

    /// Sends a request in the background.
    pub(crate) fn send(&self, request: &Prepared) -> JoinHandle<Result<Answer>> {
        let (request, gateway) = (request.clone(), self.set.gateway.address());
        tokio::spawn(async move { request.send(gateway).await })
    }

    /// Sends a request, and waits for its answer.
    pub(crate) async fn answered(&self, request: &Prepared) -> Result<Answer> {
        request.send(self.set.gateway.address()).await
    }

    /// Sends a request in the background, and waits until people are asked about it.
    pub(crate) async fn hold(&self, request: &Prepared) -> Result<(JoinHandle<Result<Answer>>, Ticket)> {
        let mut call = self.send(request);
        let ticket = tokio::select! {
            ticket = self.approvals.pending(request.path()) => ticket?,
            early = &mut call => {
                let early = early??;
                anyhow::bail!("answered without asking: {} {}", early.status, early.body);
            }
        };
        Ok((call, ticket))
    }

    /// Somebody approves, with the second factor.
    pub(crate) async fn approve(&self, ticket: &Ticket, person: &str) -> Result<()> {
        self.approvals.approve(ticket, person).await
    }

    /// Waits until a ticket is in a state.
    pub(crate) async fn until(&self, ticket: &Ticket, state: &str) -> Result<()> {
        until(&format!("the ticket to be {state}"), async || {
            Ok((self.approvals.ticket(ticket.id()).await?.state() == state).then_some(()))
        })
        .await
    }

    /// Waits until the gateway has made more than `before` calls to `path`.
    pub(crate) async fn called(&self, path: &str, before: usize) -> Result<()> {
        until(&format!("a call to {path}"), async || Ok((self.set.meddler.seen(path) > before).then_some(())))
            .await
    }

    /// Plays something that the metric `name` must count as often as said.
    pub(crate) async fn counting(
        &self,
        name: &str,
        times: f64,
        play: impl AsyncFnOnce() -> Result<Played>,
    ) -> Result<Played> {
        let gateway = &self.set.gateway;
        let before = sample(gateway, name).await?;
        let played = play().await?;
        let counted = sample(gateway, name).await? - before;
        ensure!(counted == times, "{name} counts {counted}, not {times}");
        Ok(played)
    }

    /// Holds what came of it against the row.
    pub(crate) async fn check(&self, row: &Row, played: &Played) -> Result<()> {
        let tries: Vec<String> = played.tries.iter().map(said).collect();
        ensure!(tries == row.client, "the client got {tries:?}, not {:?}", row.client);
        self.arrived(row, played).await?;
        let mut told = Vec::new();
        let right = until("the evidence", async || {
            told = self.told().await?;
            Ok((told == row.evidence).then_some(()))
        });
        let right = right.await;
        right.with_context(|| format!("the evidence says {told:?}, not {:?}", row.evidence))?;
        // Something that comes late must not come at all.
        tokio::time::sleep(SETTLED).await;
        self.arrived(row, played).await.context("later")?;
        let late = self.told().await?;
        ensure!(late == row.evidence, "later the evidence says {late:?}, not {:?}", row.evidence);
        Ok(())
    }

    /// Holds what the upstream got against the row.
    async fn arrived(&self, row: &Row, played: &Played) -> Result<()> {
        let arrived = self.world.stage().arrived(&played.request).await?;
        ensure!(arrived.len() == row.upstream, "it reached the upstream {} times", arrived.len());
        let changed = arrived.iter().find_map(|arrived| played.request.difference(arrived));
        ensure!(changed.is_none(), "it was changed: {}", changed.unwrap_or_default());
        Ok(())
    }

    /// What the evidence says since the scene began, in the words of the table.
    pub(crate) async fn told(&self) -> Result<Vec<String>> {
        let mut records = self.records().await?;
        records.retain(|record| !self.known.contains(&record.hash));
        records.sort_by_key(|record| (record.envelope.ts, record.envelope.lane, record.envelope.seq));
        records.iter().filter(|record| is_told(record)).map(told).collect()
    }

    /// The kinds of all records since the scene began.
    pub(crate) async fn kinds(&self) -> Result<Vec<String>> {
        let mut records = self.records().await?;
        records.retain(|record| !self.known.contains(&record.hash));
        Ok(records.into_iter().map(|record| record.envelope.kind).collect())
    }

    /// Waits until every filter that made evidence has said its last word.
    pub(crate) async fn all_stopped(&self) -> Result<()> {
        until("all filters of before to stop", async || {
            let records = self.records().await?;
            let stopped = |producer: &String| {
                let own = |record: &&Record| record.envelope.producer.to_string() == *producer;
                records.iter().filter(own).any(|record| record.envelope.kind == "stop")
            };
            Ok(self.set.meddler.producers().iter().all(stopped).then_some(()))
        })
        .await
    }

    /// Starts another gateway in place of one that ended.
    pub(crate) async fn restart(
        &mut self,
        name: &str,
        mut configuration: Value,
        options: &Options,
    ) -> Result<()> {
        let approval = settings(&mut configuration)?.get_mut("approval").context("the filter asks nobody")?;
        believe(approval, self.approvals)?;
        redirect(&mut configuration, self.set.meddler.address())?;
        let name = format!("{name}-again");
        self.set.gateway = self.world.stack.gateway_of(&name, &configuration, options).await?;
        Ok(())
    }

    /// All evidence that passed through the meddler and is kept.
    pub(crate) async fn records(&self) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        for producer in self.set.meddler.producers() {
            records.extend(self.approvals.evidence_of(&producer).await?);
        }
        Ok(records)
    }
}

/// A filter's own life is not about a request; of a reload, what the held lane says is enough. What was dropped
/// is told in every row: where none expects it, nothing may be missing.
fn is_told(record: &Record) -> bool {
    match record.envelope.kind.as_str() {
        "start" | "heartbeat" | "stop" => false,
        "reloaded" => record.envelope.lane == Lane::Held,
        _ => true,
    }
}

fn told(record: &Record) -> Result<String> {
    let line: Value = serde_json::from_str(&record.line)?;
    let word = ["reason", "code", "status"].iter().find_map(|name| line.get(name));
    Ok(match word {
        None => record.envelope.kind.clone(),
        Some(Value::String(text)) => format!("{} {text}", record.envelope.kind),
        Some(other) => format!("{} {other}", record.envelope.kind),
    })
}

/// An answer in the words of the table.
pub(crate) fn said(answer: &Answer) -> String {
    match (answer.status, answer.code()) {
        (0, _) => "-".into(),
        (status, "") => status.to_string(),
        (status, code) => format!("{status} {code}"),
    }
}
