//! The filter's configuration: every key named, an unknown one is an error.

use countersign_protocol::jws::Jwk;
use countersign_protocol::keys::KEYS_PATH;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::identity::IdentitySource;
use crate::keys::{self, Refresh, RefreshEntry};
use crate::load::LoadError;
use crate::reading::Relaxed;

/// The name under which messages speak of the configuration.
pub const FILE: &str = "configuration";

/// The configuration as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether rulings are enforced.
    #[serde(default)]
    pub mode: Mode,
    /// This gateway's name; grants are made out to it and digests cover it.
    pub audience: String,
    /// The IANA time zone in which policy reads `weekday`, `hour` and `minute`.
    #[serde(default = "utc")]
    pub timezone: String,
    /// Policies, schema, entities, routes and identities: see [`crate::bundle::Bundle`].
    pub bundle: Value,
    /// Where to ask people.
    pub approval: Approval,
    /// Where the caller's identity comes from, in this order.
    #[serde(default)]
    pub identity: Vec<IdentitySource>,
    /// How a client is told to come back.
    #[serde(default)]
    pub pending: PendingAnswer,
    /// What is too much.
    #[serde(default)]
    pub limits: Limits,
    /// How much evidence is made.
    #[serde(default)]
    pub audit: Audit,
    /// Rules of the one reading that are switched off, by name.
    #[serde(default)]
    pub relax: Relaxed,
}

/// Whether rulings are enforced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They are.
    #[default]
    Enforce,
    /// They are only recorded: everything goes on, nobody is asked.
    Observe,
}

/// Where to ask people.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The gateway's cluster for the approval service.
    pub cluster: String,
    /// The `:authority` of calls to it.
    pub authority: String,
    /// The bearer token of this gateway.
    pub token: String,
    /// The service's name in what it signs.
    #[serde(default = "local")]
    pub issuer: String,
    /// The keys whose signatures count.
    pub keys: Vec<Jwk>,
    /// How long one call may take, milliseconds (written `5s`).
    #[serde(default = "five_seconds", deserialize_with = "duration")]
    pub timeout: i64,
    /// How its newer keys are fetched, if at all.
    #[serde(default)]
    pub refresh: Option<KeyRefresh>,
}

/// How newer keys of the approval service are fetched, as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRefresh {
    /// How long after an answer the next call follows.
    #[serde(default = "keys::five_minutes")]
    every: String,
    /// How long one call may take.
    #[serde(default = "keys::five_seconds")]
    timeout: String,
    /// The `:path` of the call.
    #[serde(default = "keys_path")]
    path: String,
}

impl Approval {
    /// Where newer keys come from.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn key_source(&self) -> Result<Option<Refresh>, String> {
        let entry = self.refresh.as_ref().map(|KeyRefresh { every, timeout, path }| RefreshEntry {
            cluster: self.cluster.clone(),
            authority: self.authority.clone(),
            path: path.clone(),
            every: every.clone(),
            timeout: timeout.clone(),
        });
        entry.as_ref().map(RefreshEntry::check).transpose()
    }
}

fn keys_path() -> String {
    KEYS_PATH.into()
}

/// How a client is told to come back when the hold is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, try_from = "RawPending")]
pub struct PendingAnswer {
    /// One of 202, 403, 425, 428, 429, 503.
    pub status: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPending {
    status: u16,
}

/// What is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest body that is judged or bound, bytes.
    pub body: usize,
    /// Largest policy, bytes.
    pub policy_bytes: usize,
    /// Most policies.
    pub policies: usize,
    /// Deepest nesting of a policy.
    pub nesting: usize,
    /// Most requests that one worker holds at a time.
    pub held: usize,
    /// Most bytes of held requests, as people are shown them, in one worker.
    pub held_bytes: usize,
    /// Most requests of one principal that one worker holds at a time.
    pub held_per_principal: usize,
    /// Most bytes of one principal's held requests in one worker.
    pub held_bytes_per_principal: usize,
    /// How long a body that is due may be withheld, milliseconds (written `5s`).
    #[serde(deserialize_with = "duration")]
    pub body_wait: i64,
}

/// How much evidence is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// Which plain allows carry the whole Cedar request.
    pub facts: AuditFacts,
}

/// Which plain allows carry the whole Cedar request; held and denied ones always do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditFacts {
    /// None.
    #[default]
    Held,
    /// All.
    Full,
}

impl Default for PendingAnswer {
    fn default() -> Self {
        Self { status: 403 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1 << 20,
            policy_bytes: 10 << 10,
            policies: 10_000,
            nesting: 64,
            held: 10_000,
            held_bytes: 256 << 20,
            held_per_principal: 1_000,
            held_bytes_per_principal: 64 << 20,
            body_wait: 5_000,
        }
    }
}

impl TryFrom<RawPending> for PendingAnswer {
    type Error = String;

    fn try_from(raw: RawPending) -> Result<Self, String> {
        match raw.status {
            202 | 403 | 425 | 428 | 429 | 503 => Ok(Self { status: raw.status }),
            other => Err(format!(
                "`{other}` is no status for a pending answer: use 202, 403, 425, 428, 429 or 503"
            )),
        }
    }
}

fn utc() -> String {
    "UTC".into()
}

fn local() -> String {
    "local".into()
}

fn five_seconds() -> i64 {
    5_000
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let text = String::deserialize(deserializer)?;
    crate::duration::parse(&text).filter(|millis| *millis > 0).ok_or_else(|| {
        serde::de::Error::custom(format!("expected a time such as `5s` or `1m`, found `{text}`"))
    })
}

impl Config {
    /// Reads a configuration from JSON.
    ///
    /// # Errors
    /// An unknown, missing or mistyped key, named by its path.
    pub fn from_json(value: Value) -> Result<Self, LoadError> {
        serde_path_to_error::deserialize(value).map_err(|error| {
            let path = error.path().to_string();
            let place = if path == "." { String::new() } else { format!("`{path}`: ") };
            LoadError::in_file(FILE, format!("{place}{}", error.inner()))
        })
    }
}
