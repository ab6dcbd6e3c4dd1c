//! What each worker says of itself, on one board that all workers of a gateway share: numbers, and nothing of
//! requests. A row that is not renewed is forgotten, so what a dead worker held does not count for ever.

use std::collections::BTreeSet;

use countersign_protocol::UnixMillis;

/// How long a row counts that nobody renews, milliseconds.
const LEASE: u64 = 10_000;

/// Words of a row.
const WORDS: usize = 13;

/// What a worker has in hand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Levels {
    /// Requests that wait for people.
    pub(crate) held: u64,
    /// Bytes of their questions.
    pub(crate) held_bytes: u64,
    /// How near that is to holding nothing new: 100 is the limit.
    pub(crate) held_percent: u64,
    /// Bytes of records that are not acknowledged, in the held and in the plain lane.
    pub(crate) buffered: [u64; 2],
    /// How near that is to taking nothing new, by lane: 100 is the limit.
    pub(crate) buffered_percent: [u64; 2],
}

/// What one worker says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    /// Random; names nothing else.
    pub(super) worker: u64,
    /// When it said so.
    pub(super) at: UnixMillis,
    /// The first 48 bits of its configuration's hash.
    pub(super) configuration: u64,
    /// The first 48 bits of its bundle's hash.
    pub(super) bundle: u64,
    /// When that bundle was loaded first, Unix seconds.
    pub(super) loaded: u64,
    /// Whether it enforces.
    pub(super) enforces: bool,
    pub(super) levels: Levels,
}

/// The rows of all workers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Board(Vec<Row>);

impl Board {
    /// Reads a board; what does not read is no board.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let words = bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
        let words: Vec<u64> = words.collect();
        Self(words.as_chunks::<WORDS>().0.iter().map(Row::read).collect())
    }

    pub(super) fn write(&self) -> Vec<u8> {
        self.0.iter().flat_map(Row::write).flat_map(u64::to_le_bytes).collect()
    }

    /// Since when a bundle has been in use, when somebody uses it, or used it last.
    pub(super) fn loaded(&self, bundle: u64) -> Option<u64> {
        self.0.iter().filter(|row| row.bundle == bundle).map(|row| row.loaded).min()
    }

    /// Whether somebody runs with that configuration, or did so last.
    pub(super) fn knows(&self, configuration: u64) -> bool {
        self.0.iter().any(|row| row.configuration == configuration)
    }

    /// Replaces the worker's own row, and forgets those that are not renewed: a clock that was set back or
    /// forth costs a row until it is renewed.
    pub(super) fn put(&mut self, own: Row) {
        self.0.retain(|row| row.worker != own.worker && own.at.abs_diff(row.at) <= LEASE);
        self.0.push(own);
    }

    /// The bundles in use.
    pub(super) fn bundles(&self) -> BTreeSet<u64> {
        self.0.iter().map(|row| row.bundle).collect()
    }

    /// When the newest of them was loaded.
    pub(super) fn newest(&self) -> u64 {
        self.0.iter().map(|row| row.loaded).max().unwrap_or_default()
    }

    /// How many workers enforce, and how many do not.
    pub(super) fn workers(&self) -> (u64, u64) {
        let enforcing = self.0.iter().filter(|row| row.enforces).count();
        (enforcing as u64, (self.0.len() - enforcing) as u64)
    }

    /// Sums over all workers, and the highest of what is a share.
    pub(super) fn levels(&self) -> Levels {
        self.0.iter().map(|row| row.levels).fold(Levels::default(), Levels::with)
    }
}

impl Levels {
    fn with(self, other: Self) -> Self {
        let ([held, plain], [more_held, more_plain]) = (self.buffered, other.buffered);
        let ([fullest_held, fullest_plain], [full_held, full_plain]) =
            (self.buffered_percent, other.buffered_percent);
        Self {
            held: self.held.saturating_add(other.held),
            held_bytes: self.held_bytes.saturating_add(other.held_bytes),
            held_percent: self.held_percent.max(other.held_percent),
            buffered: [held.saturating_add(more_held), plain.saturating_add(more_plain)],
            buffered_percent: [fullest_held.max(full_held), fullest_plain.max(full_plain)],
        }
    }
}

