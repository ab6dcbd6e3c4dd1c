//! How the channels do: what waits, what was given up, when each last took a message.

use countersign_protocol::{Token, UnixMillis};
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row as _};

use crate::store::tickets::parsed;
use crate::store::{Store, StoreError};

/// The most messages that were given up to show of one channel.
const MOST_DEAD: i64 = 100;

/// How one channel does.
#[derive(Debug, Clone, Default, FromRow)]
pub(crate) struct Standing {
    pub(crate) channel: String,
    pub(crate) queued: i64,
    pub(crate) dead: i64,
    /// When the event was that waits the longest.
    pub(crate) oldest: Option<UnixMillis>,
    /// How long ago that was, milliseconds; 0 where none waits.
    pub(crate) waits: i64,
    pub(crate) sent_at: Option<UnixMillis>,
    pub(crate) failed_at: Option<UnixMillis>,
    /// Why it failed last, when it has taken nothing since.
    pub(crate) error: Option<String>,
}

/// A message that was given up.
#[derive(Debug, Clone)]
pub(crate) struct Dead {
    pub(crate) seq: i64,
    pub(crate) ticket: Token,
    pub(crate) event: String,
    pub(crate) at: UnixMillis,
    pub(crate) attempts: i64,
    pub(crate) error: Option<String>,
}

impl FromRow<'_, AnyRow> for Dead {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            seq: row.try_get("seq")?,
            ticket: parsed(row, "ticket")?,
            event: row.try_get("event")?,
            at: row.try_get("at")?,
            attempts: row.try_get("attempts")?,
            error: row.try_get("error")?,
        })
    }
}

impl Store {
    /// How all channels do that were ever told something, by name.
    pub(crate) async fn standings(&self) -> Result<Vec<Standing>, StoreError> {
        let query = sqlx::query_as(
            "SELECT known.channel, coalesce(queued, 0) AS queued, coalesce(dead, 0) AS dead, oldest,
                 coalesce((SELECT now FROM clock) - oldest, 0) AS waits, sent_at, failed_at, error
             FROM (SELECT channel FROM channel_health
                   UNION SELECT channel FROM outbox WHERE state = 'queued') AS known
             LEFT JOIN channel_health ON channel_health.channel = known.channel
             LEFT JOIN (SELECT channel, count(*) AS queued, min(at) AS oldest FROM outbox
                        WHERE state = 'queued' GROUP BY channel) AS waiting ON waiting.channel = known.channel
             LEFT JOIN (SELECT channel, count(*) AS dead FROM outbox
                        WHERE state = 'dead' GROUP BY channel) AS lost ON lost.channel = known.channel
             ORDER BY known.channel",
        );
        Ok(query.fetch_all(&self.reader).await?)
    }

    /// What a channel was given up to be told, the latest first.
    pub(crate) async fn dead(&self, channel: &str) -> Result<Vec<Dead>, StoreError> {
        let query = sqlx::query_as(
            "SELECT outbox.seq, outbox.ticket, history.event, outbox.at, attempts, error
             FROM outbox JOIN history ON history.seq = outbox.event
             WHERE channel = $1 AND state = 'dead' ORDER BY outbox.seq DESC LIMIT $2",
        );
        Ok(query.bind(channel).bind(MOST_DEAD).fetch_all(&self.reader).await?)
    }

    /// How many open requests no channel reached anybody about.
    pub(crate) async fn count_unreached(&self) -> Result<i64, StoreError> {
        let query = sqlx::query_scalar(
            "SELECT count(*) FROM reach JOIN tickets ON tickets.id = reach.ticket CROSS JOIN clock
             WHERE state = 'pending' AND lapses_at > now AND noticed_at IS NOT NULL AND reached_at IS NULL",
        );
        Ok(query.fetch_one(&self.reader).await?)
    }
}
