//! The service's signing keys, and what it signs.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_protocol::grant::{GRANT_TYPE, Grant, RECEIPT_TYPE, Receipt};
use countersign_protocol::jws::{self, Jwk};
use countersign_protocol::keys::{Endorsement, KEY_TYPE, KeyDocument};
use countersign_protocol::{Hash, UnixMillis};
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};

use crate::files::{self, FileError, Watched};
use crate::random;

/// The most keys to keep: each endorses every newer one, and a gateway reads no more than 16 endorsements.
const MOST_KEYS: usize = 6;
/// How long an endorsement counts, seconds. It is made anew each time that it is asked for.
const ENDORSED_FOR: i64 = 24 * 60 * 60;

/// Signs grants and receipts in the service's name.
pub(crate) struct Signer {
    issuer: String,
    file: Watched<KeyFile>,
}

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The operating system has no randomness to make a key from.
    #[error("cannot make a key: {0}")]
    Random(#[from] getrandom::Error),
    /// What is to be signed cannot be written.
    #[error("cannot sign: {0}")]
    Json(#[from] serde_json::Error),
    /// There are as many keys as there may be.
    #[error("there are {MOST_KEYS} keys: retire one that no gateway goes by any more")]
    TooMany,
    /// There is no key of that id.
    #[error("there is no key `{0}`")]
    Unknown(String),
    /// It signs, or nothing else would.
    #[error("key `{0}` signs at this moment: it can be retired once another does")]
    Signs(String),
}

/// The keys of the service, the oldest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
struct KeyFile(Vec<Key>);

#[derive(Debug, Clone)]
struct Key {
    public: Jwk,
    secret: SigningKey,
    signs_from: UnixMillis,
}

/// The file: one key as a service makes it at first, or several.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    One(PrivateJwk),
    Several { keys: Vec<PrivateJwk> },
}

/// A private key as a JSON Web Key (RFC 8037, section 2).
#[derive(Serialize, Deserialize)]
struct PrivateJwk {
    #[serde(flatten)]
    public: Jwk,
    d: String,
    /// From when on it signs, milliseconds since the Unix epoch; gateways get to know it before.
    #[serde(default)]
    signs_from: UnixMillis,
}

/// A file that holds another kind of key, halves that do not belong together, or none.
#[derive(Debug, thiserror::Error)]
#[error("it holds no Ed25519 keys of this service")]
struct NotKeys;

impl TryFrom<Written> for KeyFile {
    type Error = NotKeys;

    fn try_from(written: Written) -> Result<Self, NotKeys> {
        let keys = match written {
            Written::One(key) => vec![key],
            Written::Several { keys } => keys,
        };
        let key = |PrivateJwk { public, d, signs_from }: PrivateJwk| {
            let secret = URL_SAFE_NO_PAD.decode(&d).ok().and_then(|d| d.try_into().ok());
            let secret = SigningKey::from_bytes(&secret.ok_or(NotKeys)?);
            let same = Jwk::of(&public.kid, &secret) == public;
            if same { Ok(Key { public, secret, signs_from }) } else { Err(NotKeys) }
        };
        let keys: Vec<Key> = keys.into_iter().map(key).collect::<Result<_, _>>()?;
        if keys.is_empty() || keys.len() > MOST_KEYS { Err(NotKeys) } else { Ok(Self(keys)) }
    }
}

impl From<KeyFile> for Written {
    fn from(KeyFile(keys): KeyFile) -> Self {
        let key = |Key { public, secret, signs_from }: Key| {
            let d = URL_SAFE_NO_PAD.encode(secret.as_bytes());
            PrivateJwk { public, d, signs_from }
        };
        Self::Several { keys: keys.into_iter().map(key).collect() }
    }
}

impl KeyFile {
    fn make(signs_from: UnixMillis) -> Result<Key, KeyError> {
        let secret = SigningKey::from_bytes(&random::bytes()?);
        // Named by its own hash, so that two services never use one name.
        let hash = Hash::of(secret.verifying_key().as_bytes()).to_string();
        let public = Jwk::of(hash.get(..16).unwrap_or(&hash), &secret);
        Ok(Key { public, secret, signs_from })
    }

