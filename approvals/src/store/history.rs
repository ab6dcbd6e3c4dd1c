//! What happened to a ticket, in order, refused attempts to answer among it; each entry is a record of evidence too.

use countersign_protocol::evidence::Members;
use countersign_protocol::person::Person;
use countersign_protocol::{Token, UnixMillis};
use serde::Serialize;
use sqlx::FromRow;

use super::accounts::both;
use super::{Store, StoreError, Tx};

/// How soon the same is not worth a line again, milliseconds.
const AGAIN: UnixMillis = 60 * 1000;
/// The most entries that are shown.
const MOST_ENTRIES: i64 = 1000;

/// One thing that happened.
#[derive(Debug, Clone, Default, Serialize, FromRow, utoipa::ToSchema)]
pub(crate) struct Entry {
    /// When.
    pub(crate) at: UnixMillis,
    /// What, `snake_case`.
    pub(crate) event: String,
    /// By whom, when it was a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
    /// A stable code, `snake_case`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    /// Anything else: untrusted text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
}

impl Entry {
    pub(crate) fn event(event: &str) -> Self {
        Self { event: event.into(), ..Self::default() }
    }

    pub(crate) fn by(self, person: &Person) -> Self {
        Self { issuer: Some(person.issuer.clone()), subject: Some(person.subject.clone()), ..self }
    }

    /// Who did it, when it was a person.
    pub(crate) fn person(&self) -> Option<Person> {
        both(self.issuer.clone(), self.subject.clone())
    }

    pub(crate) fn code(self, code: impl Into<String>) -> Self {
        Self { code: Some(code.into()), ..self }
    }

    pub(crate) fn detail(self, detail: Option<String>) -> Self {
        Self { detail, ..self }
    }
}

impl Tx<'_> {
    /// Adds to a ticket's history and to the evidence. What the same one tries again and again is kept once a minute.
    pub(crate) async fn record(&mut self, ticket: Token, entry: Entry) -> Result<(), StoreError> {
        let members = entry.members(ticket);
        self.record_as(ticket, entry, members).await
    }

    /// The same, where the evidence says more than the history.
    pub(super) async fn record_as(
        &mut self,
        ticket: Token,
        entry: Entry,
        members: Members,
    ) -> Result<(), StoreError> {
        if matches!(&*entry.event, "joined" | "refused" | "client_left" | "claim_refused")
            && self.just_said(ticket, &entry).await?
        {
            return Ok(());
        }
        let event = entry.event.clone();
        let seq = self.write_down(ticket, entry, members).await?;
        self.announce(ticket, &event, seq).await
    }

    /// The same, and no channel is told; its place in the history.
    pub(super) async fn write_down(
        &mut self,
        ticket: Token,
        entry: Entry,
        members: Members,
    ) -> Result<i64, StoreError> {
        self.make_record(ticket, &entry, &members).await?;
        let query = sqlx::query_scalar(
            "INSERT INTO history (ticket, at, event, issuer, subject, code, detail)
             VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING seq",
        );
        let query = query
            .bind(ticket.to_string())
            .bind(self.now)
            .bind(entry.event)
            .bind(entry.issuer)
            .bind(entry.subject)
            .bind(entry.code)
            .bind(entry.detail);
        self.visible = true;
        Ok(query.fetch_one(&mut *self.inner).await?)
    }
}

impl Tx<'_> {
    async fn just_said(&mut self, ticket: Token, entry: &Entry) -> Result<bool, StoreError> {
        let same = "SELECT count(*) FROM history WHERE ticket = $1 AND event = $2 AND at > $3
             AND coalesce(issuer, '') = $4 AND coalesce(subject, '') = $5 AND coalesce(code, '') = $6
             AND coalesce(detail, '') = $7";
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let query = sqlx::query_scalar(same).bind(ticket.to_string()).bind(entry.event.clone());
        let query = query.bind(self.now - AGAIN).bind(text(&entry.issuer)).bind(text(&entry.subject));
        let count: i64 =
            query.bind(text(&entry.code)).bind(text(&entry.detail)).fetch_one(&mut *self.inner).await?;
        Ok(count > 0)
    }
}

impl Store {
    /// A ticket's history, the latest of it where there is very much.
    pub(crate) async fn history(&self, ticket: Token) -> Result<Vec<Entry>, StoreError> {
        let query = sqlx::query_as(
            "SELECT at, event, issuer, subject, code, detail FROM
                 (SELECT * FROM history WHERE ticket = $1 ORDER BY seq DESC LIMIT $2) AS latest ORDER BY seq",
        );
        Ok(query.bind(ticket.to_string()).bind(MOST_ENTRIES).fetch_all(&self.reader).await?)
    }
}
