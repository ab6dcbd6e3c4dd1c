//! The service as a whole: what its parts share, and how it starts.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use countersign_protocol::jws::Jwk;
use url::Url;

use crate::admin::AdminError;
use crate::auth::Auth;
use crate::channels::{Channels, Deliveries};
use crate::inbox::live::Listeners;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::oidc::{BadProvider, OidcSettings, Provider};
use crate::people::BadName;
use crate::setup::Data;
use crate::signer::{KeyError, Signer};
use crate::store::database::Database;
use crate::store::{Store, StoreError};
use crate::webauthn::RelyingParty;

/// What an operator may set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where keys are kept.
    pub data: Data,
    /// Where everything else is kept.
    pub database: Database,
    /// What the service calls itself in what it signs, and the issuer of its people and groups.
    pub issuer: String,
    /// The address that browsers reach it at.
    pub url: Url,
    /// How people log in.
    pub login: LoginSettings,
    /// After how long without evidence a producer that did not stop counts as silent.
    pub silent_after: Duration,
    /// How much is asked of people at most.
    pub limits: Limits,
    /// Where people are told of requests.
    pub channels: Channels,
}

/// How people log in.
#[derive(Debug, Clone, Default)]
pub struct LoginSettings {
    /// Whether no password is taken.
    pub no_passwords: bool,
    /// The provider that they log in at.
    pub oidc: Option<OidcSettings>,
}

/// A running service.
pub struct App {
    pub(crate) store: Arc<Store>,
    pub(crate) auth: Auth,
    pub(crate) signer: Signer,
    pub(crate) metrics: Metrics,
    /// Where its own pages come from.
    pub(crate) origin: String,
    /// Where people log in who have no password here.
    pub(crate) provider: Option<Provider>,
    pub(crate) silent_after: Duration,
    pub(crate) deliveries: Deliveries,
    pub(crate) listeners: Listeners,
}

/// Why the service cannot start, or cannot do what was asked.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct OpenError(Cause);

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Name(BadName),
    #[error(transparent)]
    Provider(#[from] BadProvider),
}

impl From<KeyError> for OpenError {
    fn from(error: KeyError) -> Self {
        Self(error.into())
    }
}

impl From<BadProvider> for OpenError {
    fn from(error: BadProvider) -> Self {
        Self(error.into())
    }
}

impl From<AdminError> for OpenError {
    fn from(error: AdminError) -> Self {
        Self(error.into())
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        AdminError::from(error).into()
    }
}

impl From<BadName> for OpenError {
    fn from(error: BadName) -> Self {
        Self(Cause::Name(error))
    }
}

impl From<getrandom::Error> for OpenError {
    fn from(error: getrandom::Error) -> Self {
        StoreError::from(error).into()
    }
}

impl App {
    /// Opens what is kept, making or upgrading it where needed, to serve it.
    ///
    /// # Errors
    /// When a file cannot be read or written, or is not what it should be.
    pub async fn open(settings: Settings) -> Result<Arc<Self>, OpenError> {
        Self::opened(settings, Store::serve).await
    }

    /// Opens what is kept to change accounts and gateways, beside services that may run: what happens to requests
    /// meanwhile is theirs to write down and to tell.
    ///
    /// # Errors
    /// When a file cannot be read or written, or is not what it should be.
    pub async fn manage(settings: Settings) -> Result<Arc<Self>, OpenError> {
        Self::opened(settings, |store| std::future::ready(Ok(store))).await
    }

    async fn opened<F: Future<Output = Result<Store, StoreError>>>(
        settings: Settings,
        begin: impl FnOnce(Store) -> F,
    ) -> Result<Arc<Self>, OpenError> {
        let Settings { data, database, issuer, url, login, silent_after, limits, channels } = settings;
        let provider = login
            .oidc
            .map(|oidc| Provider::new(oidc, &url, &issuer))
            .transpose()
            .map_err(|error| OpenError(error.into()))?;
        let signer = Signer::open(&data.key_file(), &issuer)?;
        let store = Store::open(database, &issuer, limits, channels.routes.clone()).await?;
        let store = Arc::new(begin(store).await?);
        let site = RelyingParty::at(&url);
        let origin = site.origin.clone();
        let auth = Auth::new(Arc::clone(&store), site, !login.no_passwords);
        let metrics = Metrics::new();
        let deliveries = Deliveries::new(channels);
        let listeners = Listeners::default();
        Ok(Arc::new(Self {
            store,
            auth,
            signer,
            metrics,
            origin,
            provider,
            silent_after,
            deliveries,
            listeners,
        }))
    }

    /// All that the service answers to.
    pub fn router(self: &Arc<Self>) -> Router {
        crate::api::router(self)
    }

    /// The key that verifies what the service signs at this moment.
    ///
    /// # Errors
    /// When the database or the key file cannot be read.
    pub async fn jwk(&self) -> Result<Jwk, OpenError> {
        Ok(self.signer.jwk(self.store.now().await?)?)
    }

    /// Tells waiters of deadlines as they pass and of what other replicas do, for as long as the service runs, and
    /// channels of what happens.
    pub async fn keep_watch(self: &Arc<Self>) {
        tokio::join!(self.store.sweep_forever(), self.store.listen_forever(), Deliveries::run(self));
    }

    /// Returns when what channels are told at this moment is delivered, after it was made ready to end.
    pub async fn finish(&self) {
        self.deliveries.finish().await;
    }

    /// Makes ready to end: says so to who asks whether it is ready, and ends all long polls and live pages, so that
    /// they go to another replica.
    pub fn hand_over(&self) {
        self.store.hand_over();
    }

    /// Closes the database once what is under way is done.
    pub async fn close(&self) {
        self.store.close().await;
    }
}
