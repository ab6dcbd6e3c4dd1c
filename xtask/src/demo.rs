//! The example on a real Envoy: shown, to be answered by whoever looks at it, or played and asserted.

mod audit;
mod check;
mod paint;
mod show;

use anyhow::{Context as _, Result, bail};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::workspace::Workspace;

/// Runs the example. Whatever way it ends, nothing is left running.
///
/// # Errors
/// When something does not build or start, or is not as expected.
pub fn run(workspace: &Workspace, check: bool) -> Result<()> {
    Runtime::new()?.block_on(async {
        let mut signals = Signals::listen()?;
        let demo = async { if check { check::run(workspace).await } else { show::run(workspace).await } };
        tokio::select! {
            done = demo => done,
            // Dropping the demo stops its servers.
            () = signals.any() => if check { bail!("interrupted") } else { Ok(()) },
        }
    })
}

/// What a terminal, a supervisor or a closed window sends.
pub(crate) struct Signals([tokio::signal::unix::Signal; 3]);

impl Signals {
    pub(crate) fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(listen);
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    pub(crate) async fn any(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
