//! Where evidence ends: what a producer says about its lanes, against what is kept.

use std::time::Duration;

use countersign_protocol::Token;
use countersign_protocol::evidence::{Lane, Record};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::name;
use crate::store::{Store, StoreError, Tx};

/// A place where a lane does not hold together, or where it was cut off.
#[derive(Debug, Serialize, FromRow, utoipa::ToSchema)]
pub(crate) struct Break {
    producer: String,
    lane: String,
    /// The record that does not fit; for `silent` and `cut_off` the first that did not come.
    seq: i64,
    /// `missing`: the record before is not kept; `broken`: it is, but has another hash; `conflict`: other
    /// bytes were sent under the same number; `silent`: nothing came for too long, and no stop before;
    /// `cut_off`: the producer counted more records than came, and is silent or has stopped.
    why: String,
}

/// How many records each lane has, as heartbeats and stops count them.
#[derive(Default, Deserialize)]
struct Counted {
    held_records: Option<u64>,
    plain_records: Option<u64>,
}

impl Store {
    /// Where what is kept does not hold together, or ends without an end; a producer is silent when nothing of
    /// it came for longer than `silent_after`. The service's own makes records only when something happens.
    pub(crate) async fn breaks(&self, silent_after: Duration) -> Result<Vec<Break>, StoreError> {
        let query = sqlx::query_as(
            "WITH quiet (since) AS (SELECT now - $1 FROM clock)
             SELECT producer, lane, seq, why FROM evidence_breaks
             UNION ALL SELECT producer, lane, seq, 'conflict' FROM evidence_conflicts
             UNION ALL SELECT p.id, 'plain', coalesce(l.ends, 0), 'silent' FROM producers AS p
                 LEFT JOIN lanes AS l ON l.producer = p.id AND l.lane = 'plain'
                 WHERE p.stopped_at IS NULL AND p.own = 0 AND p.seen_at < (SELECT since FROM quiet)
             UNION ALL SELECT l.producer, l.lane, l.ends, 'cut_off' FROM lanes AS l
                 JOIN producers AS p ON p.id = l.producer
                 WHERE l.said > l.ends AND (p.stopped_at IS NOT NULL OR p.seen_at < (SELECT since FROM quiet))
             ORDER BY 1, 2, 3",
        );
        let longest = i64::try_from(silent_after.as_millis()).unwrap_or(i64::MAX);
        Ok(query.bind(longest).fetch_all(&self.reader).await?)
    }
}

impl Tx<'_> {
    /// Notes what a record says about the lanes of its producer, if it is one that does.
    pub(super) async fn note_end(&mut self, record: &Record) -> Result<(), StoreError> {
        let envelope = &record.envelope;
        let stop = envelope.kind == "stop";
        if envelope.lane != Lane::Plain || !(stop || envelope.kind == "heartbeat") {
            return Ok(());
        }
        // One that counts nothing is kept all the same: what a line means is for those who read it.
        let counted: Counted = serde_json::from_str(&record.line).unwrap_or_default();
        self.note_said(envelope.producer, Lane::Held, counted.held_records).await?;
        self.note_said(envelope.producer, Lane::Plain, counted.plain_records).await?;
        if stop {
            sqlx::query("UPDATE producers SET stopped_at = coalesce(stopped_at, $1) WHERE id = $2")
                .bind(self.now)
                .bind(envelope.producer.to_string())
                .execute(&mut *self.inner)
                .await?;
        }
        Ok(())
    }

    /// A lane may be counted before anything of it came.
    async fn note_said(&mut self, producer: Token, lane: Lane, said: Option<u64>) -> Result<(), StoreError> {
        let Some(said) = said else { return Ok(()) };
        sqlx::query(
            "INSERT INTO lanes (producer, lane, said) VALUES ($1, $2, $3)
             ON CONFLICT (producer, lane) DO UPDATE SET said = excluded.said WHERE excluded.said > lanes.said",
        )
        .bind(producer.to_string())
        .bind(name(lane))
        .bind(i64::try_from(said).unwrap_or(i64::MAX))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}
