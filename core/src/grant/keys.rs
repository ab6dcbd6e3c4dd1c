//! The approval service's keys: those that the configuration pins, and those that a pinned one endorsed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_protocol::UnixMillis;
use countersign_protocol::jws::{self, Jwk, JwsError, KeyError, KeySet};
use countersign_protocol::keys::{Endorsement, KEY_TYPE, LONGEST_KID, MOST_ENDORSEMENTS};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::LEEWAY;
use crate::keys::{KeyName, KeySource, Refresh};

/// Whose signatures count.
#[derive(Debug)]
pub struct ServiceKeys {
    issuer: String,
    source: String,
    pinned: KeySet,
    names: Vec<KeyName>,
    refresh: Option<Refresh>,
    held: Mutex<Held>,
    /// How often its keys became others.
    changes: AtomicU64,
}

#[derive(Debug, Default)]
struct Held {
    /// Of the last document, also those that count for nothing: other pins may make something of them.
    endorsements: Vec<String>,
    endorsed: Vec<Endorsed>,
    /// Whether a statement named a key that is not here.
    wanted: bool,
}

/// A key that a pinned one vouches for.
#[derive(Debug)]
struct Endorsed {
    jwk: Jwk,
    /// The key alone.
    set: KeySet,
    /// When it stops to count, seconds.
    exp: i64,
}

/// What of the service's document counts. Its `keys` are not read: that a server names them proves nothing, and
/// they may be of kinds that are not known here (RFC 7517 section 5).
#[derive(Deserialize)]
struct Document {
    #[serde(rename = "keys")]
    _keys: Vec<IgnoredAny>,
    #[serde(default)]
    endorsements: Vec<String>,
}

/// What became of a document's endorsements.
struct Read {
    endorsed: Vec<Endorsed>,
    faults: usize,
}

impl ServiceKeys {
    /// `pinned` are the keys of the service that calls itself `issuer`.
    ///
    /// # Errors
    /// A pinned key that cannot be used.
    pub fn new(issuer: String, pinned: &[Jwk], refresh: Option<Refresh>) -> Result<Self, KeyError> {
        let names = pinned.iter().map(|jwk| name(jwk, None)).collect();
        let (source, pinned) = (format!("approval:{issuer}"), KeySet::new(pinned)?);
        let (held, changes) = (Mutex::default(), AtomicU64::new(0));
        Ok(Self { issuer, source, pinned, names, refresh, held, changes })
    }

    /// The service's name.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Reads a statement of type `typ` that one of the keys signed which count at this moment.
    ///
    /// # Errors
    /// See [`JwsError`].
    pub(super) fn verify<T: DeserializeOwned>(
        &self,
        token: &str,
        typ: &str,
        now: UnixMillis,
    ) -> Result<T, JwsError> {
        let pinned = jws::verify(token, typ, &self.pinned);
        if !matches!(pinned, Err(JwsError::UnknownKey)) {
            return pinned;
        }
        let mut held = self.held();
        let in_time = held.endorsed.iter().filter(|key| key.exp > now.div_euclid(1000));
        let read = in_time.map(|key| jws::verify(token, typ, &key.set));
        let read = read.into_iter().find(|read| !matches!(read, Err(JwsError::UnknownKey)));
        held.wanted |= read.is_none() && self.refresh.is_some();
        read.unwrap_or(Err(JwsError::UnknownKey))
    }

    /// Whether a key of that id counts at this moment; when none does, it is asked for.
    pub(crate) fn has(&self, kid: &str, now: UnixMillis) -> bool {
        let mut held = self.held();
        let in_time = |key: &Endorsed| key.jwk.kid == kid && key.exp > now.div_euclid(1000);
        let has = self.pinned.has(kid) || held.endorsed.iter().any(in_time);
        held.wanted |= !has && self.refresh.is_some();
        has
    }

    /// Takes over the endorsements that another configuration fetched, as far as the pins of this one make them count.
    pub(crate) fn inherit(&self, other: &Self, now: UnixMillis) {
        if self.refresh.is_some() {
            let endorsements = other.held().endorsements.clone();
            let Read { endorsed, .. } = self.read(&endorsements, now);
            let mut held = self.held();
            (held.endorsements, held.endorsed) = (endorsements, endorsed);
        }
    }

    fn read(&self, endorsements: &[String], now: UnixMillis) -> Read {
        let mut read = Read { endorsed: Vec::new(), faults: 0 };
        for token in endorsements {
            match self.endorsed(token, now) {
                Ok(Some(key)) => read.add(key),
                Ok(None) => {}
                Err(()) => read.faults += 1,
            }
        }
        read
    }

    /// The key that an endorsement vouches for; nothing when that is for others to see, or known already.
    fn endorsed(&self, token: &str, now: UnixMillis) -> Result<Option<Endorsed>, ()> {
        // Only a pinned key endorses: whoever steals a later one cannot go on from there.
        let Endorsement { iss, iat, exp, jwk } = match jws::verify(token, KEY_TYPE, &self.pinned) {
            Err(JwsError::UnknownKey) => return Ok(None),
            read => read.map_err(drop)?,
        };
        let seconds = now.div_euclid(1000);
        let in_time = iat <= seconds.saturating_add(LEEWAY) && exp > seconds;
        if iss != self.issuer || !in_time || jwk.kid.len() > LONGEST_KID {
            return Err(());
        }
        if self.pinned.has(&jwk.kid) {
            // It counts as long as it is pinned. Another one of its name never could.
            return if self.names.contains(&name(&jwk, None)) { Ok(None) } else { Err(()) };
        }
        let set = KeySet::new(std::slice::from_ref(&jwk)).map_err(drop)?;
        Ok(Some(Endorsed { jwk, set, exp }))
    }

    /// A lock that broke guards nothing that is half done.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read {
    /// Several pinned keys may endorse one: it counts as long as the last of them says.
    fn add(&mut self, key: Endorsed) {
        match self.endorsed.iter_mut().find(|known| known.jwk.kid == key.jwk.kid) {
            None => self.endorsed.push(key),
            Some(known) if known.jwk == key.jwk => known.exp = known.exp.max(key.exp),
            Some(_) => self.faults += 1,
        }
    }
}

impl KeySource for ServiceKeys {
    fn source(&self) -> &str {
        &self.source
    }

    fn refresh(&self) -> Option<&Refresh> {
        self.refresh.as_ref()
    }

    fn names(&self) -> Vec<KeyName> {
        let held = self.held();
        let endorsed = held.endorsed.iter().map(|key| name(&key.jwk, Some(key.exp)));
        self.names.iter().cloned().chain(endorsed).collect()
    }

    /// The document is a [`countersign_protocol::keys::KeyDocument`].
    fn renew(&self, document: &[u8], now: UnixMillis) -> Result<(bool, usize), String> {
        // Serde's own message can quote the document.
        let document: Document = serde_json::from_slice(document).map_err(|error| {
            format!("is no set of keys (line {}, column {})", error.line(), error.column())
        })?;
        if document.endorsements.len() > MOST_ENDORSEMENTS {
            return Err(format!("has more than {MOST_ENDORSEMENTS} endorsements"));
        }
        let (before, Read { endorsed, faults }) = (self.names(), self.read(&document.endorsements, now));
        let mut held = self.held();
        (held.endorsements, held.endorsed) = (document.endorsements, endorsed);
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

fn name(jwk: &Jwk, exp: Option<i64>) -> KeyName {
    KeyName { kid: Some(jwk.kid.clone()), thumbprint: jwk.thumbprint(), exp }
}
