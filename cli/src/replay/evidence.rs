//! The evidence of a replay, found again by what it is about.

mod own;

use std::collections::BTreeMap;

use countersign_protocol::evidence::{Lane, Record};
use countersign_protocol::{Hash, Token, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a record says, as far as a replay looks at it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Said {
    /// The VM that made it.
    pub producer: Token,
    /// Its lane.
    pub lane: Lane,
    /// Its place in the lane.
    pub seq: u64,
    /// When it was made.
    pub ts: UnixMillis,
    /// What happened.
    pub kind: String,
    /// The ticket that it is about.
    pub ticket: Option<Token>,
    /// The digest of the request that it is about.
    pub digest: Option<Hash>,
    /// The claim that it is about.
    pub nonce: Option<Token>,
    /// The hash of that claim's record.
    pub claim: Option<Hash>,
    /// The number, in the same lane, of the record that it takes back.
    pub record: Option<u64>,
    /// Whether what it says was carried out; it was, where it does not say.
    pub enforced: Option<bool>,
    /// The code of the reason.
    pub reason: Option<String>,
    /// The rest of the reason.
    pub detail: Option<String>,
    /// The policies that decided.
    #[serde(default)]
    pub policies: Vec<String>,
    /// The route that the request took in `routes.yaml`, or `http`.
    pub route: Option<String>,
    /// What policy was asked, whole.
    pub cedar: Option<Value>,
    principal: Option<String>,
    action: Option<String>,
    resource: Option<String>,
    gates: Option<Vec<Gate>>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Gate {
    /// A claim's record names gates alone.
    group_name: Option<String>,
}

/// Who wanted to do what to what.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct About {
    /// The Cedar principal.
    pub principal: String,
    /// The Cedar action.
    pub action: String,
    /// The Cedar resource.
    pub resource: String,
}

impl Said {
    /// Who wanted to do what to what; empty where it is not known.
    #[must_use]
    pub fn about(&self) -> About {
        let part = |own: &Option<String>, name: &str| {
            let asked = || self.cedar.as_ref()?.get(name)?.as_str().map(str::to_owned);
            own.clone().or_else(asked).unwrap_or_default()
        };
        About {
            principal: part(&self.principal, "principal"),
            action: part(&self.action, "action"),
            resource: part(&self.resource, "resource"),
        }
    }

    pub(super) fn place(&self) -> Place {
        Place { producer: self.producer, lane: self.lane, seq: self.seq }
    }

    /// The groups whose members are asked.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.gates.iter().flatten().filter_map(|gate| gate.group_name.as_deref())
    }
}

/// Where a record is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct Place {
    producer: Token,
    lane: Lane,
    seq: u64,
}

/// A record that may still be asked for.
#[derive(Debug)]
struct Kept {
    said: Said,
    hash: Hash,
    /// Whether requests that are alike share it.
    shared: bool,
    /// Which request it is about is known; it is about no other one.
    taken: bool,
}

/// What is known of requests that are the same in every bound byte.
#[derive(Debug, Default)]
struct Group {
    /// In the order in which it came.
    places: Vec<Place>,
    /// How many such requests are over.
    requests: usize,
}

/// All evidence that one gateway gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// How many records.
    pub records: u64,
    /// A hash over all of them in the order in which they came: from 32 zero bytes on, the SHA-256 of the hash so far and
    /// the SHA-256 of the next record's line.
    pub sha256: Hash,
}

/// All records that may still be asked for.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    pub(super) sum: Sum,
    records: BTreeMap<Place, Kept>,
    of_digest: BTreeMap<Hash, Group>,
    digests: BTreeMap<Token, Hash>,
    /// Requests that ended with neither a line for the access log nor evidence: their clients left.
    unheard: usize,
}

impl Default for Sum {
    fn default() -> Self {
        Self { records: 0, sha256: Hash::ZERO }
    }
}

impl Sum {
    fn add(&mut self, record: Hash) {
        self.records += 1;
        self.sha256 = Hash::of(&[self.sha256.0, record.0].concat());
    }
}

impl Evidence {
    /// Takes what came. What is about no request is looked at no further.
    ///
    /// # Errors
    /// The record that is none.
    pub(super) fn add(&mut self, records: Vec<Record>) -> Result<(), String> {
        for record in records {
            self.sum.add(record.hash);
            let said: Said = serde_json::from_str(&record.line).map_err(|_| record.line)?;
            let place = said.place();
            if let (Some(ticket), Some(digest)) = (said.ticket, said.digest) {
                self.digests.insert(ticket, digest);
            }
            let digest = said.digest.or_else(|| self.digests.get(&said.ticket?).copied());
            if let Some(digest) = digest {
                self.of_digest.entry(digest).or_default().places.push(place);
            }
            if digest.is_some() || own::decides(&said) {
                self.records
                    .insert(place, Kept { said, hash: record.hash, shared: digest.is_some(), taken: false });
            }
        }
        Ok(())
    }

    pub(super) fn get(&self, place: Place) -> Option<&Said> {
        self.records.get(&place).map(|kept| &kept.said)
    }

    pub(super) fn digest(&self, ticket: Token) -> Option<Hash> {
        self.digests.get(&ticket).copied()
    }

    /// Everything about the request of a digest; requests that are the same in every bound byte share it.
    pub(super) fn of(&self, digest: Hash) -> Vec<Said> {
        let places = self.of_digest.get(&digest).into_iter().flat_map(|group| &group.places);
        places.filter_map(|place| self.get(*place)).cloned().collect()
    }

    /// Forgets what is older than `before`, and what is about one request alone and older than `ended`: when the
    /// first of those began that are not over. Gives what was about none.
    pub(super) fn forget(&mut self, before: UnixMillis, ended: UnixMillis) -> Vec<String> {
        let old = |kept: &Kept| kept.said.ts < if kept.shared { before } else { ended };
        let gone: Vec<_> = self.records.extract_if(.., |_, kept| old(kept)).map(|(_, kept)| kept).collect();
        let spare = self.spare(gone);
        let records = &self.records;
        self.of_digest.retain(|_, group| {
            group.places.retain(|place| records.contains_key(place));
            !group.places.is_empty()
        });
        let known = &self.of_digest;
        self.digests.retain(|_, digest| known.contains_key(digest));
        spare
    }
}
