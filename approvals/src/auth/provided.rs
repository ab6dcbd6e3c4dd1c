//! Logging in at the provider: away and back in the same browser, once.

use serde_json::json;
use url::Url;

use super::{Auth, LoginError};
use crate::oidc::{Away, OidcError, Provider};
use crate::random;
use crate::store::StoreError;
use crate::store::ceremonies::Purpose;

/// How somebody logged in whom the provider knows. What the provider asked of them it may say; no second factor of
/// its own counts here.
const PROVIDED: &str = "oidc";

/// Why somebody is not logged in at the provider.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProvidedError {
    #[error("no provider is set up here")]
    None,
    #[error("this log-in was not begun in this browser, is over, or is older than ten minutes: log in again")]
    NotBegun,
    #[error("your account was removed here: an administrator can admit you again")]
    Removed,
    #[error(transparent)]
    Provider(#[from] OidcError),
    #[error(transparent)]
    Login(#[from] LoginError),
}

impl From<StoreError> for ProvidedError {
    fn from(error: StoreError) -> Self {
        Self::Login(error.into())
    }
}

/// A browser on its way to the provider.
pub(crate) struct SentOff {
    pub(crate) to: Url,
    /// What it has to bring back, and to hold until then.
    pub(crate) state: String,
}

impl Auth {
    /// Sends a browser to the provider.
    pub(crate) async fn send_off(&self, provider: &Provider, next: String) -> Result<SentOff, ProvidedError> {
        let state = random::secret().map_err(StoreError::from)?;
        let (to, away) = provider.send_off(&state, next).await?;
        let _turn = self.leaving.enter().await?;
        let mut tx = self.store.write().await?;
        tx.begin_ceremony(Purpose::LogIn, &state, None, &away).await?;
        tx.commit().await?;
        Ok(SentOff { to, state })
    }

    /// What was kept of a browser that comes back with `state`; nobody can come back with it again.
    pub(crate) async fn come_back(&self, state: &str) -> Result<Away, ProvidedError> {
        // A state that somebody made up costs no turn to write.
        if self.store.ceremony::<Away>(Purpose::LogIn, state).await?.is_none() {
            return Err(ProvidedError::NotBegun);
        }
        let mut tx = self.store.write().await?;
        let away = tx.end_ceremony(Purpose::LogIn, state).await?;
        tx.commit().await?;
        away.ok_or(ProvidedError::NotBegun)
    }

    /// Logs in whoever came back with that code; returns the secret of the new session.
    pub(crate) async fn admit(
        &self,
        provider: &Provider,
        code: String,
        away: Away,
    ) -> Result<String, ProvidedError> {
        let visitor = provider.receive(code, away).await?;
        let secret = random::secret().map_err(StoreError::from)?;
        let mut tx = self.store.write().await?;
        let (member, differences) = tx.receive(&visitor).await?.ok_or(ProvidedError::Removed)?;
        for (event, groups) in [("group_joined", differences.joined), ("group_left", differences.left)] {
            for group in groups {
                let detail = json!({ "person": visitor.person, "group": group.id, "of": group.issuer });
                tx.note(event, Some(&visitor.person), detail).await?;
            }
        }
        tx.start_session(&secret, &member, PROVIDED, false).await?;
        tx.commit().await?;
        Ok(secret)
    }
}
