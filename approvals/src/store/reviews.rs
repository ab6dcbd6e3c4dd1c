//! Broken glass: requests that somebody let through alone stay on a list until somebody else has looked at them.

use countersign_protocol::person::Person;
use countersign_protocol::{Token, UnixMillis};
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row as _};

use super::accounts::both;
use super::answers::opens;
use super::history::Entry;
use super::readers::may_see;
use super::tickets::{Ticket, find, parsed};
use super::{Store, StoreError, Tx};
use crate::people::{Member, Role};
use crate::reason::Reason;

/// The most reviews to list: glass is broken rarely, or something else is wrong.
const MOST_OPEN: i64 = 1000;

/// What has to be looked at.
#[derive(Debug, Clone)]
pub(crate) struct Review {
    pub(crate) ticket: Token,
    /// Who broke the glass.
    pub(crate) opener: Person,
    pub(crate) opened_at: UnixMillis,
    /// Who looked at it, and when.
    pub(crate) closed: Option<(Person, UnixMillis)>,
    /// What they found: untrusted text.
    pub(crate) note: Option<String>,
}

impl FromRow<'_, AnyRow> for Review {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        let by = both(row.try_get("by_issuer")?, row.try_get("by_subject")?);
        Ok(Self {
            ticket: parsed(row, "ticket")?,
            opener: Person { issuer: row.try_get("issuer")?, subject: row.try_get("subject")? },
            opened_at: row.try_get("opened_at")?,
            closed: by.zip(row.try_get("closed_at")?),
            note: row.try_get("note")?,
        })
    }
}

/// Whether somebody may close the review of a ticket: an approver of its gates or an administrator, and neither who
/// broke the glass nor who takes part in the request.
pub(crate) fn may_close(ticket: &Ticket, review: &Review, member: &Member) -> bool {
    let involved = ticket.question.involved.iter().any(|one| one.names.contains(&member.person));
    let answers_for_it =
        ticket.question.gates.iter().any(|gate| opens(gate, member)) || member.has(&[Role::Admin]);
    answers_for_it && !involved && member.person != review.opener
}

/// Why a review cannot be closed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotClosed {
    #[error("there is nothing to review")]
    Nothing,
    #[error(
        "somebody else has to look at it: you broke the glass, take part in the request, or do not approve such"
    )]
    NotYours,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// The review of a ticket, if its glass was broken.
    pub(crate) async fn review(&self, ticket: Token) -> Result<Option<Review>, StoreError> {
        let query = sqlx::query_as("SELECT * FROM reviews WHERE ticket = $1").bind(ticket.to_string());
        Ok(query.fetch_optional(&self.reader).await?)
    }

    /// The reviews that nobody has closed, of requests that somebody may see, the oldest on top.
    pub(crate) async fn reviews_for(&self, member: &Member) -> Result<Vec<(Review, Ticket)>, StoreError> {
        let query =
            sqlx::query_as("SELECT * FROM reviews WHERE closed_at IS NULL ORDER BY opened_at LIMIT $1");
        let open: Vec<Review> = query.bind(MOST_OPEN).fetch_all(&self.reader).await?;
        let ids: Vec<_> = open.iter().map(|review| review.ticket).collect();
        let mut tickets = self.outlines(&ids).await?;
        let with_ticket = |review: Review| tickets.remove(&review.ticket).map(|ticket| (review, ticket));
        let mut open: Vec<_> = open.into_iter().filter_map(with_ticket).collect();
        open.retain(|(_, ticket)| may_see(ticket, member));
        Ok(open)
    }

    /// Closes a review.
    pub(crate) async fn close_review(
        &self,
        id: Token,
        member: &Member,
        note: &Reason,
    ) -> Result<(), NotClosed> {
        let mut tx = self.write().await?;
        let query = sqlx::query_as("SELECT * FROM reviews WHERE ticket = $1 AND closed_at IS NULL");
        let review: Option<Review> =
            query.bind(id.to_string()).fetch_optional(&mut *tx.inner).await.map_err(StoreError::from)?;
        let ticket = find(&mut tx.inner, id).await?;
        let (review, ticket) = review.zip(ticket).ok_or(NotClosed::Nothing)?;
        if !may_close(&ticket, &review, member) || tx.broke_glass(id, &member.person).await? {
            let entry = Entry::event("refused").by(&member.person).code("not_reviewer");
            tx.record(id, entry.detail(Some("review".into()))).await?;
            tx.commit().await?;
            return Err(NotClosed::NotYours);
        }
        tx.close_review(id, member, note.as_str()).await?;
        Ok(tx.commit().await?)
    }
}

impl Tx<'_> {
    /// Puts a ticket on the list. The first who broke its glass stays the one.
    pub(super) async fn open_review(&mut self, ticket: &Ticket, opener: &Person) -> Result<(), StoreError> {
        let Person { issuer, subject } = opener;
        tracing::warn!(ticket = %ticket.id, %issuer, %subject, "glass was broken: somebody else has to review it");
        sqlx::query(
            "INSERT INTO reviews (ticket, issuer, subject, opened_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (ticket) DO UPDATE SET closed_at = NULL, by_issuer = NULL, by_subject = NULL, note = NULL",
        )
        .bind(ticket.id.to_string())
        .bind(issuer)
        .bind(subject)
        .bind(self.now)
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Whether somebody broke the glass of a ticket, first or not.
    async fn broke_glass(&mut self, ticket: Token, person: &Person) -> Result<bool, StoreError> {
        let query = sqlx::query_scalar(
            "SELECT count(*) FROM answers WHERE ticket = $1 AND issuer = $2 AND subject = $3 AND break_glass = 1",
        );
        let query = query.bind(ticket.to_string()).bind(&person.issuer).bind(&person.subject);
        let count: i64 = query.fetch_one(&mut *self.inner).await?;
        Ok(count > 0)
    }

    async fn close_review(&mut self, id: Token, member: &Member, note: &str) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE reviews SET closed_at = $1, by_issuer = $2, by_subject = $3, note = $4 WHERE ticket = $5",
        )
        .bind(self.now)
        .bind(&member.person.issuer)
        .bind(&member.person.subject)
        .bind(note)
        .bind(id.to_string())
        .execute(&mut *self.inner)
        .await?;
        self.record(id, Entry::event("reviewed").by(&member.person).detail(Some(note.into()))).await
    }
}
