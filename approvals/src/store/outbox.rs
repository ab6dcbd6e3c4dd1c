//! What is to be told where: written with the event that it is about, taken by any replica, in order for each
//! channel and request, until the channel has it or no more tries are left.

pub(crate) mod reach;
pub(crate) mod settling;
pub(crate) mod standing;

use std::collections::BTreeSet;

use countersign_protocol::{Token, UnixMillis};
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row as _};

use self::settling::MOST_ATTEMPTS;
use super::history::Entry;
use super::tickets::{Ticket, parsed};
use super::{Store, StoreError, Tx};
use crate::random;

/// How long nobody else tries what one replica tries, milliseconds: longer than a try can last.
const LEASE: UnixMillis = 30 * 1000;

/// What channels are told of.
const TOLD: [&str; 14] = [
    "asked",
    "approve",
    "reject",
    "flag",
    "broke_glass",
    "dropped",
    "approved",
    "reopened",
    "revoked",
    "expired",
    "cancelled",
    "claimed",
    "reviewed",
    "escalated",
];

/// One message that this replica is to deliver.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub(crate) seq: i64,
    /// Names the message, the same each time that it is tried.
    pub(crate) id: Token,
    pub(crate) channel: String,
    pub(crate) ticket: Token,
    event: i64,
    /// Which try this is, from 1 on.
    pub(crate) attempts: i64,
    /// When the event was.
    pub(crate) at: UnixMillis,
    lease: String,
}

impl FromRow<'_, AnyRow> for Due {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            seq: row.try_get("seq")?,
            id: parsed(row, "id")?,
            channel: row.try_get("channel")?,
            ticket: parsed(row, "ticket")?,
            event: row.try_get("event")?,
            attempts: row.try_get("attempts")?,
            at: row.try_get("at")?,
            lease: row.try_get("lease")?,
        })
    }
}

impl Tx<'_> {
    /// Writes down whom an event is told to; `seq` is its place in the history.
    pub(super) async fn announce(&mut self, ticket: Token, event: &str, seq: i64) -> Result<(), StoreError> {
        if self.store.routes.is_empty() || !TOLD.contains(&event) {
            return Ok(());
        }
        let mut channels = self.told(ticket).await?;
        match event {
            "asked" => channels.extend(self.first(ticket).await?),
            "broke_glass" => channels.extend(self.further(ticket, true).await?),
            "flag" | "escalated" => channels.extend(self.further(ticket, false).await?),
            _ => {}
        }
        channels.retain(|channel| self.store.routes.takes(channel, event));
        for channel in channels {
            self.queue(&channel, ticket, seq).await?;
        }
        Ok(())
    }

    /// The channels that know of a request.
    async fn told(&mut self, ticket: Token) -> Result<BTreeSet<String>, StoreError> {
        let query = sqlx::query_scalar("SELECT DISTINCT channel FROM outbox WHERE ticket = $1");
        let told: Vec<String> = query.bind(ticket.to_string()).fetch_all(&mut *self.inner).await?;
        Ok(told.into_iter().collect())
    }

    async fn first(&mut self, id: Token) -> Result<BTreeSet<String>, StoreError> {
        let Some(ticket) = self.outline(id).await? else { return Ok(BTreeSet::new()) };
        let channels = self.store.routes.asked(&ticket.question);
        self.begin_reach(&ticket, !channels.is_empty()).await?;
        Ok(channels)
    }

    /// Those who are told when it has no answer or somebody doubts it, and where glass is broken, those who could.
    async fn further(&mut self, id: Token, glass: bool) -> Result<BTreeSet<String>, StoreError> {
        let Some(ticket) = self.outline(id).await? else { return Ok(BTreeSet::new()) };
        let routes = &self.store.routes;
        let mut to = routes.escalation(&ticket.question).map(|escalation| escalation.to).unwrap_or_default();
        if glass {
            to.extend(routes.glass(&ticket.question));
        }
        Ok(to)
    }

    async fn outline(&mut self, id: Token) -> Result<Option<Ticket>, StoreError> {
        let query = sqlx::query_as("SELECT * FROM outlines WHERE id = $1").bind(id.to_string());
        Ok(query.fetch_optional(&mut *self.inner).await?)
    }

    async fn queue(&mut self, channel: &str, ticket: Token, event: i64) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO outbox (id, channel, ticket, event, at, due_at, ready)
             SELECT $1, $2, $3, $4, $5, $5, CASE WHEN EXISTS (SELECT 1 FROM outbox
                 WHERE channel = $2 AND ticket = $3 AND state = 'queued') THEN 0 ELSE 1 END",
        )
        .bind(random::token()?.to_string())
        .bind(channel)
        .bind(ticket.to_string())
        .bind(event)
        .bind(self.now)
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}

impl Store {
    /// How long, milliseconds, until a channel has something to deliver; `None` when nothing waits.
    pub(crate) async fn until_due(&self, channel: &str) -> Result<Option<UnixMillis>, StoreError> {
        let query = sqlx::query_as(
            "SELECT (SELECT min(due_at) FROM outbox WHERE channel = $1 AND state = 'queued' AND ready = 1),
                    (SELECT now FROM clock)",
        );
        let (due, now): (Option<UnixMillis>, UnixMillis) =
            query.bind(channel).fetch_one(&self.reader).await?;
        Ok(due.map(|due| (due - now).max(0)))
    }

    /// Takes what a channel is to be told now, at most so many messages: nobody else does for as long as the
    /// lease lasts.
    pub(crate) async fn take_due(&self, channel: &str, most: usize) -> Result<Vec<Due>, StoreError> {
        let mut tx = self.write().await?;
        let query = sqlx::query_as(
            "UPDATE outbox SET lease = $1, due_at = $2, attempts = attempts + 1
             WHERE state = 'queued' AND ready = 1 AND due_at <= $3 AND seq IN
                 (SELECT seq FROM outbox WHERE channel = $4 AND state = 'queued' AND ready = 1 AND due_at <= $3
                  ORDER BY due_at, seq LIMIT $5)
             RETURNING *",
        );
        let query = query.bind(random::token()?.to_string()).bind(tx.now + LEASE).bind(tx.now).bind(channel);
        let query = query.bind(i64::try_from(most).unwrap_or(i64::MAX));
        let mut due: Vec<Due> = query.fetch_all(&mut *tx.inner).await?;
        due.sort_by_key(|due| due.seq);
        let (due, endless) = due.into_iter().partition(|due| due.attempts <= MOST_ATTEMPTS);
        tx.give_up_all(endless).await?;
        tx.commit().await?;
        Ok(due)
    }

    /// The event that a message is about.
    pub(crate) async fn event_of(&self, due: &Due) -> Result<Option<Entry>, StoreError> {
        let query =
            sqlx::query_as("SELECT at, event, issuer, subject, code, detail FROM history WHERE seq = $1");
        Ok(query.bind(due.event).fetch_optional(&self.reader).await?)
    }
}