    /// The key that signs at that moment: the newest whose time has come.
    fn current(&self, now: UnixMillis) -> Option<&Key> {
        let due = self.0.iter().rev().find(|key| key.signs_from <= now);
        due.or_else(|| self.0.first())
    }
}

impl Signer {
    /// The keys in the file at `path`; a new one when there is no file.
    pub(crate) fn open(path: &Path, issuer: &str) -> Result<Self, KeyError> {
        if !path.exists() {
            files::write(path, &KeyFile(vec![KeyFile::make(0)?]))?;
        }
        let file = Watched::new(path.to_owned());
        file.get()?;
        Ok(Self { issuer: issuer.into(), file })
    }

    /// What the service calls itself in what it signs.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The key that verifies what this signs at that moment.
    pub(crate) fn jwk(&self, now: UnixMillis) -> Result<Jwk, KeyError> {
        Ok(self.current(now)?.public)
    }

    /// All keys that verify what this signed or will sign, each endorsed by all that are older.
    pub(crate) fn document(&self, now: UnixMillis) -> Result<KeyDocument, KeyError> {
        let file = self.file.get()?;
        let iat = now / 1000;
        let mut endorsements = Vec::new();
        for (place, newer) in file.0.iter().enumerate() {
            for older in file.0.iter().take(place) {
                let (iss, jwk) = (self.issuer.clone(), newer.public.clone());
                let statement = Endorsement { iss, iat, exp: iat + ENDORSED_FOR, jwk };
                endorsements.push(jws::sign(KEY_TYPE, &older.public.kid, &older.secret, &statement)?);
            }
        }
        Ok(KeyDocument { keys: file.0.iter().map(|key| key.public.clone()).collect(), endorsements })
    }

    /// Signs a grant.
    pub(crate) fn grant(&self, grant: &Grant) -> Result<String, KeyError> {
        self.sign(GRANT_TYPE, grant.iat, grant)
    }

    /// Signs a receipt.
    pub(crate) fn receipt(&self, receipt: &Receipt) -> Result<String, KeyError> {
        self.sign(RECEIPT_TYPE, receipt.iat, receipt)
    }

    fn sign<T: Serialize>(&self, typ: &str, seconds: i64, statement: &T) -> Result<String, KeyError> {
        // A statement is dated in seconds: whichever moment of that one it was.
        let key = self.current(seconds.saturating_mul(1000).saturating_add(999))?;
        Ok(jws::sign(typ, &key.public.kid, &key.secret, statement)?)
    }

    fn current(&self, now: UnixMillis) -> Result<Key, KeyError> {
        let file = self.file.get()?;
        file.current(now).cloned().ok_or_else(|| KeyError::Unknown("that signs".into()))
    }
}

/// Changes to the keys in a file. A service that runs takes them up by itself.
#[derive(Debug, Clone)]
pub(crate) struct Keys(PathBuf);

impl Keys {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Makes a key that signs from that time on, milliseconds since the Unix epoch. Gateways must get to know it before.
    ///
    /// # Errors
    /// When there are too many keys, or the file cannot be read or written.
    pub(crate) fn rotate(&self, signs_from: UnixMillis) -> Result<Jwk, KeyError> {
        let KeyFile(mut keys) = files::read(&self.0)?;
        if keys.len() >= MOST_KEYS {
            return Err(KeyError::TooMany);
        }
        let key = KeyFile::make(signs_from)?;
        let public = key.public.clone();
        keys.push(key);
        files::write(&self.0, &KeyFile(keys))?;
        Ok(public)
    }

    /// Forgets a key that does not sign: what it signed is not believed any more by gateways that do not pin it, and
    /// it endorses nothing.
    ///
    /// # Errors
    /// When it signs at this moment, there is none of that id, or the file cannot be read or written.
    pub(crate) fn retire(&self, kid: &str, now: UnixMillis) -> Result<(), KeyError> {
        let file: KeyFile = files::read(&self.0)?;
        if file.current(now).is_some_and(|key| key.public.kid == kid) {
            return Err(KeyError::Signs(kid.into()));
        }
        let KeyFile(mut keys) = file;
        let before = keys.len();
        keys.retain(|key| key.public.kid != kid);
        if keys.len() == before {
            return Err(KeyError::Unknown(kid.into()));
        }
        Ok(files::write(&self.0, &KeyFile(keys))?)
    }
}
