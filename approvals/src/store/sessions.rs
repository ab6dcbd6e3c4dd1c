//! Sessions, used one-time codes and failed log-ins.

use countersign_protocol::{Hash, UnixMillis};
use sqlx::FromRow;

use super::{Store, StoreError, Tx};
use crate::directory::users::Member;

/// How long a session lasts, milliseconds.
const SESSION: UnixMillis = 12 * 60 * 60 * 1000;
/// Failures in a row that cost nothing.
const FREE_FAILURES: i64 = 5;
/// The longest lock, milliseconds: long enough against guessing, short enough for the person who was locked
/// out by somebody else.
const LONGEST_LOCK: UnixMillis = 5 * 60 * 1000;

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
                 (SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER) AS now)
             WHERE id = ? AND expires_at > now",
        );
        Ok(query.bind(key(secret)).fetch_optional(&self.reader).await?)
    }

    /// Ends a session.
    pub(crate) async fn end_session(&self, secret: &str) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("DELETE FROM sessions WHERE id = ?").bind(key(secret)).execute(&mut *tx.inner).await?;
        tx.commit().await
    }

    /// Counts an attempt before it is looked at, so that many at once cannot share one look; the time until
    /// which there must be none when there were too many.
    pub(crate) async fn begin_attempt(&self, what: &str) -> Result<Result<(), UnixMillis>, StoreError> {
        let mut tx = self.write().await?;
        let known: Option<(i64, UnixMillis)> =
            sqlx::query_as("SELECT failures, locked_until FROM attempts WHERE key = ?")
                .bind(key(what))
                .fetch_optional(&mut *tx.inner)
                .await?;
        let (failures, locked_until) = known.unwrap_or((0, 0));
        if locked_until > tx.now {
            return Ok(Err(locked_until - tx.now));
        }
        let locked_until = tx.now + penalty(failures + 1);
        sqlx::query(
            "INSERT INTO attempts (key, failures, locked_until) VALUES (?, 1, ?) ON CONFLICT (key)
             DO UPDATE SET failures = failures + 1, locked_until = excluded.locked_until",
        )
        .bind(key(what))
        .bind(locked_until)
        .execute(&mut *tx.inner)
        .await?;
        tx.commit().await?;
        Ok(Ok(()))
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
             VALUES (?, ?, ?, ?, ?, ?)",
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
        sqlx::query("UPDATE sessions SET otp_at = ? WHERE id = ?")
            .bind(self.now)
            .bind(key(secret))
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Uses a one-time code up; `false` when it, or a later one, was used before.
    pub(crate) async fn use_step(&mut self, subject: &str, step: i64) -> Result<bool, StoreError> {
        let used = sqlx::query(
            "INSERT INTO totp_steps (subject, step) VALUES (?, ?) ON CONFLICT (subject)
             DO UPDATE SET step = excluded.step WHERE excluded.step > step",
        )
        .bind(subject)
        .bind(step)
        .execute(&mut *self.inner)
        .await?;
        Ok(used.rows_affected() == 1)
    }

    /// Forgets the failures before a success.
    pub(crate) async fn attempt_succeeded(&mut self, what: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM attempts WHERE key = ?").bind(key(what)).execute(&mut *self.inner).await?;
        Ok(())
    }
}

/// How a secret, or a name of any length, is kept: as its hash.
fn key(text: &str) -> String {
    Hash::of(text.as_bytes()).to_string()
}

/// How long to lock after so many failures in a row: doubling from one second.
fn penalty(failures: i64) -> UnixMillis {
    match failures - FREE_FAILURES {
        extra @ 1..=20 => LONGEST_LOCK.min(1000 << (extra - 1)),
        extra if extra > 20 => LONGEST_LOCK,
        _ => 0,
    }
}
