//! Sessions and used one-time codes.

use countersign_protocol::person::Person;
use countersign_protocol::{Hash, UnixMillis};
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row as _};

use super::accounts::key;
use super::{Store, StoreError, Tx};
use crate::people::Member;

/// How long a session lasts at most, milliseconds.
const LONGEST: UnixMillis = 12 * 60 * 60 * 1000;
/// How long a session lasts that nobody uses, milliseconds.
pub(super) const IDLE: UnixMillis = 60 * 60 * 1000;
/// How exactly the last use of a session is known, milliseconds: not each use may write.
const SEEN_EVERY: UnixMillis = 60 * 1000;

/// Who uses a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// Somebody who is there.
    Person,
    /// An open page by itself: it does not keep a session alive.
    Page,
}

/// A session as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct SessionRow {
    pub(crate) person: Person,
    /// How they logged in (RFC 8176).
    pub(crate) method: String,
    /// The account's [`Member::credentials`] when the session began.
    pub(crate) credentials: String,
    pub(crate) created_at: UnixMillis,
    pub(crate) seen_at: UnixMillis,
    pub(crate) expires_at: UnixMillis,
    /// When a one-time code was last proven.
    pub(crate) otp_at: Option<UnixMillis>,
    /// When a passkey was last proven to change the account.
    pub(crate) passkey_at: Option<UnixMillis>,
    /// The database's clock when this was read.
    pub(crate) now: UnixMillis,
}

impl FromRow<'_, AnyRow> for SessionRow {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            person: Person { issuer: row.try_get("issuer")?, subject: row.try_get("subject")? },
            method: row.try_get("method")?,
            credentials: row.try_get("credentials")?,
            created_at: row.try_get("created_at")?,
            seen_at: row.try_get("seen_at")?,
            expires_at: row.try_get("expires_at")?,
            otp_at: row.try_get("otp_at")?,
            passkey_at: row.try_get("passkey_at")?,
            now: row.try_get("now")?,
        })
    }
}

impl Store {
    /// The session with that secret, unless it is over or was left alone for too long.
    pub(crate) async fn session(&self, secret: &str, by: By) -> Result<Option<SessionRow>, StoreError> {
        let query = sqlx::query_as(
            "SELECT sessions.*, now FROM sessions, clock WHERE id = $1 AND expires_at > now AND seen_at > now - $2",
        );
        let session: Option<SessionRow> =
            query.bind(hashed(secret)).bind(IDLE).fetch_optional(&self.reader).await?;
        let stale = |session: &&SessionRow| by == By::Person && session.now - session.seen_at > SEEN_EVERY;
        if let Some(session) = session.as_ref().filter(stale) {
            let mut tx = self.write().await?;
            sqlx::query("UPDATE sessions SET seen_at = $1 WHERE id = $2 AND seen_at < $1")
                .bind(session.now)
                .bind(hashed(secret))
                .execute(&mut *tx.inner)
                .await?;
            tx.commit().await?;
        }
        Ok(session)
    }

    /// Ends a session.
    pub(crate) async fn end_session(&self, secret: &str) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("DELETE FROM sessions WHERE id = $1")
            .bind(hashed(secret))
            .execute(&mut *tx.inner)
            .await?;
        tx.sessions_ended();
        tx.commit().await
    }
}

impl Tx<'_> {
    /// Starts a session with that secret.
    pub(crate) async fn start_session(
        &mut self,
        secret: &str,
        member: &Member,
        method: &str,
        otp: bool,
    ) -> Result<UnixMillis, StoreError> {
        let expires_at = self.now + LONGEST;
        sqlx::query(
            "INSERT INTO sessions (id, issuer, subject, method, credentials, created_at, seen_at, expires_at,
                 otp_at) VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8)",
        )
        .bind(hashed(secret))
        .bind(&member.person.issuer)
        .bind(&member.person.subject)
        .bind(method)
        .bind(member.credentials().to_string())
        .bind(self.now)
        .bind(expires_at)
        .bind(otp.then_some(self.now))
        .execute(&mut *self.inner)
        .await?;
        Ok(expires_at)
    }

    /// Has live pages, at all replicas, see whether they still have a session.
    pub(super) fn sessions_ended(&mut self) {
        self.visible = true;
    }

    /// Notes that the second factor was proven in a session.
    pub(crate) async fn step_up(&mut self, secret: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE sessions SET otp_at = $1 WHERE id = $2")
            .bind(self.now)
            .bind(hashed(secret))
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Uses a one-time code up; `false` when it, or a later one, was used before.
    pub(crate) async fn use_step(&mut self, person: &Person, step: i64) -> Result<bool, StoreError> {
        let used = sqlx::query(
            "INSERT INTO totp_steps (subject, step) VALUES ($1, $2) ON CONFLICT (subject)
             DO UPDATE SET step = excluded.step WHERE excluded.step > totp_steps.step",
        )
        .bind(key(person))
        .bind(step)
        .execute(&mut *self.inner)
        .await?;
        Ok(used.rows_affected() == 1)
    }
}

/// How a secret is kept: as its hash.
pub(super) fn hashed(secret: &str) -> String {
    Hash::of(secret.as_bytes()).to_string()
}
