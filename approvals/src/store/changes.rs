//! What was changed about the service itself: accounts, groups, gateways, tokens.

use countersign_protocol::UnixMillis;
use countersign_protocol::person::Person;
use serde::Serialize;
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row as _};

use super::accounts::both;
use super::tickets::json;
use super::{Store, StoreError, Tx};

/// One change.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Change {
    /// When.
    pub(crate) at: UnixMillis,
    /// What, `snake_case`.
    pub(crate) event: String,
    /// Who did it; nobody where the command line did.
    pub(crate) by: Option<Person>,
    /// To whom or what.
    pub(crate) detail: Value,
}

impl FromRow<'_, AnyRow> for Change {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        let by = both(row.try_get("issuer")?, row.try_get("subject")?);
        Ok(Self { at: row.try_get("at")?, event: row.try_get("event")?, by, detail: json(row, "detail")? })
    }
}

impl Store {
    /// The latest changes, the last on top.
    pub(crate) async fn changes_made(&self, limit: u32) -> Result<Vec<Change>, StoreError> {
        let query = sqlx::query_as("SELECT * FROM changes ORDER BY seq DESC LIMIT $1");
        Ok(query.bind(i64::from(limit)).fetch_all(&self.reader).await?)
    }
}

impl Tx<'_> {
    /// Writes a change down, with the change itself.
    pub(crate) async fn note(
        &mut self,
        event: &'static str,
        by: Option<&Person>,
        detail: Value,
    ) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO changes (at, event, issuer, subject, detail) VALUES ($1, $2, $3, $4, $5)")
            .bind(self.now)
            .bind(event)
            .bind(by.map(|person| person.issuer.clone()))
            .bind(by.map(|person| person.subject.clone()))
            .bind(detail.to_string())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }
}
