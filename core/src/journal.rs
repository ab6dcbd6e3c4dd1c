//! Evidence: two lanes of records, each a chain of hashes, made once and never reordered.

pub use countersign_protocol::evidence::Members;
use countersign_protocol::evidence::{Chain, Lane, Record};
use countersign_protocol::{Token, UnixMillis};

/// The two lanes of one producer.
#[derive(Debug)]
pub struct Journal {
    held: Chain,
    plain: Chain,
    room: Room,
    /// Plain records that were dropped since the last one that was made.
    gap: u64,
    /// Plain records that were ever dropped.
    dropped: u64,
}

/// Whether records that are made now can be kept until they are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// In the held lane: without it nothing new is held.
    pub held: bool,
    /// In the plain lane: without it records are dropped, unnumbered, and counted.
    pub plain: bool,
}

impl Journal {
    /// Empty lanes of `producer`, a random id that names this filter instance alone.
    #[must_use]
    pub fn new(producer: Token) -> Self {
        let room = Room { held: true, plain: true };
        let [held, plain] = [Lane::Held, Lane::Plain].map(|lane| Chain::new(producer, lane));
        Self { held, plain, room, gap: 0, dropped: 0 }
    }

    /// Who makes these records.
    #[must_use]
    pub fn producer(&self) -> Token {
        self.held.producer
    }

    /// Says whether what is made from now on can be kept.
    pub fn set_room(&mut self, room: Room) {
        self.room = room;
    }

    /// Whether something new may be held.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.room.held
    }

    /// How many records were dropped so far, also those that no gap record counts yet.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Appends a record of `kind` to the held lane.
    pub fn held(&mut self, ts: UnixMillis, kind: &str, members: Members) -> Record {
        self.held.append(ts, kind, &members)
    }

    /// Appends a record of `kind` to the plain lane, after one of the gap before it if there is one; without
    /// room, counts it as dropped.
    pub fn plain(&mut self, ts: UnixMillis, kind: &str, members: Members) -> Vec<Record> {
        if !self.room.plain {
            self.gap = self.gap.saturating_add(1);
            self.dropped = self.dropped.saturating_add(1);
            return Vec::new();
        }
        let gap = match std::mem::take(&mut self.gap) {
            0 => None,
            dropped => Some(("gap", Members::default().with("dropped", dropped))),
        };
        let whole = gap.into_iter().chain([(kind, members)]);
        whole.map(|(kind, members)| self.plain.append(ts, kind, &members)).collect()
    }

    /// Says how far both lanes reach, so that an end that was cut off shows.
    pub fn heartbeat(&mut self, ts: UnixMillis) -> Vec<Record> {
        let members = self.reach();
        self.plain(ts, "heartbeat", members)
    }

    /// Says how far both lanes reached: nothing of this producer comes after it.
    pub fn stop(&mut self, ts: UnixMillis) -> Vec<Record> {
        let members = self.reach();
        self.plain(ts, "stop", members)
    }

    fn reach(&self) -> Members {
        Members::default().with("held_records", self.held.seq).with("plain_records", self.plain.seq)
    }
}

#[cfg(test)]
mod tests {
    use countersign_protocol::Hash;

    use super::*;

    fn journal() -> Journal {
        Journal::new(Token([7; 16]))
    }

    #[test]
    fn each_lane_is_a_chain_of_its_own() {
        let mut journal = journal();
        let [first] =
            journal.plain(1, "start", Members::default().with("mode", "enforce")).try_into().unwrap();
        let aside = journal.held(2, "asked", Members::default());
        let [second] =
            journal.plain(3, "allowed", Members::default().with("no", None::<u8>)).try_into().unwrap();
        assert_eq!((first.envelope.seq, aside.envelope.seq, second.envelope.seq), (0, 0, 1));
        assert_eq!((second.envelope.prev, aside.envelope.prev), (first.hash, Hash::ZERO));
        assert_eq!(Record::parse(second.line.clone()).unwrap(), second);
        assert!(first.line.ends_with(r#""kind":"start","mode":"enforce"}"#), "{}", first.line);
        assert!(second.line.ends_with(r#""kind":"allowed"}"#), "{}", second.line);
    }

    #[test]
    fn a_member_cannot_overwrite_the_envelope() {
        let record = journal().held(1, "claim", Members::default().with("kind", "denied").with("seq", 9));
        assert_eq!(Record::parse(record.line.clone()).unwrap().envelope, record.envelope);
    }

    #[test]
    fn what_is_dropped_gets_no_number_and_is_counted() {
        let mut journal = journal();
        journal.set_room(Room { held: true, plain: false });
        assert!(journal.plain(1, "allowed", Members::default()).is_empty());
        assert!(journal.plain(2, "denied", Members::default()).is_empty());
        journal.set_room(Room { held: true, plain: true });
        let [gap, next] = journal.plain(3, "allowed", Members::default()).try_into().unwrap();
        assert_eq!((gap.envelope.seq, next.envelope.seq), (0, 1));
        assert!(gap.line.ends_with(r#""kind":"gap","dropped":2}"#), "{}", gap.line);
        assert_eq!(journal.dropped(), 2);
    }
}
