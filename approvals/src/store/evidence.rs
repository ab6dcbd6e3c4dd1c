//! Evidence: audit records by producer, lane and sequence, kept as the bytes that they came in.

mod ends;
mod own;

use std::collections::BTreeMap;

use countersign_protocol::approval::Ack;
use countersign_protocol::evidence::{Lane, Record, RecordError};
use countersign_protocol::{Hash, Token};

use super::gateways::Gateway;
use super::{Store, StoreError, Tx};
pub(crate) use ends::Break;

/// Why a batch of evidence is not kept. None of it is then, nor of what it came with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepError {
    #[error("{0}")]
    Malformed(#[from] RecordError),
    #[error("kinds that begin with `{OWN_KINDS}` are the service's own: `{0}` is one")]
    OwnKind(String),
    #[error("producer `{0}` belongs to another gateway")]
    Foreign(Token),
    #[error("record {} of producer `{}` is kept with other bytes", .0.envelope.seq, .0.envelope.producer)]
    Conflict(Box<Record>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for KeepError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// How the kinds of the service's own records begin.
const OWN_KINDS: &str = "ticket_";

/// The most lines in one reply: where nothing is said, and where more are asked for.
pub(crate) const LINES: (u32, u32) = (10_000, 1_000_000);

/// Which records to read.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    pub(crate) producer: Option<Token>,
    pub(crate) lane: Option<Lane>,
    pub(crate) kind: Option<String>,
    /// Only records whose `ticket` member is this one.
    pub(crate) ticket: Option<Token>,
    /// Only records with this number in their lane or a higher one.
    #[param(maximum = 9223372036854775807_i64)]
    pub(crate) from: Option<u64>,
    /// The most records; 10,000 when absent.
    #[param(minimum = 1, maximum = 1000000)]
    pub(crate) limit: Option<u32>,
}

/// The ticket that a record is about, where it names one.
fn ticket(line: &str) -> Option<Token> {
    #[derive(serde::Deserialize)]
    struct About {
        ticket: Option<Token>,
    }
    serde_json::from_str::<About>(line).ok()?.ticket
}

/// How a lane is written in the database and on the wire.
fn name(lane: Lane) -> &'static str {
    match lane {
        Lane::Held => "held",
        Lane::Plain => "plain",
    }
}

impl Store {
    /// Keeps a batch.
    pub(crate) async fn keep(&self, gateway: &Gateway, lines: Vec<String>) -> Result<Vec<Ack>, KeepError> {
        let mut tx = self.write().await?;
        let acked = tx.keep(gateway, lines).await?;
        tx.commit().await?;
        Ok(acked)
    }

    /// Keeps the proof that somebody sent other bytes under a number that was taken.
    pub(crate) async fn keep_conflict(&self, gateway: &Gateway, record: &Record) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query(
            "INSERT INTO evidence_conflicts (producer, lane, seq, hash, line, gateway, at)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        )
        .bind(record.envelope.producer.to_string())
        .bind(name(record.envelope.lane))
        .bind(i64::try_from(record.envelope.seq).unwrap_or(i64::MAX))
        .bind(record.hash.to_string())
        .bind(&record.line)
        .bind(&gateway.name)
        .bind(tx.now)
        .execute(&mut *tx.inner)
        .await?;
        tx.commit().await
    }

    /// Which producer the service itself is; none before anything has happened.
    pub(crate) async fn own_producer(&self) -> Result<Option<String>, StoreError> {
        let query = sqlx::query_scalar("SELECT id FROM producers WHERE own = 1");
        Ok(query.fetch_optional(&self.reader).await?)
    }

    /// The lines that are kept, each lane in order.
    pub(crate) async fn evidence(&self, filter: &Filter) -> Result<Vec<String>, StoreError> {
        let query = sqlx::query_scalar(
            "SELECT line FROM evidence WHERE ($1 IS NULL OR producer = $1) AND ($2 IS NULL OR lane = $2)
             AND ($3 IS NULL OR kind = $3) AND ($4 IS NULL OR ticket = $4)
             AND seq >= $5 ORDER BY producer, lane, seq LIMIT $6",
        );
        let query = query.bind(filter.producer.map(|producer| producer.to_string()));
        let query = query.bind(filter.lane.map(name)).bind(&filter.kind);
        let query = query.bind(filter.ticket.map(|ticket| ticket.to_string()));
        let query = query.bind(i64::try_from(filter.from.unwrap_or(0)).unwrap_or(i64::MAX));
        Ok(query.bind(i64::from(filter.limit.unwrap_or(LINES.0))).fetch_all(&self.reader).await?)
    }
}

