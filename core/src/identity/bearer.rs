//! Tokens that the filter verifies itself, with keys that it has.

use std::collections::BTreeMap;

use countersign_protocol::UnixMillis;
use serde::{Deserialize, Serialize};

use super::Found;
use super::claims::{ClaimFact, ClaimPrincipal, Reader, TypeOnly, bad};
use super::jwk::{Algorithm, KeySet};
use super::jwt::{Expected, Token};
use super::keyring::Keyring;
use crate::denial::Denial;
use crate::duration;
use crate::keys::RefreshEntry;
use crate::reading::Reading;
use crate::routes::is_header_name;

/// The header whose value begins with the scheme `Bearer` (RFC 6750 section 2.1). Any other has the token alone.
const AUTHORIZATION: &str = "authorization";

/// The longest leeway, milliseconds: clocks that are further apart are broken.
const MAX_LEEWAY: i64 = 300_000;

/// One issuer whose tokens the filter verifies itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BearerEntry {
    /// The claim `iss`.
    pub issuer: String,
    /// The claim `aud` must be, or have, one of these.
    pub audiences: Vec<String>,
    /// How tokens may be signed.
    #[serde(default = "all_algorithms")]
    pub algorithms: Vec<Algorithm>,
    /// Where the token is, in lower case.
    #[serde(default = "authorization")]
    pub header: String,
    /// The file of the bundle with the keys to begin with, a JWK Set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<String>,
    /// Where newer keys come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<RefreshEntry>,
    /// How far the issuer's clock and this one may be apart.
    #[serde(default = "half_a_minute")]
    pub leeway: String,
    /// Which claim is the principal, or the owner when the token names an actor.
    pub principal: ClaimPrincipal,
    /// What an actor (`act`) is. Without it a token with an actor is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<TypeOnly>,
    /// The claim that names the subject's groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<ClaimFact>,
    /// The subject's attributes, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, ClaimFact>,
}

fn all_algorithms() -> Vec<Algorithm> {
    Algorithm::ALL.into()
}

fn authorization() -> String {
    AUTHORIZATION.to_owned()
}

fn half_a_minute() -> String {
    "30s".to_owned()
}

/// The same, checked.
#[derive(Debug)]
pub(super) struct Bearer {
    pub(super) header: String,
    algorithms: Vec<Algorithm>,
    expected: Expected,
    reader: Reader,
    pub(super) keyring: Keyring,
    /// The other issuers whose tokens come in the same header: theirs are not for this source.
    siblings: Vec<String>,
}

impl BearerEntry {
    /// `file` gives a file of the bundle.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(super) fn check<'a>(&self, file: &dyn Fn(&str) -> Option<&'a str>) -> Result<Bearer, String> {
        if self.issuer.is_empty() || self.audiences.is_empty() || self.audiences.iter().any(String::is_empty)
        {
            return Err("`issuer` and at least one of `audiences` say whose tokens for whom count".to_owned());
        }
        if self.algorithms.is_empty() {
            return Err("`algorithms` is empty: leave it out for all, or name some".to_owned());
        }
        if !is_header_name(&self.header) {
            return Err(format!("`{}`: write the header's name in lower case", self.header));
        }
        let leeway = duration::parse(&self.leeway).filter(|leeway| *leeway <= MAX_LEEWAY);
        let leeway = leeway.ok_or_else(|| format!("`{}`: a leeway is `0s` to `5m`", self.leeway))?;
        let refresh = self.refresh.as_ref().map(RefreshEntry::check).transpose()?;
        let keys = self.keys.as_ref().map(|path| read_keys(path, file)).transpose()?;
        if keys.is_none() && refresh.is_none() {
            return Err(
                "there are no keys: name a file of the bundle under `keys`, or a server under `refresh`"
                    .to_owned(),
            );
        }
        let (issuer, audiences) = (self.issuer.clone(), self.audiences.clone());
        Ok(Bearer {
            header: self.header.clone(),
            algorithms: self.algorithms.clone(),
            reader: Reader::new(
                self.principal.clone(),
                self.actor.clone(),
                self.groups.clone(),
                self.attributes.clone(),
            )?,
            keyring: Keyring::new(format!("bearer:{issuer}"), keys, refresh),
            expected: Expected { issuer, audiences, leeway },
            siblings: Vec::new(),
        })
    }
}

/// The operator's own file has no key that cannot be used.
fn read_keys<'a>(path: &str, file: &dyn Fn(&str) -> Option<&'a str>) -> Result<KeySet, String> {
    let text = file(path).ok_or_else(|| format!("the bundle has no file `{path}`"))?;
    let keys = KeySet::parse(text.as_bytes()).map_err(|why| format!("`{path}` {why}"))?;
    match keys.faults.first() {
        None => Ok(keys),
        Some(fault) => Err(format!("`{path}`: {fault}")),
    }
}

impl Bearer {
    pub(super) fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Tells it of the issuers whose tokens come in the same header as its own.
    ///
    /// # Errors
    /// One of them is its own.
    pub(super) fn tell_apart(&mut self, others: &[(String, String)]) -> Result<(), String> {
        let same_header = others.iter().filter(|(header, _)| *header == self.header);
        self.siblings = same_header.map(|(_, issuer)| issuer.clone()).collect();
        if self.siblings.contains(&self.expected.issuer) {
            let (issuer, header) = (&self.expected.issuer, &self.header);
            return Err(format!("another source reads tokens of `{issuer}` from `{header}` too"));
        }
        Ok(())
    }

    /// Header and issuer: what tells its tokens from others.
    pub(super) fn place(&self) -> (String, String) {
        (self.header.clone(), self.expected.issuer.clone())
    }

    /// Whom a token names, `None` when there is no token for this source.
    pub(super) fn read(&self, reading: &Reading, now: UnixMillis) -> Result<Option<Found>, Denial> {
        let found = self.verified(reading, now);
        if self.header == AUTHORIZATION { found.map_err(Denial::of_token) } else { found }
    }

    fn verified(&self, reading: &Reading, now: UnixMillis) -> Result<Option<Found>, Denial> {
        let Some(text) = self.find(reading)? else { return Ok(None) };
        let says = |why: String| bad(format!("the token {why}"));
        let token = Token::parse(text).map_err(says)?;
        if token.issuer().is_some_and(|issuer| self.siblings.iter().any(|other| other == issuer)) {
            return Ok(None);
        }
        if !self.algorithms.contains(&token.algorithm) {
            return Err(says("has an `alg` that is not configured for its issuer".to_owned()));
        }
        let key = self.keyring.verify(&token)?;
        token.check(&self.expected, now).map_err(says)?;
        Ok(Some(Found { key: Some(key), ..self.reader.read(&token.claims)? }))
    }

    /// The token's text. Another scheme than `Bearer` is no token.
    fn find<'a>(&self, reading: &'a Reading) -> Result<Option<&'a str>, Denial> {
        let Some(value) = reading.text(&self.header)? else { return Ok(None) };
        if self.header != AUTHORIZATION {
            return Ok(Some(value));
        }
        let end = value.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(value.len());
        match value.split_at_checked(end) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => {
                let token = rest.strip_prefix(' ').map(|rest| rest.trim_start_matches(' '));
                token.map(Some).ok_or_else(|| bad("`authorization` is `Bearer` without a token"))
            }
            _ => Ok(None),
        }
    }
}
