//! The gateways file: which token speaks for which audience.

use std::path::Path;
use std::sync::Arc;

use countersign_protocol::Hash;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::files::{self, FileError};
use crate::random;

/// The file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gateways {
    gateways: Vec<Arc<Gateway>>,
}

/// One gateway.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gateway {
    /// What it is called here.
    pub(crate) name: String,
    /// Whose tickets it sees; gateways that serve the same APIs share one.
    pub(crate) audience: String,
    /// SHA-256 of its token. The token has 256 random bits, so a plain hash is enough.
    token_sha256: Hash,
}

/// Why a gateway cannot be added.
#[derive(Debug, thiserror::Error)]
pub enum AddGatewayError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The operating system has no randomness to make a token from.
    #[error("cannot make a token: {0}")]
    Random(#[from] getrandom::Error),
    /// The name is taken.
    #[error("there is a gateway `{0}` already")]
    Taken(String),
    /// The token could be guessed.
    #[error("a token has at least 32 characters")]
    ShortToken,
}

impl Gateways {
    pub(crate) fn find(&self, token: &str) -> Option<Arc<Gateway>> {
        let hash = Hash::of(token.as_bytes());
        let same = |gateway: &&Arc<Gateway>| bool::from(gateway.token_sha256.0.ct_eq(&hash.0));
        self.gateways.iter().find(same).map(Arc::clone)
    }
}

/// Adds a gateway to the file at `path` and returns its token.
pub(crate) fn add(
    path: &Path,
    name: &str,
    audience: &str,
    token: Option<String>,
) -> Result<String, AddGatewayError> {
    let mut file = if path.exists() { files::read(path)? } else { Gateways::default() };
    if file.gateways.iter().any(|gateway| gateway.name == name) {
        return Err(AddGatewayError::Taken(name.into()));
    }
    let token = token.map_or_else(random::secret, Ok)?;
    if token.len() < 32 {
        return Err(AddGatewayError::ShortToken);
    }
    let token_sha256 = Hash::of(token.as_bytes());
    file.gateways.push(Arc::new(Gateway { name: name.into(), audience: audience.into(), token_sha256 }));
    files::write(path, &file)?;
    Ok(token)
}
