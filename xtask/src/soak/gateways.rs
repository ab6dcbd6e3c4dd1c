//! Two gateways before the same service, each started again at the same port after it was killed.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context as _, Result};
use fastrand::Rng;
use serde::Deserialize;
use serde_json::{Value, json};

use super::site::Site;
use crate::stack::gateway::{Gateway, Options};
use crate::stack::{Stack, now};

/// Gateways at the same time.
pub(super) const SLOTS: usize = 2;

/// Below the ports that systems give to outgoing connections: nobody takes one while its server is down.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Tries to find a free port.
const TRIES: usize = 200;

/// One process of a gateway, from its start to its end. Times are Unix, milliseconds.
#[derive(Debug, Clone)]
pub(super) struct Life {
    pub(super) slot: usize,
    /// It serves from here on at the latest.
    pub(super) born: i64,
    pub(super) serving: i64,
    /// From here on it may be dead.
    pub(super) dying: Option<i64>,
    /// From here on it is dead.
    pub(super) dead: Option<i64>,
    /// Its access log, once it is dead.
    pub(super) lines: Vec<Line>,
    /// What it complained of, once it is dead.
    pub(super) complaints: Vec<String>,
}

/// What matters of a line in the access log.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Line {
    pub(super) request_id: String,
    pub(super) path: String,
    /// What the filter says of the request.
    #[serde(default, deserialize_with = "said")]
    pub(super) countersign: Option<Summary>,
}

/// The filter's summary.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Summary {
    pub(super) decision: String,
    pub(super) ticket: Option<String>,
}

/// The summary is text that holds JSON.
fn said<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Summary>, D::Error> {
    let text = Option::<Value>::deserialize(from)?;
    Ok(match text {
        Some(Value::String(text)) => serde_json::from_str(&text).ok(),
        Some(other) => serde_json::from_value(other).ok(),
        None => None,
    })
}

/// A place for a gateway.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) number: usize,
    pub(super) configuration: Value,
    /// Nothing while it is down.
    pub(super) gateway: Option<Gateway>,
    starts: usize,
}

/// A port that is free now and that no outgoing connection takes.
pub(super) fn quiet_port(rng: &mut Rng) -> Result<u16> {
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let mut some = (0..TRIES).map(|_| rng.u16(PORTS));
    some.find(free).context("no free port")
}

impl Slot {
    /// The gateway of that number, not started yet, with a credential of its own.
    pub(super) async fn new(stack: &Stack, site: &Site, number: usize) -> Result<Self> {
        let token = site.approvals.add_gateway(&name(number)).await?;
        let files = hurried(stack)?;
        let mut configuration = stack.configuration_at(&site.approvals, &token, &files)?;
        let place = "/static_resources/listeners/0/address/socket_address/port_value";
        let port = configuration.pointer_mut(place).context("no listener")?;
        *port = json!(site.address(number).port());
        Ok(Self { number, configuration, gateway: None, starts: 0 })
    }

    /// Starts it; its logs are those of this life alone.
    pub(super) async fn start(&mut self, stack: &Stack, site: &Site) -> Result<()> {
        self.starts += 1;
        let name = format!("soak-{}-{}", self.number, self.starts);
        let options = Options { workers: if self.number == 0 { 2 } else { 1 }, ..Options::default() };
        let born = now();
        self.gateway = Some(stack.gateway_of(&name, &self.configuration, &options).await?);
        site.born(Life {
            slot: self.number,
            born,
            serving: now(),
            dying: None,
            dead: None,
            lines: Vec::new(),
            complaints: Vec::new(),
        });
        Ok(())
    }

    /// Kills it and keeps what it logged.
    pub(super) async fn kill(&mut self, site: &Site) -> Result<()> {
        let Some(mut gateway) = self.gateway.take() else { return Ok(()) };
        site.dying(self.number);
        gateway.kill().await?;
        let log = gateway.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let complaints = log.lines().filter(|line| complains(line)).map(str::to_owned).collect();
        site.dead(self.number, lines, complaints);
        Ok(())
    }
}

/// What the service calls the gateway of that number.
pub(super) fn name(number: usize) -> String {
    format!("edge-{number}")
}

/// Whether a line of the log tells of something that killing others does not explain.
fn complains(line: &str) -> bool {
    ["[error]", "[critical]", "panic", "Wasm VM failed", "[assert"].iter().any(|word| line.contains(word))
}

/// The example's policies, but all their deadlines are short: everything comes to its end soon.
fn hurried(stack: &Stack) -> Result<std::collections::BTreeMap<String, String>> {
    let mut files = stack.files()?;
    let gates = files.get_mut("gates.cedar").context("the example has no gates")?;
    *gates = gates
        .replace("@hold(\"25s\")", "@hold(\"4s\")\n@use_within(\"12s\")")
        .replace("@expires(\"1h\")", "@expires(\"20s\")")
        .replace("@expires(\"30m\")", "@expires(\"20s\")");
    Ok(files)
}

/// Where a port of this machine is.
pub(super) fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
