//! The evidence of a replay, found again by what it is about.

use std::collections::BTreeMap;

use countersign_protocol::evidence::{Lane, Record};
use countersign_protocol::{Hash, Token, UnixMillis};
use serde::Deserialize;
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

/// All records that may still be asked for.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    records: BTreeMap<Place, Said>,
    /// What is known of the request of a digest, in order.
    of_digest: BTreeMap<Hash, Vec<Place>>,
    digests: BTreeMap<Token, Hash>,
}

impl Evidence {
    /// Takes what came.
    ///
    /// # Errors
    /// The record that is none.
    pub(super) fn add(&mut self, records: Vec<Record>) -> Result<(), String> {
        for record in records {
            let said: Said = serde_json::from_str(&record.line).map_err(|_| record.line)?;
            let place = Place { producer: said.producer, lane: said.lane, seq: said.seq };
            if let (Some(ticket), Some(digest)) = (said.ticket, said.digest) {
                self.digests.insert(ticket, digest);
            }
            let digest = said.digest.or_else(|| self.digests.get(&said.ticket?).copied());
            if let Some(digest) = digest {
                self.of_digest.entry(digest).or_default().push(place);
            }
            self.records.insert(place, said);
        }
        Ok(())
    }

    pub(super) fn get(&self, place: Place) -> Option<&Said> {
        self.records.get(&place)
    }

    pub(super) fn digest(&self, ticket: Token) -> Option<Hash> {
        self.digests.get(&ticket).copied()
    }

    /// Everything about the request of a digest; requests that are the same in every bound byte share it.
    pub(super) fn of(&self, digest: Hash) -> Vec<Said> {
        let places = self.of_digest.get(&digest).into_iter().flatten();
        places.filter_map(|place| self.records.get(place)).cloned().collect()
    }

    /// Forgets what is older.
    pub(super) fn forget(&mut self, before: UnixMillis) {
        self.records.retain(|_, said| said.ts >= before);
        let records = &self.records;
        self.of_digest.retain(|_, places| {
            places.retain(|place| records.contains_key(place));
            !places.is_empty()
        });
        let known = &self.of_digest;
        self.digests.retain(|_, digest| known.contains_key(digest));
    }
}
