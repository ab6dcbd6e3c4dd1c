//! The data folder: where keys lie, and the database where no other is named.

use std::path::{Path, PathBuf};

use countersign_protocol::jws::Jwk;

use crate::files::{self, FileError};
use crate::signer::{KeyError, Signer};
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

    /// The key that verifies what the service signs; made where it is missing.
    ///
    /// # Errors
    /// When the key file cannot be read or written.
    pub fn public_key(&self) -> Result<Jwk, KeyError> {
        Ok(Signer::open(&self.key_file(), "")?.jwk().clone())
    }
}
