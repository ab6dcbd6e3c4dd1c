//! The file as it is written: TOML 1.0, every key known.

use std::collections::BTreeMap;

use serde::Deserialize;
use url::Url;

use crate::channels::secrets::Secret;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    #[serde(default)]
    pub(super) escalation: Option<RawEscalation>,
    #[serde(default)]
    pub(super) channels: BTreeMap<String, RawChannel>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEscalation {
    pub(super) after: String,
    pub(super) to: Vec<RawTo>,
}

/// A channel's name, or a group.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "a channel's name, `{ group = \"…\" }` or `{ group = \"…\", issuer = \"…\" }`"
)]
pub(super) enum RawTo {
    Channel(String),
    Group {
        group: String,
        #[serde(default)]
        issuer: Option<String>,
    },
}

/// A group's id, or its id and its issuer.
#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields, expecting = "a group's id, or `{ issuer = \"…\", id = \"…\" }`")]
pub(super) enum RawGroup {
    Own(String),
    Of {
        #[serde(default)]
        issuer: Option<String>,
        id: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawKind {
    Slack,
    Teams,
    Webhook,
    Mail,
}

/// Encryption on the way to a mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawTls {
    Starttls,
    Tls,
    None,
}

/// What all kinds have, and what only some have; which is which is in [`super::kinds`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawChannel {
    pub(super) kind: RawKind,
    #[serde(default)]
    pub(super) groups: Vec<RawGroup>,
    #[serde(default)]
    pub(super) gate_channels: Vec<String>,
    #[serde(default)]
    pub(super) escalation: Option<RawEscalation>,
    pub(super) channel: Option<String>,
    pub(super) token: Option<Secret>,
    pub(super) signing_secret: Option<Secret>,
    pub(super) api: Option<Url>,
    pub(super) workflow: Option<Secret>,
    pub(super) url: Option<Url>,
    pub(super) secrets: Option<Vec<Secret>>,
    pub(super) server: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) tls: Option<RawTls>,
    pub(super) ca_file: Option<std::path::PathBuf>,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) from: Option<String>,
    pub(super) to: Option<Vec<String>>,
}

impl Raw {
    /// Reads it, and names the key that is wrong. Where the text is no TOML, the line.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let line = |error: &toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            before.map_or_else(String::new, |before| format!("line {}: ", before.matches('\n').count() + 1))
        };
        let reader = toml::Deserializer::parse(text)
            .map_err(|error| format!("{}{}", line(&error), error.message()))?;
        serde_path_to_error::deserialize(reader).map_err(|error| {
            let key = error.path().to_string();
            let inner = error.inner();
            // A value may be a secret that somebody wrote here: what is expected is enough.
            format!("{}`{key}`: {}", line(inner), inner.message())
        })
    }
}
