//! The agents' identity provider: signs the tokens that the gateway verifies.

use anyhow::Result;
use countersign_protocol::jws::{self, Jwk};
use ed25519_dalek::SigningKey;
use serde::Serialize;
use serde_json::{Value, json};

use super::{AUDIENCE, now};

/// Who issues the tokens.
pub const ISSUER: &str = "https://id.example";

/// The agent of the demo.
pub const DEMO: &str = "release-bot";

const KEY: &str = "agents-1";

/// How long a token is good for, seconds.
const LIFETIME: i64 = 8 * 3600;

/// A key made at the start, known to nobody else.
#[derive(Debug)]
pub struct Agents(SigningKey);

impl Agents {
    /// Makes a key.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn new() -> Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// The public key, as the gateway takes it (RFC 7517).
    #[must_use]
    pub fn jwks(&self) -> Value {
        json!({ "keys": [Jwk::of(KEY, &self.0)] })
    }

    /// A token for `agent`.
    ///
    /// # Errors
    /// Never: the claims can be written as JSON.
    pub fn token(&self, agent: &str) -> Result<String> {
        self.delegated(agent, &[])
    }

    /// A token of `subject` for the first of `actors`, which acts for the next, and so on.
    ///
    /// # Errors
    /// Never: the claims can be written as JSON.
    pub fn delegated(&self, subject: &str, actors: &[&str]) -> Result<String> {
        let act = actors.iter().rev().fold(None, |act, sub| Some(Party { sub, act: act.map(Box::new) }));
        let seconds = now() / 1000;
        let claims = Claims {
            iss: ISSUER,
            aud: AUDIENCE,
            iat: seconds,
            exp: seconds.saturating_add(LIFETIME),
            party: Party { sub: subject, act: act.map(Box::new) },
        };
        Ok(jws::sign("JWT", KEY, &self.0, &claims)?)
    }
}

/// What a token says (RFC 7519 section 4.1).
#[derive(Debug, Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    #[serde(flatten)]
    party: Party<'a>,
}

/// Somebody, and who acts for them (RFC 8693 section 4.1).
#[derive(Debug, Serialize)]
struct Party<'a> {
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Box<Self>>,
}
