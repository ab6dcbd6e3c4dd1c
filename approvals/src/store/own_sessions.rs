//! A person's own sessions, as they see and end them.

use countersign_protocol::UnixMillis;
use countersign_protocol::person::Person;
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row as _};

use super::sessions::hashed;
use super::{Store, StoreError, Tx};
use crate::people::Member;

/// A session as its owner sees it.
#[derive(Debug, Clone)]
pub(crate) struct OwnSession {
    /// The hash of its secret.
    pub(crate) id: String,
    /// How it began (RFC 8176, or `oidc`).
    pub(crate) method: String,
    pub(crate) created: UnixMillis,
    pub(crate) seen: UnixMillis,
}

impl FromRow<'_, AnyRow> for OwnSession {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            method: row.try_get("method")?,
            created: row.try_get("created_at")?,
            seen: row.try_get("seen_at")?,
        })
    }
}

impl OwnSession {
    /// Whether it is the one with that secret.
    pub(crate) fn is(&self, secret: &str) -> bool {
        self.id == hashed(secret)
    }
}

impl Store {
    /// The sessions of a person that go on, the last used on top.
    pub(crate) async fn sessions_of(&self, member: &Member) -> Result<Vec<OwnSession>, StoreError> {
        let query = sqlx::query_as(
            "SELECT sessions.* FROM sessions, clock
             WHERE issuer = $1 AND subject = $2 AND credentials = $3 AND expires_at > now AND seen_at > now - $4
             ORDER BY seen_at DESC, id",
        );
        let query = query.bind(&member.person.issuer).bind(&member.person.subject);
        let query = query.bind(member.credentials().to_string()).bind(super::sessions::IDLE);
        Ok(query.fetch_all(&self.reader).await?)
    }
}

impl Tx<'_> {
    /// Ends a session of that person's.
    pub(crate) async fn end_session_of(&mut self, person: &Person, id: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sessions WHERE id = $1 AND issuer = $2 AND subject = $3")
            .bind(id)
            .bind(&person.issuer)
            .bind(&person.subject)
            .execute(&mut *self.inner)
            .await?;
        self.sessions_ended();
        Ok(())
    }

    /// Lets a session go on whose account has other credentials now; all others of the account end.
    pub(crate) async fn go_on(&mut self, secret: &str, member: &Member) -> Result<(), StoreError> {
        sqlx::query("UPDATE sessions SET credentials = $1, otp_at = $2 WHERE id = $3")
            .bind(member.credentials().to_string())
            .bind(self.now)
            .bind(hashed(secret))
            .execute(&mut *self.inner)
            .await?;
        self.sessions_ended();
        Ok(())
    }

    /// Notes that a passkey was proven in a session, to change the account.
    pub(crate) async fn confirmed(&mut self, secret: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE sessions SET passkey_at = $1 WHERE id = $2")
            .bind(self.now)
            .bind(hashed(secret))
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }
}
