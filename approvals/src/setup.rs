//! The data folder: where everything lies, and what the first run makes.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use countersign_protocol::UnixMillis;
use countersign_protocol::jws::Jwk;

use crate::directory::gateways::{self, AddGatewayError};
use crate::directory::users::{self, ADMINS, AddUserError, Login, NewUser};
use crate::files::{self, FileError};
use crate::signer::{KeyError, Signer};
use crate::store::database::Database;

/// The folder that holds all that the service keeps: database, signing key, users, gateways.
#[derive(Debug, Clone)]
pub struct Data {
    folder: PathBuf,
    users: PathBuf,
}

/// Why the data folder cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// An account cannot be added.
    #[error(transparent)]
    User(#[from] AddUserError),
    /// A gateway cannot be added.
    #[error(transparent)]
    Gateway(#[from] AddGatewayError),
    /// There is no key to sign with.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Data {
    /// The data folder at `folder`, made where it is missing; the users file may lie elsewhere.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn at(folder: &Path, users: Option<&Path>) -> Result<Self, FileError> {
        files::private_folder(folder)?;
        let users = users.map_or_else(|| folder.join("users.json"), Path::to_owned);
        Ok(Self { folder: folder.to_owned(), users })
    }

    /// The accounts: `{"users": [{subject, name?, created, password, totp?, groups: [{id, since}]}]}`.
    #[must_use]
    pub fn users_file(&self) -> &Path {
        &self.users
    }

    /// The gateways: `{"gateways": [{name, audience, token_sha256}]}`.
    #[must_use]
    pub fn gateways_file(&self) -> PathBuf {
        self.folder.join("gateways.json")
    }

    /// The signing key, a private JSON Web Key.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.folder.join("signing-key.json")
    }

    /// The database where no other is named: SQLite, in the folder.
    #[must_use]
    pub fn database(&self) -> Database {
        Database::Sqlite(self.folder.join("countersign.db"))
    }

    /// Makes an administrator when there is no users file yet, and says how to log in.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn first_admin(&self) -> Result<Option<Login>, SetupError> {
        if self.users.exists() {
            return Ok(None);
        }
        let groups = vec![ADMINS.into()];
        let admin = NewUser { subject: "admin".into(), groups, ..NewUser::default() };
        self.add_user(admin).map(Some)
    }

    /// Makes a gateway for the audience `default` when there is no gateways file yet, and returns its token.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn first_gateway(&self) -> Result<Option<String>, SetupError> {
        if self.gateways_file().exists() {
            return Ok(None);
        }
        self.add_gateway("default", "default", None).map(Some)
    }

    /// Adds an account; it may approve what is asked from now on.
    ///
    /// # Errors
    /// When name, password or secret cannot be used, or the file cannot be written.
    pub fn add_user(&self, new: NewUser) -> Result<Login, SetupError> {
        Ok(users::add(&self.users, new, clock())?)
    }

    /// Adds a gateway and returns its token.
    ///
    /// # Errors
    /// When name or token cannot be used, or the file cannot be written.
    pub fn add_gateway(
        &self,
        name: &str,
        audience: &str,
        token: Option<String>,
    ) -> Result<String, SetupError> {
        Ok(gateways::add(&self.gateways_file(), name, audience, token)?)
    }

    /// The key that verifies what the service signs; made where it is missing.
    ///
    /// # Errors
    /// When the key file cannot be read or written.
    pub fn public_key(&self) -> Result<Jwk, SetupError> {
        Ok(Signer::open(&self.key_file(), "")?.jwk().clone())
    }
}

/// The clock of this machine, for what happens outside the database.
fn clock() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
