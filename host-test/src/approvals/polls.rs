//! Waiters: what each is told about the tickets that its worker holds requests for.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_protocol::approval::{Verdict, Wait, WaitReply};
use countersign_protocol::recording::Fault;
use countersign_protocol::{Token, UnixMillis};

use super::service::Service;
use super::tickets::Attachment;
use super::troubles::after;
use crate::cluster::CallId;

/// The longest poll.
const LONGEST_POLL: Duration = Duration::from_secs(25);
/// The most verdicts in one reply; the rest comes with the next.
const MOST_VERDICTS: usize = 500;

/// A poll that is not answered yet.
#[derive(Debug)]
pub(super) struct Poll {
    pub(super) call: CallId,
    pub(super) waiter: Token,
    pub(super) cursor: u64,
    pub(super) until: UnixMillis,
    /// How its answer fails, whenever it comes.
    pub(super) fault: Option<Fault>,
}

/// What waiters have not seen yet.
#[derive(Debug, Default)]
pub(super) struct Events {
    last: u64,
    /// By waiter and number; the ticket that changed.
    unseen: BTreeMap<(Token, u64), Token>,
}

impl Events {
    fn push(&mut self, waiter: Token, ticket: Token) {
        self.last += 1;
        self.unseen.insert((waiter, self.last), ticket);
    }

    pub(super) fn retain(&mut self, kept: impl Fn(Token) -> bool) {
        self.unseen.retain(|_, ticket| kept(*ticket));
    }

    /// Forgets what a waiter has seen.
    fn seen(&mut self, waiter: Token, cursor: u64) {
        let seen = (waiter, 0)..=(waiter, cursor);
        let seen: Vec<_> = self.unseen.range(seen).map(|(key, _)| *key).collect();
        for key in seen {
            self.unseen.remove(&key);
        }
    }

    /// Each ticket with the last that happened to it, in that order.
    fn after(&self, waiter: Token, cursor: u64) -> Vec<(u64, Token)> {
        let mut last = BTreeMap::new();
        for ((_, seq), ticket) in self.unseen.range((waiter, cursor.saturating_add(1))..=(waiter, u64::MAX)) {
            last.insert(*ticket, *seq);
        }
        let mut tickets: Vec<_> = last.into_iter().map(|(ticket, seq)| (seq, ticket)).collect();
        tickets.sort_unstable();
        tickets
    }
}

impl Service {
    /// From now on the waiter is told about the ticket, which no longer counts as left behind.
    pub(super) fn attach(&mut self, ticket: Token, waiter: Token, held_until: UnixMillis) {
        self.change(ticket, |ticket| {
            let attachment = Attachment { held_until, left: false };
            let known = ticket.waiters.entry(waiter).or_insert(attachment);
            *known = Attachment { held_until: known.held_until.max(held_until), left: false };
            ticket.cancel_at = None;
        });
    }

    /// Tells all waiters of a ticket that it has changed.
    pub(super) fn tell(&mut self, id: Token) {
        let Some(ticket) = self.tickets.get(&id) else { return };
        for (waiter, _) in ticket.waiters.iter().filter(|(_, attachment)| !attachment.left) {
            self.events.push(*waiter, id);
        }
    }

    /// Begins a poll. A cursor that was never given means the beginning.
    pub(super) fn begin(&mut self, call: CallId, wait: &Wait, fault: Option<Fault>) -> Poll {
        let cursor = if wait.cursor <= self.events.last { wait.cursor } else { 0 };
        self.events.seen(wait.waiter, cursor);
        let until = after(self.now, LONGEST_POLL.min(Duration::from_millis(wait.timeout_ms)));
        Poll { call, waiter: wait.waiter, cursor, until, fault }
    }

    /// The reply to a poll; `None` while there is nothing to say and time left.
    pub(super) fn reply(&self, poll: &Poll) -> Option<WaitReply> {
        let mut events = self.events.after(poll.waiter, poll.cursor);
        events.truncate(MOST_VERDICTS);
        let verdict = |(_, ticket): &(u64, Token)| Some(self.tickets.get(ticket)?.verdict());
        let verdicts: Vec<Verdict> = events.iter().filter_map(verdict).collect();
        let cursor = events.last().map_or(poll.cursor, |(seq, _)| *seq);
        (!verdicts.is_empty() || poll.until <= self.now).then_some(WaitReply { cursor, verdicts })
    }
}
