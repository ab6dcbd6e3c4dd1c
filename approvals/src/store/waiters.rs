//! Waiters: one long poll of a gateway's worker for all tickets that it holds requests for.

use std::time::Duration;

use countersign_protocol::approval::{Verdict, Wait, WaitReply};
use countersign_protocol::{Token, UnixMillis};
use sqlx::{FromRow as _, Row as _};
use tokio::time::Instant;

use super::gateways::Gateway;
use super::tickets::{Ticket, parsed};
use super::{Store, StoreError, Tx};
use crate::random;

/// The most verdicts in one reply; the rest comes with the next.
const MOST_VERDICTS: u32 = 500;

/// Who waits for a ticket at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// How many workers still hold the request.
    pub(crate) held: i64,
    /// When the last of them lets go.
    pub(crate) held_until: Option<UnixMillis>,
    /// How many clients left while it was held.
    pub(crate) left: i64,
}

impl Tx<'_> {
    /// Notes a sign of life, and says what the gateway's waiter is called here: two gateways may call theirs the same.
    pub(super) async fn waiter(&mut self, name: Token, gateway: &Gateway) -> Result<Token, StoreError> {
        let row = sqlx::query(
            "INSERT INTO waiters (id, gateway, name, seen_at) VALUES ($1, $2, $3, $4) ON CONFLICT (gateway, name)
             DO UPDATE SET seen_at = excluded.seen_at RETURNING id",
        )
        .bind(random::token()?.to_string())
        .bind(&gateway.name)
        .bind(name.to_string())
        .bind(self.now)
        .fetch_one(&mut *self.inner)
        .await?;
        Ok(parsed(&row, "id")?)
    }

    /// From now on the waiter is told about the ticket, which no longer counts as left behind.
    pub(super) async fn attach(
        &mut self,
        ticket: Token,
        waiter: Token,
        held_until: UnixMillis,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO attachments (ticket, waiter, held_until) VALUES ($1, $2, $3) ON CONFLICT (ticket, waiter)
             DO UPDATE SET held_until = CASE WHEN attachments.held_until > excluded.held_until
                 THEN attachments.held_until ELSE excluded.held_until END, left_at = NULL",
        )
        .bind(ticket.to_string())
        .bind(waiter.to_string())
        .bind(held_until)
        .execute(&mut *self.inner)
        .await?;
        sqlx::query("UPDATE tickets SET cancel_at = NULL WHERE id = $1 AND state = 'pending'")
            .bind(ticket.to_string())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Tells all waiters of a ticket that it has changed.
    pub(super) async fn tell(&mut self, ticket: Token) -> Result<(), StoreError> {
        let told = sqlx::query(
            "INSERT INTO events (waiter, ticket)
             SELECT waiter, ticket FROM attachments WHERE ticket = $1 AND left_at IS NULL RETURNING waiter",
        )
        .bind(ticket.to_string())
        .fetch_all(&mut *self.inner)
        .await?;
        for row in told {
            self.rings.insert(parsed(&row, "waiter")?);
        }
        Ok(())
    }

    /// The cursor that a waiter names, or 0 for one that was never given: the database was restored since,
    /// and what will come under those numbers is not what the waiter has seen.
    async fn given(&mut self, cursor: u64) -> Result<i64, StoreError> {
        let last: i64 = sqlx::query_scalar("SELECT seq FROM last_event").fetch_one(&mut *self.inner).await?;
        Ok(i64::try_from(cursor).ok().filter(|cursor| *cursor <= last).unwrap_or(0))
    }

    async fn seen(&mut self, waiter: Token, cursor: i64) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM events WHERE waiter = $1 AND seq <= $2")
            .bind(waiter.to_string())
            .bind(cursor)
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }
}

impl Store {
    /// Waits until something happens to one of the waiter's tickets, or the time is over.
    pub(crate) async fn wait(&self, gateway: &Gateway, wait: &Wait) -> Result<WaitReply, StoreError> {
        let until = Instant::now() + self.limits.longest_poll.min(Duration::from_millis(wait.timeout_ms));
        let mut tx = self.write().await?;
        let waiter = tx.waiter(wait.waiter, gateway).await?;
        let cursor = tx.given(wait.cursor).await?;
        tx.seen(waiter, cursor).await?;
        tx.commit().await?;
        let mut bell = self.bells.listen(waiter);
        loop {
            bell.mark_unchanged();
            let (cursor, verdicts) = self.events(waiter, cursor).await?;
            if !verdicts.is_empty() {
                return Ok(WaitReply { cursor: cursor.unsigned_abs(), verdicts });
            }
            let rung = async {
                tokio::select! {
                    rung = bell.changed() => rung.is_ok(),
                    () = self.closes() => false,
                }
            };
            let again = tokio::time::timeout_at(until, rung).await.unwrap_or(false);
            if !again {
                return Ok(WaitReply { cursor: cursor.unsigned_abs(), verdicts });
            }
        }
    }

    /// What happened after `cursor`: each ticket once, as it is now.
    async fn events(&self, waiter: Token, cursor: i64) -> Result<(i64, Vec<Verdict>), StoreError> {
        let rows = sqlx::query(
            "SELECT event.seq, current.* FROM current JOIN
                 (SELECT ticket, max(seq) AS seq FROM events WHERE waiter = $1 AND seq > $2 GROUP BY ticket) AS event
                 ON event.ticket = current.id
             ORDER BY event.seq LIMIT $3",
        )
        .bind(waiter.to_string())
        .bind(cursor)
        .bind(i64::from(MOST_VERDICTS))
        .fetch_all(&self.for_gateways)
        .await?;
        let last = rows.last().map(|row| row.try_get("seq")).transpose()?;
        let verdicts = rows.iter().map(|row| Ticket::from_row(row).map(|ticket| ticket.verdict()));
        Ok((last.unwrap_or(cursor), verdicts.collect::<Result<_, _>>()?))
    }

    /// Who waits for a ticket at this moment.
    pub(crate) async fn waiting(&self, ticket: Token) -> Result<Waiting, StoreError> {
        let (held, held_until, left) = sqlx::query_as(
            "SELECT count(*) FILTER (WHERE left_at IS NULL AND held_until > now),
                    max(held_until) FILTER (WHERE left_at IS NULL AND held_until > now),
                    count(left_at)
             FROM attachments, clock WHERE ticket = $1",
        )
        .bind(ticket.to_string())
        .fetch_one(&self.reader)
        .await?;
        Ok(Waiting { held, held_until, left })
    }
}
