//! What became of the uses of an approval, as far as the gateway said.

use countersign_protocol::{Token, UnixMillis};
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row as _};

use crate::store::history::Entry;
use crate::store::tickets::named;
use crate::store::{Store, StoreError, Tx};

/// How long a gateway has to say what became of a use, milliseconds.
pub(super) const REPORT_WITHIN: UnixMillis = 5 * 60 * 1000;

/// What is known of a use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Known {
    /// The gateway may still report.
    Awaited,
    /// It reported that the request went on.
    Forwarded,
    /// It did not report in time.
    Unknown,
}

/// One use of an approval.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(crate) struct Use {
    /// When the gateway claimed it.
    pub(crate) claimed_at: UnixMillis,
    pub(crate) outcome: Known,
    /// When it said what became of it.
    pub(crate) reported_at: Option<UnixMillis>,
    /// The upstream's status, when one came back.
    pub(crate) status: Option<u16>,
}

impl FromRow<'_, AnyRow> for Use {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            claimed_at: row.try_get("at")?,
            outcome: named(row, "outcome")?,
            reported_at: row.try_get("forwarded_at")?,
            status: row.try_get::<Option<i64>, _>("status")?.and_then(|status| status.try_into().ok()),
        })
    }
}

impl Store {
    /// The uses of a ticket's approvals, in order.
    pub(crate) async fn uses(&self, ticket: Token) -> Result<Vec<Use>, StoreError> {
        let query = sqlx::query_as("SELECT * FROM claims_now WHERE ticket = $1 ORDER BY at, nonce");
        Ok(query.bind(ticket.to_string()).fetch_all(&self.reader).await?)
    }
}

impl Tx<'_> {
    /// Writes down, once for each use, that nobody said in time what became of it. A later report still counts.
    pub(in crate::store) async fn lapse_uses(&mut self) -> Result<(), StoreError> {
        let unknown: Vec<String> =
            sqlx::query_scalar("UPDATE claims SET report_by = NULL WHERE report_by <= $1 RETURNING ticket")
                .bind(self.now)
                .fetch_all(&mut *self.inner)
                .await?;
        for id in unknown {
            let Ok(ticket) = id.parse() else { continue };
            self.record(ticket, Entry::event("outcome_unknown")).await?;
        }
        Ok(())
    }
}
