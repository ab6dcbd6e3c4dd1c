//! Waits that end without anybody's doing: their time is over, or the key is here that a grant was waiting for.

use countersign_protocol::UnixMillis;

use super::{Directive, Parked, Worker, unlist};
use crate::host;

impl Worker {
    /// Ends the waits whose time is over, and those for a key that has come.
    pub(crate) fn lapse(&mut self, now: UnixMillis) -> Vec<(u32, Directive)> {
        self.beat(now);
        let due = |parked: &Parked| match parked {
            Parked::Body { withheld_at, .. } => withheld_at.is_some_and(|at| at <= now),
            Parked::Held(held) => held.until() <= now || held.can_read(&self.engine, now),
            Parked::Keeping(keeping) => keeping.until() <= now,
            Parked::Asking(_) | Parked::Claiming(_) => false,
        };
        let ids: Vec<u32> = self.parked.iter().filter(|(_, parked)| due(parked)).map(|(id, _)| *id).collect();
        ids.into_iter().map(|id| (id, self.lapse_one(id, now))).collect()
    }

    fn lapse_one(&mut self, id: u32, now: UnixMillis) -> Directive {
        let step = match self.parked.remove(&id) {
            Some(Parked::Body { state, .. }) => state.on_withheld(&self.engine, &mut self.journal, now),
            Some(Parked::Held(held)) => {
                unlist(&mut self.by_ticket, held.ticket(), id);
                match host::moment().filter(|_| held.until() > now) {
                    Some(at) => held.on_keys(&self.engine, &mut self.journal, at),
                    None => held.on_deadline(&self.engine, &mut self.journal, now),
                }
            }
            Some(Parked::Keeping(keeping)) => keeping.on_deadline(&mut self.journal, now),
            Some(other) => {
                self.parked.insert(id, other);
                return Directive::Stay;
            }
            None => return Directive::Stay,
        };
        self.apply(id, step, now)
    }
}
