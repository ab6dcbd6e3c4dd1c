//! Whether anybody was told of a request: who is asked next when nobody answers, and what is said when no channel
//! reaches anybody.

use std::collections::BTreeSet;

use countersign_protocol::Token;

use crate::store::history::Entry;
use crate::store::tickets::Ticket;
use crate::store::{Store, StoreError, Tx, values};

/// After how many tries of all messages about a request nobody counts as reached.
const TRIES: i64 = 3;
/// By when a channel has to have taken a message about a request, milliseconds: a hung one fails no try.
const SOON: i64 = 15 * 1000;
/// What the history says of a request that nobody was told of.
const UNREACHED: &str = "unreached";

impl Tx<'_> {
    /// Writes down by when a new request is to have an answer; `routed` says whether a channel is there for it.
    pub(super) async fn begin_reach(&mut self, ticket: &Ticket, routed: bool) -> Result<(), StoreError> {
        let escalation = self.store.routes.escalation(&ticket.question);
        let at = escalation.map(|escalation| ticket.asked_at.saturating_add(escalation.after));
        sqlx::query(
            "INSERT INTO reach (ticket, escalate_at, notice_at) VALUES ($1, $2, $3) ON CONFLICT (ticket) DO NOTHING",
        )
        .bind(ticket.id.to_string())
        .bind(at)
        .bind(self.now + SOON)
        .execute(&mut *self.inner)
        .await?;
        if routed { Ok(()) } else { self.unreached(ticket.id, "no_channel").await }
    }

    /// Writes down that nobody was told, once; then others are told at once.
    async fn unreached(&mut self, ticket: Token, code: &'static str) -> Result<(), StoreError> {
        let noticed = sqlx::query(
            "UPDATE reach SET noticed_at = $1,
                 escalate_at = CASE WHEN escalate_at > $1 THEN $1 ELSE escalate_at END
             WHERE ticket = $2 AND noticed_at IS NULL AND reached_at IS NULL",
        );
        let noticed = noticed.bind(self.now).bind(ticket.to_string()).execute(&mut *self.inner).await?;
        if noticed.rows_affected() == 1 {
            tracing::warn!(%ticket, code, "no channel reached anybody about a request");
            let entry = Entry::event(UNREACHED).code(code);
            let members = entry.members(ticket);
            self.write_down(ticket, entry, members).await?;
        }
        Ok(())
    }

    /// Sees whether anybody can still be reached soon about a request that waits.
    pub(super) async fn notice(&mut self, ticket: Token) -> Result<(), StoreError> {
        let query = sqlx::query_scalar(
            "SELECT count(*) FROM tickets WHERE id = $1 AND state = 'pending' AND NOT EXISTS
                 (SELECT 1 FROM outbox WHERE ticket = $1 AND (state = 'sent' OR (state = 'queued' AND attempts < $2)))",
        );
        let quiet: i64 = query.bind(ticket.to_string()).bind(TRIES).fetch_one(&mut *self.inner).await?;
        if quiet > 0 { self.unreached(ticket, "failed").await } else { Ok(()) }
    }

    /// A channel has taken a message about it.
    pub(super) async fn reached(&mut self, ticket: Token) -> Result<(), StoreError> {
        let first: Option<Option<i64>> = sqlx::query_scalar(
            "UPDATE reach SET reached_at = $1, notice_at = NULL WHERE ticket = $2 AND reached_at IS NULL RETURNING noticed_at",
        )
        .bind(self.now)
        .bind(ticket.to_string())
        .fetch_optional(&mut *self.inner)
        .await?;
        if let Some(Some(_)) = first {
            let entry = Entry::event("reached");
            let members = entry.members(ticket);
            self.write_down(ticket, entry, members).await?;
        }
        Ok(())
    }

    /// Notices what nobody was told of in time, whatever the channels are doing.
    async fn notice_late(&mut self) -> Result<(), StoreError> {
        let late: Vec<String> =
            sqlx::query_scalar("UPDATE reach SET notice_at = NULL WHERE notice_at <= $1 RETURNING ticket")
                .bind(self.now)
                .fetch_all(&mut *self.inner)
                .await?;
        for id in late {
            let query =
                sqlx::query_scalar("SELECT count(*) FROM tickets WHERE id = $1 AND state = 'pending'");
            let waits: i64 = query.bind(&id).fetch_one(&mut *self.inner).await?;
            if let (1.., Ok(ticket)) = (waits, id.parse()) {
                self.unreached(ticket, "late").await?;
            }
        }
        Ok(())
    }

    /// Has others told of what has had no answer for long.
    pub(in crate::store) async fn escalate(&mut self) -> Result<(), StoreError> {
        if self.store.routes.is_empty() {
            return Ok(());
        }
        self.notice_late().await?;
        let due: Vec<String> = sqlx::query_scalar(
            "UPDATE reach SET escalate_at = NULL WHERE escalate_at <= $1 RETURNING ticket",
        )
        .bind(self.now)
        .fetch_all(&mut *self.inner)
        .await?;
        for id in due {
            let query =
                sqlx::query_scalar("SELECT count(*) FROM tickets WHERE id = $1 AND state = 'pending'");
            let waits: i64 = query.bind(&id).fetch_one(&mut *self.inner).await?;
            if let (1.., Ok(ticket)) = (waits, id.parse()) {
                self.record(ticket, Entry::event("escalated")).await?;
            }
        }
        Ok(())
    }
}

impl Store {
    /// Those of these open requests that no channel reached anybody about.
    pub(crate) async fn unreached(&self, tickets: &[Token]) -> Result<BTreeSet<Token>, StoreError> {
        if tickets.is_empty() {
            return Ok(BTreeSet::new());
        }
        let sql = format!(
            "SELECT ticket FROM reach JOIN tickets ON tickets.id = reach.ticket
             WHERE state = 'pending' AND noticed_at IS NOT NULL AND reached_at IS NULL AND ticket IN (VALUES {})",
            values(tickets.len(), 1)
        );
        let mut query = sqlx::query_scalar(sqlx::AssertSqlSafe(sql));
        for ticket in tickets {
            query = query.bind(ticket.to_string());
        }
        let found: Vec<String> = query.fetch_all(&self.reader).await?;
        Ok(found.iter().filter_map(|id| id.parse().ok()).collect())
    }
}
