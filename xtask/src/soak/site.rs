//! What is soaked: a service on data of its own, two gateways, and the ledger of all who use them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use fastrand::Rng;
use tokio::sync::Mutex;

use super::Options;
use super::gateways::{Life, Line, SLOTS, Slot, local, quiet_port};
use super::ledger::{Ledger, lock};
use super::people;
use crate::stack::agents::DEMO;
use crate::stack::approvals::{self, Approvals};
use crate::stack::{Stack, now};

/// The limit for silence while gateways live: they make a record each minute.
const SILENT_AFTER: &str = "100s";

/// Everything that tasks share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) approvals: Approvals,
    pub(super) ledger: Ledger,
    addresses: [SocketAddr; SLOTS],
    lives: StdMutex<Vec<Life>>,
    service_kills: AtomicUsize,
    /// In each path: nothing else of the upstream's calls is of this soak.
    pub(super) tag: String,
    /// The agent's token.
    pub(super) token: String,
}

/// The service, the gateways and what tasks share of them.
#[derive(Debug)]
pub(super) struct Site {
    shared: Arc<Shared>,
    /// Whoever has the lock may kill it.
    pub(super) slots: [Mutex<Option<Slot>>; SLOTS],
    /// Whoever has the lock may kill the service.
    pub(super) service: Mutex<()>,
}

impl std::ops::Deref for Site {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Site {
    /// Starts all of it.
    pub(super) async fn start(stack: &Stack, options: &Options) -> Result<Self> {
        let mut rng = Rng::with_seed(options.seed);
        let tag = format!("soak-{:x}", rng.u32(..));
        // Another choice each time: a port that a soak with the same seed still holds is not free.
        let mut ports = Rng::new();
        let service = approvals::Options {
            port: quiet_port(&mut ports)?,
            arguments: vec!["--silent-after".into(), SILENT_AFTER.into()],
            ..approvals::Options::default()
        };
        let shared = Arc::new(Shared {
            approvals: stack.approvals(&tag, service).await?,
            ledger: Ledger::default(),
            addresses: [local(quiet_port(&mut ports)?), local(quiet_port(&mut ports)?)],
            lives: StdMutex::default(),
            service_kills: AtomicUsize::new(0),
            token: stack.agents.token(DEMO)?,
            tag,
        });
        let site = Self { shared, slots: Default::default(), service: Mutex::default() };
        // A code counts once: whose log-in is lost in a kill could not log in again before the next code.
        for person in people::ALL {
            site.approvals.log_in(person).await?;
        }
        for (number, place) in site.slots.iter().enumerate() {
            let mut slot = Slot::new(stack, &site, number).await?;
            slot.start(stack, &site).await?;
            *place.lock().await = Some(slot);
        }
        Ok(site)
    }

    /// For tasks that outlive a borrow.
    pub(super) fn share(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Kills a gateway, if it lives.
    pub(super) async fn kill(&self, number: usize) -> Result<()> {
        let slot = self.slots.get(number).context("no such gateway")?;
        match slot.lock().await.as_mut() {
            Some(slot) => slot.kill(self).await,
            None => Ok(()),
        }
    }

    /// Starts a gateway that was killed.
    pub(super) async fn revive(&self, stack: &Stack, number: usize) -> Result<()> {
        let slot = self.slots.get(number).context("no such gateway")?;
        slot.lock().await.as_mut().context("no such gateway")?.start(stack, self).await
    }

    /// Kills the service, which must be started again.
    pub(super) async fn kill_service(&self) -> Result<()> {
        self.service_kills.fetch_add(1, Ordering::Relaxed);
        self.approvals.kill().await
    }

    /// Kills what still lives.
    pub(super) async fn stop(&self) -> Result<()> {
        self.ledger.close();
        self.ledger.dismiss();
        for number in 0..SLOTS {
            self.kill(number).await?;
        }
        self.approvals.kill().await
    }
}

impl Shared {
    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Where the gateway of that number is, or will be again.
    pub(super) fn address(&self, number: usize) -> SocketAddr {
        self.addresses.get(number).copied().unwrap_or_else(|| local(0))
    }

    /// The service's database.
    pub(super) fn database(&self) -> PathBuf {
        self.approvals.data().join("countersign.db")
    }

    /// All lives of gateways so far.
    pub(super) fn lives(&self) -> Vec<Life> {
        lock(&self.lives).clone()
    }

    /// Kills of the service and of gateways so far.
    pub(super) fn kills(&self) -> (usize, usize) {
        let gateways = lock(&self.lives).iter().filter(|life| life.dying.is_some()).count();
        (self.service_kills.load(Ordering::Relaxed), gateways)
    }

    pub(super) fn born(&self, life: Life) {
        lock(&self.lives).push(life);
    }

    pub(super) fn dying(&self, slot: usize) {
        self.last(slot, |life| life.dying = Some(now()));
    }

    pub(super) fn dead(&self, slot: usize, lines: Vec<Line>, complaints: Vec<String>) {
        self.last(slot, |life| {
            life.dead = Some(now());
            life.lines = lines;
            life.complaints = complaints;
        });
    }

    fn last(&self, slot: usize, change: impl FnOnce(&mut Life)) {
        if let Some(life) = lock(&self.lives).iter_mut().rev().find(|life| life.slot == slot) {
            change(life);
        }
    }
}
