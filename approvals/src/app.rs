//! The service as a whole: what its parts share, and how it starts.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use countersign_protocol::jws::Jwk;

use crate::auth::Auth;
use crate::directory::Directory;
use crate::setup::{Data, SetupError};
use crate::signer::{KeyError, Signer};
use crate::store::database::Database;
use crate::store::{Store, StoreError};

/// What an operator may set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where keys, users and gateways are kept.
    pub data: Data,
    /// Where everything else is kept.
    pub database: Database,
    /// What the service calls itself in what it signs, and the issuer of its people and groups.
    pub issuer: String,
    /// Whether browsers reach it by HTTPS only; the session cookie is then marked `Secure`.
    pub https: bool,
    /// After how long without evidence a producer that did not stop counts as silent.
    pub silent_after: Duration,
}

/// A running service.
pub struct App {
    pub(crate) store: Arc<Store>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) auth: Auth,
    pub(crate) signer: Signer,
    pub(crate) https: bool,
    pub(crate) silent_after: Duration,
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct OpenError(#[from] Cause);

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl App {
    /// Opens what is kept, making or upgrading it where needed.
    ///
    /// # Errors
    /// When a file cannot be read or written, or is not what it should be.
    pub async fn open(settings: Settings) -> Result<Arc<Self>, OpenError> {
        Ok(Arc::new(Self::opened(settings).await?))
    }

    async fn opened(settings: Settings) -> Result<Self, Cause> {
        let Settings { data, database, issuer, https, silent_after } = settings;
        let signer = Signer::open(&data.key_file(), &issuer)?;
        let store = Arc::new(Store::open(database).await?);
        let users = data.users_file().to_owned();
        let directory = Arc::new(Directory::new(&issuer, users, data.gateways_file()));
        let auth = Auth::new(Arc::clone(&store), Arc::clone(&directory));
        Ok(Self { store, directory, auth, signer, https, silent_after })
    }

    /// All that the service answers to.
    pub fn router(self: &Arc<Self>) -> Router {
        crate::api::router(self)
    }

    /// The key that verifies what the service signs.
    #[must_use]
    pub fn jwk(&self) -> &Jwk {
        self.signer.jwk()
    }

    /// Tells waiters of deadlines as they pass and of what other replicas do, for as long as the service runs.
    pub async fn keep_watch(&self) {
        tokio::join!(self.store.sweep_forever(), self.store.listen_forever());
    }

    /// Closes the database once what is under way is done.
    pub async fn close(&self) {
        self.store.close().await;
    }
}
