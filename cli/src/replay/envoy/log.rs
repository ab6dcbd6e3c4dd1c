//! The gateway's access log, by the connection that a request came on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout_at};

use super::process::Logged;

/// How long a line may take after its request has ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lines that nobody took yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<Lines>);

#[derive(Debug, Default)]
struct Lines {
    lines: Mutex<BTreeMap<String, Logged>>,
    more: Notify,
}

impl Log {
    /// Takes lines in the background, until there are no more.
    pub(super) fn read(mut from: mpsc::UnboundedReceiver<Logged>) -> Self {
        let log = Self::default();
        let lines = Arc::clone(&log.0);
        tokio::spawn(async move {
            while let Some(line) = from.recv().await {
                let client = line.client.clone();
                // The first line is the request's; one more is about what came behind it.
                lines.lines.lock().unwrap_or_else(PoisonError::into_inner).entry(client).or_insert(line);
                lines.more.notify_waiters();
            }
        });
        log
    }

    /// What is left of an earlier connection with the same end is of no use any more.
    pub(super) fn forget(&self, client: &str) {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner).remove(client);
    }

    /// The line about the request of a connection; nothing when none comes.
    pub(super) async fn take(&self, client: &str) -> Option<Logged> {
        let until = Instant::now() + PATIENCE;
        loop {
            let more = self.0.more.notified();
            if let Some(line) = self.0.lines.lock().unwrap_or_else(PoisonError::into_inner).remove(client) {
                return Some(line);
            }
            timeout_at(until, more).await.ok()?;
        }
    }
}
