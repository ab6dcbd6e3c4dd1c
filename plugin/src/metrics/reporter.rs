//! Renews a worker's row on the board, and sets the gauges from all rows.

use std::collections::BTreeSet;
use std::time::Duration;

use countersign_core::config::Mode;
use countersign_core::engine::Engine;
use countersign_protocol::evidence::Lane;
use countersign_protocol::{Hash, UnixMillis};
use proxy_wasm::hostcalls;

use super::Bundles;
use super::board::{Board, Levels, Row};
use super::metric::Metric;
use crate::host;

/// How often a worker reports.
pub(crate) const REPORT: Duration = Duration::from_secs(1);

/// Where the board lies in the gateway's shared data. Another form gets another name: during an upgrade
/// filters of two versions share the gateway.
const BOARD: &str = "countersign.board.1";
/// A version that no board has: with it the gateway writes only what nobody wrote yet.
const ABSENT: u32 = u32::MAX;
/// How often a write is tried when other workers write at the same time; the next report comes soon.
const TRIES: usize = 4;

/// Speaks for one root context.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    worker: Option<u64>,
    /// The bundle that it reported last, and since when that one has been in use.
    bundle: Option<(u64, u64)>,
    due: UnixMillis,
    /// The bundles that were in use when it looked last.
    seen: BTreeSet<u64>,
    bundles: Bundles,
}

impl Reporter {
    /// Reports when it is time, outside of all requests.
    pub(crate) fn report(&mut self, engine: &Engine, levels: Levels, now: UnixMillis) {
        let period = i64::try_from(REPORT.as_millis()).unwrap_or(i64::MAX);
        if (1..=period).contains(&self.due.saturating_sub(now)) {
            return;
        }
        self.due = now.saturating_add(period);
        for _ in 0..TRIES {
            if self.visit(engine, levels, now).is_some() {
                return;
            }
        }
    }

    /// Nothing when somebody else wrote meanwhile.
    fn visit(&mut self, engine: &Engine, levels: Levels, now: UnixMillis) -> Option<()> {
        let worker = match self.worker {
            Some(worker) => worker,
            None => *self.worker.insert(u64::from_le_bytes(*host::random()?.0.first_chunk()?)),
        };
        let (bytes, version) = hostcalls::get_shared_data(BOARD).ok()?;
        let before = Board::read(&bytes.unwrap_or_default());
        let (configuration, bundle) = (prefix(engine.config_hash()), prefix(engine.bundle_hash()));
        let loaded = match self.bundle {
            Some((known, loaded)) if known == bundle => loaded,
            _ => before.loaded(bundle).unwrap_or_else(|| now.div_euclid(1000).unsigned_abs()),
        };
        let mut board = before.clone();
        let enforces = engine.mode() == Mode::Enforce;
        board.put(Row { worker, at: now, configuration, bundle, loaded, enforces, levels });
        hostcalls::set_shared_data(BOARD, Some(&board.write()), Some(version.unwrap_or(ABSENT))).ok()?;
        self.bundle = Some((bundle, loaded));
        if !before.knows(configuration) {
            introduce(engine, bundle);
        }
        self.publish(&before, &board);
        Some(())
    }

    fn publish(&mut self, before: &Board, board: &Board) {
        let used = board.bundles();
        self.seen.extend(before.bundles());
        self.seen.difference(&used).for_each(|bundle| self.bundles.set(*bundle, false));
        // Each time, because a worker that looked earlier may have said the opposite just now.
        used.iter().for_each(|bundle| self.bundles.set(*bundle, true));
        self.seen = used;
        let (levels, (enforcing, observing)) = (board.levels(), board.workers());
        let ([held, plain], [held_percent, plain_percent]) = (levels.buffered, levels.buffered_percent);
        for (metric, value) in [
            (Metric::Held, levels.held),
            (Metric::HeldBytes, levels.held_bytes),
            (Metric::HeldFullest, levels.held_percent),
            (Metric::Buffered(Lane::Held), held),
            (Metric::Buffered(Lane::Plain), plain),
            (Metric::EvidenceFullest(Lane::Held), held_percent),
            (Metric::EvidenceFullest(Lane::Plain), plain_percent),
            (Metric::Enforcing, enforcing),
            (Metric::Observing, observing),
            (Metric::BundleLoaded, board.newest()),
        ] {
            super::record(metric, value);
        }
    }
}

/// The first 48 bits: 12 digits.
fn prefix(hash: Hash) -> u64 {
    hash.0.first_chunk().map_or(0, |first| u64::from_be_bytes(*first) >> 16)
}

/// One line in the log for all workers: the first that runs with a configuration says so.
fn introduce(engine: &Engine, bundle: u64) {
    let (policies, gates) = engine.count();
    let mode = match engine.mode() {
        Mode::Enforce => "enforce",
        Mode::Observe => "observe",
    };
    let version = env!("CARGO_PKG_VERSION");
    log::info!(
        "countersign {version}: bundle {bundle:012x}, mode {mode}, {policies} policies, {gates} gates"
    );
}
