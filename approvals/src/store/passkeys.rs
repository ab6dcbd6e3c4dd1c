//! Passkeys as they are kept.

use countersign_protocol::UnixMillis;
use countersign_protocol::person::Person;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, FromRow, Row as _};

use super::tickets::json;
use super::{Store, StoreError, Tx};
use crate::people::{Factor, Member};
use crate::webauthn::Key;

/// The most passkeys of one person.
pub(crate) const MOST_PASSKEYS: usize = 10;

/// A passkey.
#[derive(Debug, Clone)]
pub(crate) struct Passkey {
    /// The id of the credential, base64url.
    pub(crate) id: String,
    /// What its owner calls it.
    pub(crate) name: String,
    pub(crate) key: Key,
    pub(crate) created: UnixMillis,
    pub(crate) used: Option<UnixMillis>,
}

impl FromRow<'_, AnyRow> for Passkey {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            key: json(row, "credential")?,
            created: row.try_get("created_at")?,
            used: row.try_get("used_at")?,
        })
    }
}

async fn of(db: &mut AnyConnection, person: &Person) -> Result<Vec<Passkey>, StoreError> {
    let query =
        sqlx::query_as("SELECT * FROM passkeys WHERE issuer = $1 AND subject = $2 ORDER BY created_at, id");
    Ok(query.bind(&person.issuer).bind(&person.subject).fetch_all(db).await?)
}

impl Store {
    /// Somebody's passkeys, the oldest on top.
    pub(crate) async fn passkeys(&self, person: &Person) -> Result<Vec<Passkey>, StoreError> {
        of(&mut *self.reader.acquire().await?, person).await
    }
}

impl Tx<'_> {
    /// Somebody's passkeys, the oldest on top.
    pub(crate) async fn passkeys(&mut self, person: &Person) -> Result<Vec<Passkey>, StoreError> {
        of(&mut self.inner, person).await
    }

    /// Adds a passkey; `false` when somebody has it already.
    pub(crate) async fn add_passkey(
        &mut self,
        person: &Person,
        name: &str,
        id: &str,
        key: &Key,
        counter: u32,
    ) -> Result<bool, StoreError> {
        let added = sqlx::query(
            "INSERT INTO passkeys (id, issuer, subject, name, credential, counter, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        )
        .bind(id)
        .bind(&person.issuer)
        .bind(&person.subject)
        .bind(name)
        .bind(serde_json::to_string(key)?)
        .bind(i64::from(counter))
        .bind(self.now)
        .execute(&mut *self.inner)
        .await?;
        Ok(added.rows_affected() == 1)
    }

    /// Removes a passkey of somebody's; `false` when they have none of that id.
    pub(crate) async fn remove_passkey(&mut self, person: &Person, id: &str) -> Result<bool, StoreError> {
        let removed = sqlx::query("DELETE FROM passkeys WHERE id = $1 AND issuer = $2 AND subject = $3")
            .bind(id)
            .bind(&person.issuer)
            .bind(&person.subject)
            .execute(&mut *self.inner)
            .await?;
        Ok(removed.rows_affected() == 1)
    }

    /// Removes all passkeys of somebody's.
    pub(crate) async fn remove_passkeys(&mut self, person: &Person) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM passkeys WHERE issuer = $1 AND subject = $2")
            .bind(&person.issuer)
            .bind(&person.subject)
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Notes a use of a passkey. `false` when its count did not grow: then there are two of it (WebAuthn Level 3,
    /// section 6.1.1), or it was removed.
    pub(crate) async fn use_passkey(&mut self, id: &str, counter: u32) -> Result<bool, StoreError> {
        let used = sqlx::query(
            "UPDATE passkeys SET counter = $1, used_at = $2
             WHERE id = $3 AND (counter < $1 OR (counter = 0 AND $1 = 0))",
        )
        .bind(i64::from(counter))
        .bind(self.now)
        .bind(id)
        .execute(&mut *self.inner)
        .await?;
        Ok(used.rows_affected() == 1)
    }

    /// Gives somebody who has none one-time codes. `secret` is of the session that goes on; all others end.
    pub(crate) async fn set_codes(
        &mut self,
        member: &Member,
        base32: &str,
        secret: &str,
    ) -> Result<bool, StoreError> {
        let set = sqlx::query(
            "UPDATE accounts SET totp = $1, totp_since = $2
             WHERE issuer = $3 AND subject = $4 AND totp IS NULL",
        )
        .bind(base32)
        .bind(self.now)
        .bind(&member.person.issuer)
        .bind(&member.person.subject)
        .execute(&mut *self.inner)
        .await?;
        let mut member = member.clone();
        member.totp = Some(Factor { secret: base32.into(), since: self.now });
        self.go_on(secret, &member).await?;
        Ok(set.rows_affected() == 1)
    }
}
