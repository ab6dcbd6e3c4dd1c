//! Writes down which deadlines have passed, tells who waits, and forgets what nobody can need any more.
//!
//! Nothing depends on when this runs: reads and transitions look at the deadlines themselves.

use std::time::Duration;

use countersign_protocol::UnixMillis;
use countersign_protocol::approval::State;

use super::history::Entry;
use super::tickets::state_named;
use super::{Store, StoreError, Tx};

/// After how long without a sign of life a waiter is forgotten, milliseconds.
const WAITER_IDLE: UnixMillis = 24 * 60 * 60 * 1000;
/// The longest sleep between two looks at the clock.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// How soon to try again what the database did not do: deadlines pass while it is away.
const RETRY: Duration = Duration::from_secs(1);
/// How often to forget.
const FORGET_EVERY: Duration = Duration::from_secs(60 * 60);

/// What passes next: of tickets, of uses, of answers that others are told to give; and the clock.
type Deadlines = (Option<UnixMillis>, Option<UnixMillis>, Option<UnixMillis>, UnixMillis);

impl Tx<'_> {
    /// Turns what has lapsed into what it is.
    pub(super) async fn lapse(&mut self) -> Result<(), StoreError> {
        self.lapse_tickets().await?;
        self.lapse_uses().await?;
        self.escalate().await
    }

    async fn lapse_tickets(&mut self) -> Result<(), StoreError> {
        let lapsed: Vec<(String, String)> = sqlx::query_as(
            "UPDATE tickets SET settled_at = lapses_at, state = CASE
                 WHEN state = 'pending' AND cancel_at < answer_by THEN 'cancelled' ELSE 'expired' END
             WHERE lapses_at <= $1 RETURNING id, state",
        )
        .bind(self.now)
        .fetch_all(&mut *self.inner)
        .await?;
        for (id, state) in lapsed {
            let Ok(ticket) = id.parse() else { continue };
            let event = if state_named(&state) == State::Cancelled { "cancelled" } else { "expired" };
            self.record(ticket, Entry::event(event)).await?;
            self.tell(ticket).await?;
        }
        Ok(())
    }

    async fn forget(&mut self) -> Result<(), StoreError> {
        let idle = self.now - WAITER_IDLE;
        sqlx::query("DELETE FROM waiters WHERE seen_at < $1").bind(idle).execute(&mut *self.inner).await?;
        // Nobody repeats an ask for so long; what came of it is in the history.
        sqlx::query("DELETE FROM asks WHERE held_until < $1 AND at < $1")
            .bind(idle)
            .execute(&mut *self.inner)
            .await?;
        sqlx::query("DELETE FROM sessions WHERE expires_at < $1")
            .bind(self.now)
            .execute(&mut *self.inner)
            .await?;
        sqlx::query("DELETE FROM browsers WHERE used_at < $1")
            .bind(self.now - super::browsers::LASTS)
            .execute(&mut *self.inner)
            .await?;
        self.forget_messages().await?;
        sqlx::query("DELETE FROM attempts WHERE locked_until < $1")
            .bind(self.now - super::attempts::REMEMBERED)
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }
}

impl Store {
    /// Sweeps as each deadline passes, for as long as the service runs.
    pub(crate) async fn sweep_forever(&self) {
        let mut changes = self.changes();
        let mut hour = tokio::time::interval(FORGET_EVERY);
        loop {
            let sleep = self.sweep().await.unwrap_or_else(|error| {
                tracing::error!(%error, "cannot sweep");
                RETRY
            });
            changes.mark_unchanged();
            tokio::select! {
                () = tokio::time::sleep(sleep) => {}
                _ = changes.changed() => {}
                _ = hour.tick() => {
                    if let Err(error) = self.forget().await {
                        tracing::error!(%error, "cannot forget");
                    }
                }
            }
        }
    }

    /// Writes where there is something to write, and says how long there will be nothing.
    async fn sweep(&self) -> Result<Duration, StoreError> {
        let (tickets, uses, answers, now): Deadlines = sqlx::query_as(
            "SELECT (SELECT min(lapses_at) FROM tickets WHERE lapses_at IS NOT NULL),
                    (SELECT min(report_by) FROM claims WHERE report_by IS NOT NULL),
                    (SELECT min(at) FROM (SELECT min(escalate_at) AS at FROM reach WHERE escalate_at IS NOT NULL
                         UNION ALL SELECT min(notice_at) FROM reach WHERE notice_at IS NOT NULL) AS due WHERE $1 > 0),
                    (SELECT now FROM clock)",
        )
        .bind(i64::from(!self.routes.is_empty()))
        .fetch_one(&self.reader)
        .await?;
        let left = tickets.into_iter().chain(uses).chain(answers).min().map_or(i64::MAX, |at| at - now);
        if left > 0 {
            return Ok(LONGEST_SLEEP.min(Duration::from_millis(left.unsigned_abs())));
        }
        self.write().await?.commit().await?;
        Ok(Duration::ZERO)
    }

    async fn forget(&self) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        tx.forget().await?;
        tx.commit().await
    }
}
