//! Takes secrets out of entries: keyed pseudonyms take their place, so that equal values stay equal.

mod body;
mod fields;
mod json;
mod key;
mod known;
mod kubernetes;
mod leak;
mod pairs;
mod places;
mod secrets;

use countersign_protocol::recording::{Bytes, Entry, lost};

pub use key::{Key, KeyError};
pub use secrets::{Secrets, Unreadable};

use known::Known;
use places::Pass;

use crate::head::values;

/// Why an entry must not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry `{id}` must not be written: {why}")]
pub struct Refusal {
    /// The entry's id.
    pub id: String,
    /// What could not be scrubbed and what to do; no secret is in it.
    pub why: String,
}

/// Takes secrets out of entries.
///
/// A secret that was seen in one place is looked for in all others, also in the entries that come after it; one of less
/// than 8 bytes is not, because it would be found by chance. [`Scrubber::learn`] all entries first where a secret could
/// be in an entry before the one that tells that it is secret. 100,000 secrets are remembered.
#[derive(Debug)]
pub struct Scrubber {
    secrets: Secrets,
    key: Key,
    known: Known,
}

impl Scrubber {
    /// Takes out what `secrets` names, with pseudonyms by `key`.
    #[must_use]
    pub fn new(secrets: Secrets, key: &Key) -> Self {
        Self { secrets, key: key.clone(), known: Known::default() }
    }

    /// Remembers the secrets of an entry.
    pub fn learn(&mut self, entry: &Entry) {
        self.hide(&mut entry.clone());
    }

    /// Takes the secrets out of `entry`, and makes `content-length` fit.
    ///
    /// # Errors
    /// When a secret would stay, or could be where it cannot be looked for. `entry` is then as it was.
    pub fn scrub(&mut self, entry: &mut Entry) -> Result<(), Refusal> {
        let refused = |why| Refusal { id: entry.id.clone(), why };
        let mut copy = entry.clone();
        if values(&copy.request.headers, ":authority").any(|value| value.contains(&b'@')) {
            return Err(refused("its `:authority` holds credentials: leave the entry out".into()));
        }
        if let Err(why) = body::readable(&copy, &self.secrets) {
            match self.secrets.unreadable {
                Unreadable::Refuse => return Err(refused(why)),
                Unreadable::TakeOut => take_out_body(&mut copy),
            }
        }
        let body = copy.request.body.clone();
        self.hide(&mut copy);
        self.hide_again(&mut copy);
        if copy.request.body != body {
            frame(&mut copy, body.map_or(0, |body| body.0.len()), &self.key);
        }
        leak::check(&copy, &self.known).map_err(refused)?;
        if copy != *entry {
            copy.lose(lost::SECRETS);
            *entry = copy;
        }
        Ok(())
    }

    /// Hides what is secret by its place, and remembers it.
    fn hide(&mut self, entry: &mut Entry) {
        let mut pass = Pass { secrets: &self.secrets, key: &self.key, known: &mut self.known };
        pass.fields(&mut entry.request.headers);
        pass.fields(&mut entry.request.trailers);
        pass.body(entry);
        pass.claims(&mut entry.claims);
    }

    /// Hides what is secret because it was so elsewhere.
    fn hide_again(&mut self, entry: &mut Entry) {
        let pass = Pass { secrets: &self.secrets, key: &self.key, known: &mut self.known };
        pass.fields_again(&mut entry.request.headers);
        pass.fields_again(&mut entry.request.trailers);
        pass.body_again(entry);
        pass.claims_again(&mut entry.claims);
    }
}

fn take_out_body(entry: &mut Entry) {
    entry.request.body = None;
    entry.request.chunks.clear();
    entry.lose(lost::BODY);
}

/// Fields that are made of a body's bytes: they fit no more, and could give away what was in it.
const MADE_OF_BODY: [&str; 7] = [
    "content-digest",
    "content-md5",
    "digest",
    "repr-digest",
    "x-amz-content-sha256",
    "x-hub-signature",
    "x-hub-signature-256",
];

/// Makes what is said about the body fit it again, which had `before` bytes.
fn frame(entry: &mut Entry, before: usize, key: &Key) {
    let length = entry.request.body.as_ref().map_or(0, |body| body.0.len());
    for (name, value) in &mut entry.request.headers {
        if name.eq_ignore_ascii_case("content-length") && value.0 == before.to_string().into_bytes() {
            *value = Bytes(length.to_string().into_bytes());
        }
        if MADE_OF_BODY.iter().any(|made| name.eq_ignore_ascii_case(made)) {
            *value = Bytes(key.pseudonym(&value.0).into_bytes());
        }
    }
    if length != before && !entry.request.chunks.is_empty() {
        entry.request.chunks.clear();
        entry.lose(lost::CHUNKS);
    }
}