impl Row {
    fn read(words: &[u64; WORDS]) -> Self {
        let [
            worker,
            at,
            configuration,
            bundle,
            loaded,
            enforces,
            held,
            held_bytes,
            held_percent,
            held_lane,
            plain_lane,
            held_full,
            plain_full,
        ] = *words;
        let levels = Levels {
            held,
            held_bytes,
            held_percent,
            buffered: [held_lane, plain_lane],
            buffered_percent: [held_full, plain_full],
        };
        let (at, enforces) = (at.cast_signed(), enforces != 0);
        Self { worker, at, configuration, bundle, loaded, enforces, levels }
    }

    fn write(&self) -> [u64; WORDS] {
        let Levels { held, held_bytes, held_percent, buffered, buffered_percent } = self.levels;
        let ([held_lane, plain_lane], [held_full, plain_full]) = (buffered, buffered_percent);
        [
            self.worker,
            self.at.cast_unsigned(),
            self.configuration,
            self.bundle,
            self.loaded,
            self.enforces.into(),
            held,
            held_bytes,
            held_percent,
            held_lane,
            plain_lane,
            held_full,
            plain_full,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(worker: u64, at: UnixMillis, held: u64, percent: u64) -> Row {
        let levels = Levels {
            held,
            held_bytes: held * 1000,
            held_percent: percent,
            buffered: [held, held * 2],
            buffered_percent: [percent, percent / 2],
        };
        let (configuration, bundle, loaded) = (0xdef + worker, 0xabc + worker, 100 + worker);
        Row { worker, at, configuration, bundle, loaded, enforces: worker != 3, levels }
    }

    fn board(rows: &[Row]) -> Board {
        let mut board = Board::default();
        rows.iter().for_each(|row| board.put(*row));
        board
    }

    #[test]
    fn a_board_reads_as_it_was_written_and_garbage_is_cut() {
        let board = board(&[row(1, 5, 2, 3), row(2, 6, 9, 4)]);
        let mut bytes = board.write();
        assert_eq!(Board::read(&bytes), board);
        bytes.extend([1, 2, 3]);
        assert_eq!(Board::read(&bytes), board);
        assert_eq!(Board::read(b"anything"), Board::default());
    }

    #[test]
    fn numbers_are_added_and_shares_are_the_highest() {
        let board = board(&[row(1, 0, 2, 30), row(2, 0, 3, 40), row(3, 0, 0, 0)]);
        let levels = board.levels();
        assert_eq!((levels.held, levels.held_bytes, levels.held_percent), (5, 5_000, 40));
        assert_eq!((levels.buffered, levels.buffered_percent), ([5, 10], [40, 20]));
        assert_eq!((board.workers(), board.newest()), ((2, 1), 103));
    }

    #[test]
    fn a_worker_has_one_row_and_a_dead_one_none() {
        let mut board = board(&[row(1, 0, 2, 3), row(2, 0, 7, 4)]);
        board.put(row(1, 10_000, 5, 3));
        assert_eq!(board.levels().held, 12);
        board.put(row(1, 10_001, 6, 3));
        assert_eq!((board.levels().held, board.bundles()), (6, BTreeSet::from([0xabd])));
    }

    #[test]
    fn a_clock_that_is_set_back_brings_no_row_that_stays() {
        let mut board = board(&[row(1, 1_000_000, 2, 3), row(2, 1_000_000, 7, 4)]);
        board.put(row(1, 5, 2, 3));
        board.put(row(2, 6, 7, 4));
        assert_eq!(board.levels().held, 9);
    }

    #[test]
    fn a_bundle_is_as_old_as_its_first_use() {
        let mut board = board(&[row(1, 0, 0, 0)]);
        board.put(Row { bundle: 0xabd, loaded: 7, ..row(9, 0, 0, 0) });
        assert_eq!((board.loaded(0xabd), board.loaded(1)), (Some(7), None));
        assert!(board.knows(0xdf0) && !board.knows(0xabd));
    }
}
