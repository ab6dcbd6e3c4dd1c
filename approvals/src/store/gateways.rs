//! Gateways: which credential speaks for which audience.

use countersign_protocol::{Hash, UnixMillis};
use serde::Serialize;
use sqlx::FromRow;

use super::{Store, StoreError, Tx};

/// One gateway.
#[derive(Debug, Serialize, FromRow, utoipa::ToSchema)]
pub(crate) struct Gateway {
    /// What it is called here.
    pub(crate) name: String,
    /// Whose tickets it sees; gateways that serve the same APIs share one.
    pub(crate) audience: String,
    /// The name in its certificate, where it has one.
    pub(crate) certificate: Option<String>,
    /// Since when it is known.
    pub(crate) created_at: UnixMillis,
}

/// How a gateway proves who it is.
pub(crate) enum Credential<'a> {
    /// By a token of 256 random bits, so a plain hash is enough to keep.
    Token(&'a str),
    /// By a certificate with this name, a URI or DNS name (RFC 5280, section 4.2.1.6), by an authority that the
    /// service trusts for gateways.
    Certificate(&'a str),
}

impl Store {
    /// The gateway that has this credential. A token is looked up by its hash, so the time that it takes tells
    /// nothing of the token.
    pub(crate) async fn gateway(&self, credential: &Credential<'_>) -> Result<Option<Gateway>, StoreError> {
        let query = match credential {
            Credential::Token(token) => sqlx::query_as("SELECT * FROM gateways WHERE token_sha256 = $1")
                .bind(Hash::of(token.as_bytes()).to_string()),
            Credential::Certificate(name) => {
                sqlx::query_as("SELECT * FROM gateways WHERE certificate = $1").bind((*name).to_owned())
            }
        };
        Ok(query.fetch_optional(&self.for_gateways).await?)
    }

    /// All gateways, in order.
    pub(crate) async fn gateways(&self) -> Result<Vec<Gateway>, StoreError> {
        Ok(sqlx::query_as("SELECT * FROM gateways ORDER BY name").fetch_all(&self.reader).await?)
    }
}

impl Tx<'_> {
    /// Whether there is any gateway at all.
    pub(crate) async fn has_gateways(&mut self) -> Result<bool, StoreError> {
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM gateways").fetch_one(&mut *self.inner).await?;
        Ok(count > 0)
    }

    /// Adds a gateway; `false` when its name or credential is taken.
    pub(crate) async fn add_gateway(
        &mut self,
        name: &str,
        audience: &str,
        credential: &Credential<'_>,
    ) -> Result<bool, StoreError> {
        let (token, certificate) = match credential {
            Credential::Token(token) => (Some(Hash::of(token.as_bytes()).to_string()), None),
            Credential::Certificate(name) => (None, Some(*name)),
        };
        let added = sqlx::query(
            "INSERT INTO gateways (name, audience, token_sha256, certificate, created_at)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        )
        .bind(name)
        .bind(audience)
        .bind(token)
        .bind(certificate)
        .bind(self.now)
        .execute(&mut *self.inner)
        .await?;
        Ok(added.rows_affected() == 1)
    }

    /// Removes a gateway: its credential counts no more.
    pub(crate) async fn remove_gateway(&mut self, name: &str) -> Result<bool, StoreError> {
        let removed =
            sqlx::query("DELETE FROM gateways WHERE name = $1").bind(name).execute(&mut *self.inner).await?;
        Ok(removed.rows_affected() == 1)
    }
}
