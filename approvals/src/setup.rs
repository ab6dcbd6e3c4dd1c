//! The data folder: where keys lie, and the database where no other is named.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_protocol::UnixMillis;
use countersign_protocol::jws::Jwk;

use crate::files::{self, FileError};
use crate::signer::{KeyError, Keys, Signer};
use crate::store::database::Database;

/// The folder that holds what the service keeps in files.
#[derive(Debug, Clone)]
pub struct Data {
    folder: PathBuf,
}

impl Data {
    /// The data folder at `folder`, made where it is missing.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn at(folder: &Path) -> Result<Self, FileError> {
        files::private_folder(folder)?;
        Ok(Self { folder: folder.to_owned() })
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

    /// The key that verifies what the service signs at this moment; made where it is missing.
    ///
    /// # Errors
    /// When the key file cannot be read or written.
    pub fn public_key(&self) -> Result<Jwk, KeyError> {
        Signer::open(&self.key_file(), "")?.jwk(clock())
    }

    /// Makes a key that signs once `after` is over.
    ///
    /// # Errors
    /// When there are too many keys, or the key file cannot be read or written.
    pub fn rotate_key(&self, after: Duration) -> Result<Jwk, KeyError> {
        Signer::open(&self.key_file(), "")?;
        let after = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
        Keys::at(self.key_file()).rotate(clock().saturating_add(after))
    }

    /// Forgets a key that does not sign.
    ///
    /// # Errors
    /// When it signs at this moment, there is none of that id, or the key file cannot be read or written.
    pub fn retire_key(&self, kid: &str) -> Result<(), KeyError> {
        Keys::at(self.key_file()).retire(kid, clock())
    }
}

/// The clock of this machine, for what happens outside the database.
pub(crate) fn clock() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
