//! Sessions and used one-time codes.

use countersign_protocol::{Hash, UnixMillis};
use sqlx::FromRow;

use super::{Store, StoreError, Tx};
use crate::directory::users::Member;

/// How long a session lasts, milliseconds.
const SESSION: UnixMillis = 12 * 60 * 60 * 1000;
/// A session as it is kept.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct SessionRow {
    pub(crate) subject: String,
    /// The account's [`Member::credentials`] when the session began.
    pub(crate) credentials: String,
    pub(crate) created_at: UnixMillis,
    pub(crate) expires_at: UnixMillis,
    /// When the second factor was last proven.
    pub(crate) otp_at: Option<UnixMillis>,
    /// The database's clock when this was read.
    pub(crate) now: UnixMillis,
}

impl Store {
    /// The session with that secret, unless it is over.
    pub(crate) async fn session(&self, secret: &str) -> Result<Option<SessionRow>, StoreError> {
        let query = sqlx::query_as(
            "SELECT subject, credentials, created_at, expires_at, otp_at, now FROM sessions,
                 clock WHERE id = $1 AND expires_at > now",
        );
        Ok(query.bind(key(secret)).fetch_optional(&self.reader).await?)
    }

    /// Ends a session.
    pub(crate) async fn end_session(&self, secret: &str) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("DELETE FROM sessions WHERE id = $1").bind(key(secret)).execute(&mut *tx.inner).await?;
        tx.commit().await
    }
}

impl Tx<'_> {
    /// Starts a session with that secret.
    pub(crate) async fn start_session(
        &mut self,
        secret: &str,
        member: &Member,
        otp: bool,
    ) -> Result<UnixMillis, StoreError> {
        let expires_at = self.now + SESSION;
        sqlx::query(
            "INSERT INTO sessions (id, subject, credentials, created_at, expires_at, otp_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(key(secret))
        .bind(&member.user.subject)
        .bind(member.credentials().to_string())
        .bind(self.now)
        .bind(expires_at)
        .bind(otp.then_some(self.now))
        .execute(&mut *self.inner)
        .await?;
        Ok(expires_at)
    }

    /// Notes that the second factor was proven in a session.
    pub(crate) async fn step_up(&mut self, secret: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE sessions SET otp_at = $1 WHERE id = $2")
            .bind(self.now)
            .bind(key(secret))
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Uses a one-time code up; `false` when it, or a later one, was used before.
    pub(crate) async fn use_step(&mut self, subject: &str, step: i64) -> Result<bool, StoreError> {
        let used = sqlx::query(
            "INSERT INTO totp_steps (subject, step) VALUES ($1, $2) ON CONFLICT (subject)
             DO UPDATE SET step = excluded.step WHERE excluded.step > totp_steps.step",
        )
        .bind(subject)
        .bind(step)
        .execute(&mut *self.inner)
        .await?;
        Ok(used.rows_affected() == 1)
    }
}

/// How a secret is kept: as its hash.
fn key(secret: &str) -> String {
    Hash::of(secret.as_bytes()).to_string()
}
