//! Evidence of the keys that tokens, and where they are fetched grants, are verified with: which ones, from where on.

use countersign_core::engine::Engine;
use countersign_core::journal::{Journal, Members};
use countersign_core::keys::KeySource;
use countersign_protocol::UnixMillis;
use serde_json::{Value, json};

use super::outbox::Outbox;

/// How often the keys of an engine became others.
pub(super) fn changes(engine: &Engine) -> u64 {
    engine.key_sources().map(KeySource::changes).sum()
}

/// Says in both lanes which keys there are, if any source has some; gives how often they became others.
pub(super) fn record(engine: &Engine, journal: &mut Journal, outbox: &mut Outbox, now: UnixMillis) -> u64 {
    let sources: Vec<Value> =
        engine.key_sources().map(|keys| json!({ "source": keys.source(), "keys": keys.names() })).collect();
    if !sources.is_empty() {
        let members = || Members::default().with("sources", &sources);
        outbox.keep([journal.held(now, "keys", members())]);
        outbox.keep(journal.plain(now, "keys", members()));
    }
    changes(engine)
}
