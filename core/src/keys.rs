//! Keys that change while the filter runs: all that changes of an engine.

use countersign_protocol::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::duration;

/// The keys of somebody who signs, as they are at this moment.
pub trait KeySource {
    /// Whose keys these are, as evidence calls it.
    fn source(&self) -> &str;

    /// Where newer keys come from, if from anywhere.
    fn refresh(&self) -> Option<&Refresh>;

    /// The names of the keys that it has now.
    fn names(&self) -> Vec<KeyName>;

    /// Takes the keys of a document in place of those that were fetched before; gives whether the keys are others
    /// now, and how many of the document cannot be used.
    ///
    /// # Errors
    /// Why the document is not taken, as the end of a sentence; the keys stay as they are.
    fn renew(&self, document: &[u8], now: UnixMillis) -> Result<(bool, usize), String>;

    /// How often its keys became others.
    fn changes(&self) -> u64;

    /// Whether since the last time something named a key that is not here.
    fn take_wanted(&self) -> bool;
}

/// A key by its names, for evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyName {
    /// The name that its issuer gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// The name that nobody gave it (RFC 7638, SHA-256, base64url).
    pub thumbprint: String,
    /// When it stops to count, seconds, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
}

/// Where keys are fetched from, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshEntry {
    /// The gateway's cluster.
    pub cluster: String,
    /// The `:authority` of the call.
    pub authority: String,
    /// The `:path` of the call.
    pub path: String,
    /// How long after an answer the next call follows.
    #[serde(default = "five_minutes")]
    pub every: String,
    /// How long one call may take.
    #[serde(default = "five_seconds")]
    pub timeout: String,
}

pub(crate) fn five_minutes() -> String {
    "5m".to_owned()
}

pub(crate) fn five_seconds() -> String {
    "5s".to_owned()
}

/// Where keys are fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refresh {
    /// The gateway's cluster.
    pub cluster: String,
    /// The `:authority` of the call.
    pub authority: String,
    /// The `:path` of the call.
    pub path: String,
    /// How long after an answer the next call follows, milliseconds.
    pub every: i64,
    /// How long one call may take, milliseconds.
    pub timeout: i64,
}

impl RefreshEntry {
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<Refresh, String> {
        let (cluster, authority, path) = (self.cluster.clone(), self.authority.clone(), self.path.clone());
        if cluster.is_empty() || authority.is_empty() {
            return Err("`refresh` needs the `cluster` and the `authority` of the keys' server".to_owned());
        }
        if !path.starts_with('/') {
            return Err(format!("`{path}` is no path: it begins with `/`"));
        }
        let time = |text: &str, range: std::ops::RangeInclusive<i64>, what: &str| {
            let millis = duration::parse(text).filter(|millis| range.contains(millis));
            millis.ok_or_else(|| format!("`{text}`: {what}"))
        };
        let every = time(&self.every, 10_000..=86_400_000, "keys are fetched every `10s` to `1d`")?;
        let timeout = time(&self.timeout, 1_000..=60_000, "a call for keys may take `1s` to `1m`")?;
        Ok(Refresh { cluster, authority, path, every, timeout })
    }
}
