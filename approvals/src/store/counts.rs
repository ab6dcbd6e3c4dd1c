//! How many of what there are, over all replicas.

use countersign_protocol::approval::State;

use super::tickets::state_name;
use super::{Store, StoreError};

/// How many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counts {
    /// Requests that wait for people.
    pub(crate) pending: i64,
    /// Requests that are approved and not used up.
    pub(crate) approved: i64,
    /// Reviews that nobody has closed.
    pub(crate) reviews: i64,
}

impl Store {
    /// How many there are at this moment.
    pub(crate) async fn counts(&self) -> Result<Counts, StoreError> {
        let (pending, approved, reviews) = sqlx::query_as(
            "SELECT count(CASE WHEN state = $1 AND lapses_at > now THEN 1 END),
                    count(CASE WHEN state = $2 AND lapses_at > now THEN 1 END),
                    (SELECT count(*) FROM reviews WHERE closed_at IS NULL)
             FROM tickets CROSS JOIN clock WHERE lapses_at IS NOT NULL",
        )
        .bind(state_name(State::Pending))
        .bind(state_name(State::Approved))
        .fetch_one(&self.reader)
        .await?;
        Ok(Counts { pending, approved, reviews })
    }
}
