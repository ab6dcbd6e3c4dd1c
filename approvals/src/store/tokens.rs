//! API tokens: what a program answers with in somebody's name, within scopes and for a time.

use std::collections::BTreeSet;

use countersign_protocol::person::Person;
use countersign_protocol::{Token, UnixMillis};
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row as _};
use utoipa::ToSchema;

use super::sessions::hashed;
use super::tickets::{json, parsed};
use super::{Store, StoreError, Tx};
use crate::random;

/// How exactly the last use of a token is known, milliseconds: not each use may write.
const USED_EVERY: UnixMillis = 60 * 1000;
/// For how long a provider's word that somebody is there is good for their tokens and links, milliseconds: whoever is taken away
/// there does not log in any more.
pub(super) const VOUCHED_FOR: UnixMillis = 30 * 24 * 60 * 60 * 1000;
/// What every token begins with, so that people and scanners know one when they see it.
const PREFIX: &str = "countersign_";

/// What a token may be used for; it never lets anybody do what its owner may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scope {
    /// See requests.
    Read,
    /// Answer requests; as no second factor goes with a token, not those that need one.
    Answer,
    /// Read evidence and what was changed, see accounts and gateways.
    Audit,
    /// Manage accounts, groups and gateways.
    Admin,
}

/// A token as it is listed; nothing keeps the token itself.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ApiToken {
    pub(crate) id: Token,
    /// What it is for.
    pub(crate) name: String,
    pub(crate) scopes: BTreeSet<Scope>,
    pub(crate) created_at: UnixMillis,
    pub(crate) expires_at: UnixMillis,
    /// When it was last used, to the minute.
    pub(crate) used_at: Option<UnixMillis>,
    #[serde(skip)]
    pub(crate) person: Person,
    #[serde(skip)]
    now: UnixMillis,
}

impl FromRow<'_, AnyRow> for ApiToken {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: parsed(row, "id")?,
            name: row.try_get("name")?,
            scopes: json(row, "scopes")?,
            created_at: row.try_get("created_at")?,
            expires_at: row.try_get("expires_at")?,
            used_at: row.try_get("used_at")?,
            person: Person { issuer: row.try_get("issuer")?, subject: row.try_get("subject")? },
            now: row.try_get("now")?,
        })
    }
}

impl ApiToken {
    /// Whether its time is over.
    pub(crate) fn is_over(&self) -> bool {
        self.expires_at <= self.now
    }
}

/// Whether a secret can be a token at all.
pub(crate) fn is_token(secret: &str) -> bool {
    secret.starts_with(PREFIX)
}

impl Store {
    /// The token with that secret, unless it is over.
    pub(crate) async fn token(&self, secret: &str) -> Result<Option<ApiToken>, StoreError> {
        let query = sqlx::query_as(
            "SELECT api_tokens.*, now FROM api_tokens CROSS JOIN clock JOIN accounts
                 ON accounts.issuer = api_tokens.issuer AND accounts.subject = api_tokens.subject
             WHERE hash = $1 AND expires_at > now AND (password IS NOT NULL OR login_at > now - $2)",
        );
        let query = query.bind(hashed(secret)).bind(VOUCHED_FOR);
        let token: Option<ApiToken> = query.fetch_optional(&self.reader).await?;
        let stale = |token: &&ApiToken| token.used_at.is_none_or(|at| token.now - at > USED_EVERY);
        if let Some(token) = token.as_ref().filter(stale) {
            let mut tx = self.write().await?;
            sqlx::query("UPDATE api_tokens SET used_at = $1 WHERE id = $2")
                .bind(token.now)
                .bind(token.id.to_string())
                .execute(&mut *tx.inner)
                .await?;
            tx.commit().await?;
        }
        Ok(token)
    }

    /// Somebody's tokens, the latest on top.
    pub(crate) async fn tokens_of(&self, person: &Person) -> Result<Vec<ApiToken>, StoreError> {
        let query = sqlx::query_as(
            "SELECT api_tokens.*, now FROM api_tokens, clock WHERE issuer = $1 AND subject = $2
             ORDER BY created_at DESC, id",
        );
        Ok(query.bind(&person.issuer).bind(&person.subject).fetch_all(&self.reader).await?)
    }
}

impl Tx<'_> {
    /// Makes a token; returns its secret, which is not kept, and what is.
    pub(crate) async fn make_token(
        &mut self,
        person: &Person,
        name: &str,
        scopes: BTreeSet<Scope>,
        lasts: UnixMillis,
    ) -> Result<(String, ApiToken), StoreError> {
        let secret = format!("{PREFIX}{}", random::secret()?);
        let token = ApiToken {
            id: random::token()?,
            name: name.into(),
            scopes,
            created_at: self.now,
            expires_at: self.now.saturating_add(lasts),
            used_at: None,
            person: person.clone(),
            now: self.now,
        };
        sqlx::query(
            "INSERT INTO api_tokens (id, hash, issuer, subject, name, scopes, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(token.id.to_string())
        .bind(hashed(&secret))
        .bind(&person.issuer)
        .bind(&person.subject)
        .bind(name)
        .bind(serde_json::to_string(&token.scopes)?)
        .bind(token.created_at)
        .bind(token.expires_at)
        .execute(&mut *self.inner)
        .await?;
        Ok((secret, token))
    }

    /// Ends all of somebody's tokens.
    pub(crate) async fn end_tokens(&mut self, person: &Person) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM api_tokens WHERE issuer = $1 AND subject = $2")
            .bind(&person.issuer)
            .bind(&person.subject)
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Ends one of somebody's tokens.
    pub(crate) async fn end_token(&mut self, person: &Person, id: Token) -> Result<bool, StoreError> {
        let ended = sqlx::query("DELETE FROM api_tokens WHERE id = $1 AND issuer = $2 AND subject = $3")
            .bind(id.to_string())
            .bind(&person.issuer)
            .bind(&person.subject)
            .execute(&mut *self.inner)
            .await?;
        self.sessions_ended();
        Ok(ended.rows_affected() == 1)
    }
}