impl Tx<'_> {
    /// Keeps lines and says how far each of their lanes is kept without a gap.
    pub(super) async fn keep(
        &mut self,
        gateway: &Gateway,
        lines: Vec<String>,
    ) -> Result<Vec<Ack>, KeepError> {
        // Each lane with the first of its records that is sent.
        let mut lanes = BTreeMap::new();
        for line in lines {
            let record = Record::parse(line)?;
            if record.envelope.kind.starts_with(OWN_KINDS) {
                return Err(KeepError::OwnKind(record.envelope.kind));
            }
            let (lane, seq) = ((record.envelope.producer, record.envelope.lane), record.envelope.seq);
            match lanes.get_mut(&lane) {
                Some(first) => *first = seq.min(*first),
                None => {
                    self.own(gateway, lane).await?;
                    lanes.insert(lane, seq);
                }
            }
            self.note_end(&record).await?;
            self.keep_one(record).await?;
        }
        let mut acked = Vec::with_capacity(lanes.len());
        for ((producer, lane), first) in lanes {
            let next = self.advance(producer, lane, first).await?;
            acked.extend(next.checked_sub(1).map(|seq| Ack { producer, lane, seq }));
        }
        Ok(acked)
    }

    /// A producer belongs to the gateway that first spoke for it, or to this service; whatever comes of it is a sign
    /// of life.
    async fn own(&mut self, gateway: &Gateway, (producer, lane): (Token, Lane)) -> Result<(), KeepError> {
        let id = producer.to_string();
        let owned = sqlx::query(
            "INSERT INTO producers (id, gateway, seen_at) VALUES ($1, $2, $3)
             ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at
             WHERE producers.gateway = excluded.gateway AND producers.own = 0",
        )
        .bind(&id)
        .bind(&gateway.name)
        .bind(self.now)
        .execute(&mut *self.inner)
        .await?;
        if owned.rows_affected() == 0 {
            return Err(KeepError::Foreign(producer));
        }
        Ok(self.begin_lane(&id, lane).await?)
    }

    async fn begin_lane(&mut self, producer: &str, lane: Lane) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO lanes (producer, lane) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(producer)
            .bind(name(lane))
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    async fn keep_one(&mut self, record: Record) -> Result<(), KeepError> {
        if self.insert(&record, ticket(&record.line)).await? {
            return Ok(());
        }
        Err(KeepError::Conflict(Box::new(record)))
    }

    /// Keeps a record that is about that ticket; `false` when other bytes are kept under its number.
    async fn insert(&mut self, record: &Record, ticket: Option<Token>) -> Result<bool, StoreError> {
        let envelope = &record.envelope;
        let kept: String = sqlx::query_scalar(
            "INSERT INTO evidence (producer, lane, seq, prev, hash, ts, kind, ticket, line, kept_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (producer, lane, seq) DO UPDATE SET hash = evidence.hash RETURNING hash",
        )
        .bind(envelope.producer.to_string())
        .bind(name(envelope.lane))
        .bind(i64::try_from(envelope.seq).unwrap_or(i64::MAX))
        .bind(envelope.prev.to_string())
        .bind(record.hash.to_string())
        .bind(envelope.ts)
        .bind(&envelope.kind)
        .bind(ticket.map(|ticket| ticket.to_string()))
        .bind(&record.line)
        .bind(self.now)
        .fetch_one(&mut *self.inner)
        .await?;
        Ok(kept == record.hash.to_string())
    }

    /// Moves a lane's marks: to its end, and from `first` on over all that follows without a gap. Returns the
    /// latter. A filter sends what was not acknowledged, from its first on: what is not kept below that was
    /// acknowledged and is lost here, because the database is an older one, and is a break for ever.
    async fn advance(&mut self, producer: Token, lane: Lane, first: u64) -> Result<u64, StoreError> {
        let next: i64 = sqlx::query_scalar(
            "UPDATE lanes SET next = (
                 WITH RECURSIVE kept (seq) AS (
                     SELECT CASE WHEN lanes.next > $3 THEN lanes.next ELSE $3 END UNION ALL
                     SELECT kept.seq + 1 FROM kept JOIN evidence AS e
                         ON e.producer = $1 AND e.lane = $2 AND e.seq = kept.seq)
                 SELECT max(seq) FROM kept),
             ends = (SELECT CASE WHEN max(seq) < 9223372036854775807 THEN max(seq) + 1 ELSE 9223372036854775807 END FROM evidence
                 WHERE producer = $1 AND lane = $2)
             WHERE producer = $1 AND lane = $2 RETURNING next",
        )
        .bind(producer.to_string())
        .bind(name(lane))
        .bind(i64::try_from(first).unwrap_or(i64::MAX))
        .fetch_one(&mut *self.inner)
        .await?;
        Ok(next.unsigned_abs())
    }

    /// Whether that gateway's record with that hash is kept.
    pub(super) async fn has_record(&mut self, gateway: &Gateway, hash: Hash) -> Result<bool, StoreError> {
        let query = sqlx::query_scalar(
            "SELECT count(*) FROM evidence JOIN producers ON producers.id = evidence.producer
             WHERE evidence.hash = $1 AND producers.gateway = $2",
        );
        let query = query.bind(hash.to_string()).bind(&gateway.name);
        let kept: i64 = query.fetch_one(&mut *self.inner).await?;
        Ok(kept > 0)
    }
}
