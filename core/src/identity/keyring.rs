//! The keys of one issuer as they are at this moment: those of the bundle, until newer ones were fetched.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_protocol::UnixMillis;
use sha2::{Digest as _, Sha256};

use super::claims::bad;
use super::jwk::{KeySet, NoKey};
use super::jwt::Token;
use crate::denial::{Denial, Reason};
use crate::keys::{KeyName, KeySource, Refresh};

/// Most signatures that are remembered as good. A caller sends one token many times, and looking at its signature
/// again takes longer than all the rest of a ruling.
const REMEMBERED: usize = 1024;

/// The keys of one source.
#[derive(Debug)]
pub struct Keyring {
    source: String,
    refresh: Option<Refresh>,
    held: Mutex<Held>,
    /// How often its keys became others.
    changes: AtomicU64,
}

#[derive(Debug, Default)]
struct Held {
    keys: Option<Arc<KeySet>>,
    /// Whether they were fetched, and are not those of the bundle.
    fetched: bool,
    /// Whether a token named a key that is not among them.
    wanted: bool,
    good: Remembered,
}

/// Signatures that were found good, the oldest forgotten first. What one depends on is its name here, so neither
/// time nor other keys make it wrong.
#[derive(Debug, Default)]
struct Remembered {
    names: BTreeSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl Keyring {
    pub(super) fn new(source: String, keys: Option<KeySet>, refresh: Option<Refresh>) -> Self {
        let held = Held { keys: keys.map(Arc::new), ..Held::default() };
        Self { source, refresh, held: Mutex::new(held), changes: AtomicU64::new(0) }
    }

    /// Takes over what another keyring of the same issuer fetched from the same place.
    pub fn inherit(&self, other: &Self) {
        if self.source == other.source && self.refresh.is_some() && self.refresh == other.refresh {
            let (keys, fetched) = {
                let other = other.held();
                (other.keys.clone(), other.fetched)
            };
            // Those of a bundle end with it.
            if fetched {
                let mut held = self.held();
                (held.keys, held.fetched) = (keys, true);
            }
        }
    }

    /// Whether the token is signed by one of the keys; gives that key's thumbprint.
    pub(super) fn verify(&self, token: &Token<'_>) -> Result<String, Denial> {
        let Some(keys) = self.held().keys.clone() else {
            return Err(Denial::new(Reason::KeysUnavailable, "they were not fetched yet: try again soon"));
        };
        let kid = token.kid.as_deref();
        let key = keys.choose(kid, token.algorithm).map_err(|why| self.no_key(why, kid))?;
        let name = name(&key.thumbprint, token);
        if self.held().good.names.contains(&name) {
            return Ok(key.thumbprint.clone());
        }
        if !key.verifies(token.algorithm, token.signed.as_bytes(), &token.signature) {
            return Err(bad("the token's signature does not hold"));
        }
        self.held().good.add(name);
        Ok(key.thumbprint.clone())
    }

    fn no_key(&self, why: NoKey, kid: Option<&str>) -> Denial {
        let fetches = self.refresh.is_some();
        let (unknown, kid) = (why == NoKey::Unknown, kid.unwrap_or_default());
        self.held().wanted |= unknown && fetches;
        bad(match why {
            NoKey::Unknown if fetches => {
                format!("no key has the token's `kid` `{kid}`: the keys are fetched anew")
            }
            NoKey::Unknown => format!("no key has the token's `kid` `{kid}`"),
            NoKey::Unfit if kid.is_empty() => "no key is for the token's `alg`".to_owned(),
            NoKey::Unfit => "the token's `alg` is not for the key that it names".to_owned(),
            NoKey::Several => "several keys fit the token: it must name one by its `kid`".to_owned(),
        })
    }

    /// A lock that broke guards nothing that is half done.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeySource for Keyring {
    fn source(&self) -> &str {
        &self.source
    }

    fn refresh(&self) -> Option<&Refresh> {
        self.refresh.as_ref()
    }

    fn names(&self) -> Vec<KeyName> {
        let keys = self.held().keys.clone();
        let name = |key: &super::jwk::Key| KeyName {
            kid: key.kid.clone(),
            thumbprint: key.thumbprint.clone(),
            exp: None,
        };
        keys.iter().flat_map(|keys| keys.keys.iter().map(name)).collect()
    }

    /// The document is a JWK Set.
    fn renew(&self, document: &[u8], _: UnixMillis) -> Result<(bool, usize), String> {
        let keys = KeySet::parse(document)?;
        let (before, faults) = (self.names(), keys.faults.len());
        let mut held = self.held();
        held.keys = Some(Arc::new(keys));
        held.fetched = true;
        drop(held);
        let changed = before != self.names();
        self.changes.fetch_add(u64::from(changed), Ordering::Relaxed);
        Ok((changed, faults))
    }

    fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    fn take_wanted(&self) -> bool {
        std::mem::take(&mut self.held().wanted)
    }
}

/// What a good signature depends on: the key, and all bytes of the token.
fn name(thumbprint: &str, token: &Token<'_>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in [thumbprint.as_bytes(), token.signed.as_bytes(), &token.signature] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

impl Remembered {
    fn add(&mut self, name: [u8; 32]) {
        if self.names.insert(name) {
            self.order.push_back(name);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.names.remove(&oldest);
        }
    }
}
