//! Wakes long polls: one bell for each waiter that polls at the moment.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use countersign_protocol::Token;
use tokio::sync::watch;

/// The bells of all waiters that somebody listens for.
#[derive(Default)]
pub(crate) struct Bells(Mutex<HashMap<Token, watch::Sender<()>>>);

impl Bells {
    /// Hears every ring from now on. Listen first, read then: what is written in between rings.
    pub(crate) fn listen(&self, waiter: Token) -> watch::Receiver<()> {
        let mut bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bells.retain(|_, bell| bell.receiver_count() > 0);
        bells.entry(waiter).or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    /// Wakes all who listen for one of `waiters`.
    pub(crate) fn ring(&self, waiters: &BTreeSet<Token>) {
        let bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for bell in waiters.iter().filter_map(|waiter| bells.get(waiter)) {
            bell.send_replace(());
        }
    }

    /// How many polls listen.
    pub(crate) fn listening(&self) -> usize {
        let bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bells.values().map(watch::Sender::receiver_count).sum()
    }

    /// Wakes everybody: something may have happened that nobody told of.
    pub(crate) fn ring_all(&self) {
        let bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for bell in bells.values() {
            bell.send_replace(());
        }
    }
}
