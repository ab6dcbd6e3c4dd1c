//! What the soak itself did and saw: every request that was sent, every answer that people gave. None of it comes
//! from what is tested.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::intents::Intent;
use crate::stack::client::Answer;

/// How one try to get something done ended, for its client.
#[derive(Debug, Clone)]
pub(super) enum Ended {
    /// There was an answer.
    Answered(Answer),
    /// The connection was refused or broke.
    Broken,
    /// The client did not want to wait any longer.
    Left,
    /// Nothing came in all the time that anything may take.
    Hung,
}

/// One try to get something done. Times are Unix, milliseconds.
#[derive(Debug, Clone)]
pub(super) struct Try {
    pub(super) slot: usize,
    pub(super) begun: i64,
    pub(super) ended: i64,
    pub(super) how: Ended,
}

/// A request, and its tries so far.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) intent: Intent,
    pub(super) tries: Vec<Try>,
}

/// What somebody said to a ticket.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) ticket: String,
    pub(super) person: &'static str,
    /// `approve`, `reject`, `flag` or `revoke`.
    pub(super) kind: &'static str,
    /// When it was first sent.
    pub(super) at: i64,
    /// The service's reply, when one came.
    pub(super) status: Option<u16>,
}

/// Everything, for all who write it down.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    sent: Mutex<BTreeMap<String, Sent>>,
    said: Mutex<Vec<Said>>,
    trouble: Mutex<Vec<String>>,
    next: AtomicU64,
    closed: AtomicBool,
    dismissed: AtomicBool,
    /// Somebody just approved: claims are about to be made.
    pub(super) approved: Notify,
}

impl Ledger {
    /// A number that nobody else gets.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Clients begin nothing new.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// People go home.
    pub(super) fn dismiss(&self) {
        self.dismissed.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_dismissed(&self) -> bool {
        self.dismissed.load(Ordering::Relaxed)
    }

    /// Written down before anything of it is sent.
    pub(super) fn open(&self, intent: Intent) {
        let path = intent.request.path().to_owned();
        lock(&self.sent).insert(path, Sent { intent, tries: Vec::new() });
    }

    pub(super) fn tried(&self, path: &str, attempt: Try) {
        if let Some(sent) = lock(&self.sent).get_mut(path) {
            sent.tries.push(attempt);
        }
    }

    /// Written down before it is said; the number is for [`Ledger::replied`].
    pub(super) fn say(&self, said: Said) -> usize {
        let mut all = lock(&self.said);
        all.push(said);
        all.len().saturating_sub(1)
    }

    pub(super) fn replied(&self, number: usize, status: u16) {
        if let Some(said) = lock(&self.said).get_mut(number) {
            said.status = Some(status);
        }
    }

    /// Something that must not happen happened.
    pub(super) fn complain(&self, what: String) {
        lock(&self.trouble).push(what);
    }

    pub(super) fn sent(&self) -> BTreeMap<String, Sent> {
        lock(&self.sent).clone()
    }

    pub(super) fn said(&self) -> Vec<Said> {
        lock(&self.said).clone()
    }

    pub(super) fn trouble(&self) -> Vec<String> {
        lock(&self.trouble).clone()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
