//! What the host keeps for one VM while it starts.

use std::time::Duration;

use wasmtime::{Result, StoreLimits, StoreLimitsBuilder, bail};

use crate::imports::metrics::Metrics;
use crate::imports::shared::Shared;
use crate::outcome::{Level, LogLine};

/// Of a VM's linear memory. A filter with 10,000 policies needs a fraction of it.
const MEMORY: usize = 512 << 20;
/// Of all that a VM has the host keep: log, shared data, queues, names of metrics.
const KEPT: usize = 16 << 20;

/// How far the VM has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The module's own start: its start section, `_initialize`, `main`. Few host functions may be called.
    Initialise,
    ContextCreate,
    VmStart,
    Configure,
}

impl Phase {
    pub(crate) fn callback(self) -> &'static str {
        match self {
            Self::Initialise => "_initialize",
            Self::ContextCreate => "proxy_on_context_create",
            Self::VmStart => "proxy_on_vm_start",
            Self::Configure => "proxy_on_configure",
        }
    }
}

/// The host's side of one VM.
pub(crate) struct Host {
    pub(crate) phase: Phase,
    pub(crate) log: Vec<LogLine>,
    pub(crate) limits: StoreLimits,
    pub(crate) random: fastrand::Rng,
    pub(crate) shared: Shared,
    pub(crate) metrics: Metrics,
    configuration: Vec<u8>,
    now: Duration,
    kept: usize,
}

impl Host {
    pub(crate) fn new(configuration: &[u8], now: Duration, seed: u64) -> Self {
        Self {
            phase: Phase::Initialise,
            log: Vec::new(),
            limits: StoreLimitsBuilder::new().memory_size(MEMORY).trap_on_grow_failure(true).build(),
            random: fastrand::Rng::with_seed(seed),
            shared: Shared::default(),
            metrics: Metrics::default(),
            configuration: configuration.into(),
            now,
            kept: 0,
        }
    }

    /// For a store in which nothing runs.
    pub(crate) fn idle() -> Self {
        Self::new(&[], Duration::ZERO, 0)
    }

    /// Nanoseconds since the Unix epoch, of both clocks. It stands still: starting takes no time.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.now.as_nanos()).unwrap_or(u64::MAX)
    }

    /// The plugin's configuration, which Envoy shows in these two callbacks only.
    pub(crate) fn configuration(&self) -> Option<&[u8]> {
        matches!(self.phase, Phase::ContextCreate | Phase::Configure).then_some(&self.configuration)
    }

    pub(crate) fn log(&mut self, level: Level, text: &[u8]) -> Result<()> {
        self.keep(text.len())?;
        self.log.push(LogLine { level, text: String::from_utf8_lossy(text).into_owned() });
        Ok(())
    }

    /// Counts what the host is about to keep. The constant stands for the entry itself.
    pub(crate) fn keep(&mut self, bytes: usize) -> Result<()> {
        self.kept = self.kept.saturating_add(bytes).saturating_add(64);
        if self.kept > KEPT {
            bail!("the host keeps at most {KEPT} bytes for it, its log included");
        }
        Ok(())
    }
}
