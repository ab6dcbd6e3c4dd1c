//! What a browser was sent away with and has to come back with: kept until it does, once, or too late.

use countersign_protocol::UnixMillis;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::sessions::hashed;
use super::{Store, StoreError, Tx};

/// The most of one kind at a time: above, the oldest go. Strangers can begin to log in.
const MOST: i64 = 10_000;
/// The most of one kind of one session: a person begins one after the other.
const MOST_OF_SESSION: i64 = 8;

/// What a ceremony is for; one of another kind is not it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Log in at the provider.
    LogIn,
    /// Answer a request with a passkey.
    Answer,
    /// Prove a passkey before the account is changed.
    Confirm,
    /// Add a passkey.
    Enrol,
    /// Set up one-time codes.
    Codes,
    /// Link who somebody is in a chat.
    Link,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::LogIn => "log_in",
            Self::Answer => "answer",
            Self::Confirm => "confirm",
            Self::Enrol => "enrol",
            Self::Codes => "codes",
            Self::Link => "link",
        }
    }

    /// For how long it may be ended, milliseconds.
    fn lasts(self) -> UnixMillis {
        let minutes = if matches!(self, Self::LogIn | Self::Codes | Self::Link) { 10 } else { 5 };
        minutes * 60 * 1000
    }
}

impl Store {
    /// What was kept of a ceremony that can still be ended.
    pub(crate) async fn ceremony<T: DeserializeOwned>(
        &self,
        purpose: Purpose,
        secret: &str,
    ) -> Result<Option<T>, StoreError> {
        let query = sqlx::query_scalar(
            "SELECT state FROM ceremonies CROSS JOIN clock WHERE id = $1 AND kind = $2 AND expires_at > now",
        );
        let query = query.bind(hashed(secret)).bind(purpose.name());
        let state: Option<String> = query.fetch_optional(&self.reader).await?;
        Ok(state.map(|state| serde_json::from_str(&state)).transpose()?)
    }
}

impl Tx<'_> {
    /// Begins a ceremony that whoever has `secret` can end; `session` is the id of the session that it belongs to, if it
    /// belongs to one.
    pub(crate) async fn begin_ceremony(
        &mut self,
        purpose: Purpose,
        secret: &str,
        session: Option<&str>,
        state: &impl Serialize,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM ceremonies WHERE expires_at <= $1")
            .bind(self.now)
            .execute(&mut *self.inner)
            .await?;
        self.make_room(purpose).await?;
        sqlx::query(
            "INSERT INTO ceremonies (id, kind, state, expires_at, session) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(hashed(secret))
        .bind(purpose.name())
        .bind(serde_json::to_string(state)?)
        .bind(self.now + purpose.lasts())
        .bind(session)
        .execute(&mut *self.inner)
        .await?;
        self.keep_few_of(purpose, session).await
    }

    /// Ends a ceremony, and returns what was kept of it; `None` when there is none, it is of another kind, was
    /// ended before or is too old.
    pub(crate) async fn end_ceremony<T: DeserializeOwned>(
        &mut self,
        purpose: Purpose,
        secret: &str,
    ) -> Result<Option<T>, StoreError> {
        let query = sqlx::query_scalar(
            "DELETE FROM ceremonies WHERE id = $1 AND kind = $2 AND expires_at > $3 RETURNING state",
        );
        let query = query.bind(hashed(secret)).bind(purpose.name()).bind(self.now);
        let state: Option<String> = query.fetch_optional(&mut *self.inner).await?;
        Ok(state.map(|state| serde_json::from_str(&state)).transpose()?)
    }

    /// Ends the oldest of a session's that are too many.
    async fn keep_few_of(&mut self, purpose: Purpose, session: Option<&str>) -> Result<(), StoreError> {
        let Some(session) = session else { return Ok(()) };
        sqlx::query(
            "DELETE FROM ceremonies WHERE session = $1 AND kind = $2 AND id NOT IN
                 (SELECT id FROM ceremonies WHERE session = $1 AND kind = $2 ORDER BY expires_at DESC LIMIT $3)",
        )
        .bind(session)
        .bind(purpose.name())
        .bind(MOST_OF_SESSION)
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    async fn make_room(&mut self, purpose: Purpose) -> Result<(), StoreError> {
        let query = sqlx::query_scalar("SELECT count(*) FROM ceremonies WHERE kind = $1");
        let count: i64 = query.bind(purpose.name()).fetch_one(&mut *self.inner).await?;
        if count < MOST {
            return Ok(());
        }
        sqlx::query(
            "DELETE FROM ceremonies WHERE id IN
                 (SELECT id FROM ceremonies WHERE kind = $1 ORDER BY expires_at LIMIT $2)",
        )
        .bind(purpose.name())
        .bind(MOST / 10)
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}
