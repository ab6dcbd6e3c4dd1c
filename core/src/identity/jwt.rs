//! A signed token in its compact form (JWS, RFC 7515; JWT, RFC 7519), read in one way and by the rules of RFC 8725.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_protocol::UnixMillis;
use serde_json::{Map, Value as Json};

use super::jwk::{Algorithm, LONGEST_KID};
use crate::routes::strict;

/// The longest token that is read, bytes.
pub(super) const LONGEST_TOKEN: usize = 16 << 10;

/// The last second of the year 9999: no token is good for longer.
const LAST_SECOND: i64 = 253_402_300_799;

/// A token as it says it is. Nothing of it counts before [`super::jwk::Key::verifies`] said so.
#[derive(Debug)]
pub(super) struct Token<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
    pub(super) claims: Json,
    /// The bytes that are signed.
    pub(super) signed: &'a str,
    pub(super) signature: Vec<u8>,
}

/// What a token must say.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    /// How far two clocks may be apart, milliseconds.
    pub(super) leeway: i64,
}

impl<'a> Token<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub(super) fn parse(text: &'a str) -> Result<Self, String> {
        if text.len() > LONGEST_TOKEN {
            return Err(format!("has {} bytes, at most {LONGEST_TOKEN} are read", text.len()));
        }
        let parts =
            text.rsplit_once('.').and_then(|(signed, last)| Some((signed, signed.split_once('.')?, last)));
        let (signed, (header, payload), signature) =
            parts.filter(|(_, (_, payload), _)| !payload.contains('.')).ok_or("has not three parts")?;
        let header = object("header", header)?;
        let algorithm = header_of(&header)?;
        let kid = text_of(&header, "kid")?.map(str::to_owned);
        if kid.as_ref().is_some_and(|kid| kid.len() > LONGEST_KID) {
            return Err(format!("has a `kid` of more than {LONGEST_KID} bytes"));
        }
        let claims = Json::Object(object("payload", payload)?);
        Ok(Self { algorithm, kid, claims, signed, signature: decode("signature", signature)? })
    }

    /// Who it says made it.
    pub(super) fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Json::as_str)
    }

    /// Whether it says what it must at this time (RFC 7519 section 4.1).
    ///
    /// # Errors
    /// Which claim does not hold, as the end of a sentence.
    pub(super) fn check(&self, expected: &Expected, now: UnixMillis) -> Result<(), String> {
        if self.issuer() != Some(expected.issuer.as_str()) {
            return Err(format!("is not of the issuer `{}`", expected.issuer));
        }
        self.check_audience(&expected.audiences)?;
        let leeway = expected.leeway;
        let expires = self.time("exp")?.ok_or("has no `exp`: a token that never ends is not taken")?;
        if expires.saturating_add(leeway) <= now {
            return Err("has expired (`exp`)".to_owned());
        }
        for name in ["nbf", "iat"] {
            if self.time(name)?.is_some_and(|from| from > now.saturating_add(leeway)) {
                return Err(format!("is from the future (`{name}`)"));
            }
        }
        Ok(())
    }

    fn check_audience(&self, audiences: &[String]) -> Result<(), String> {
        let ours = |text: &str| audiences.iter().any(|audience| audience == text);
        let found = match self.claims.get("aud") {
            None => return Err("has no `aud`".to_owned()),
            Some(Json::String(one)) => ours(one),
            Some(Json::Array(several)) if several.iter().all(Json::is_string) => {
                several.iter().filter_map(Json::as_str).any(ours)
            }
            Some(_) => return Err("has an `aud` that is neither text nor a list of texts".to_owned()),
        };
        if found { Ok(()) } else { Err("is for somebody else (`aud`)".to_owned()) }
    }

    /// A NumericDate (RFC 7519 section 2), milliseconds; a fraction of a second is cut off.
    fn time(&self, name: &str) -> Result<Option<UnixMillis>, String> {
        let Some(claim) = self.claims.get(name) else { return Ok(None) };
        #[expect(clippy::cast_possible_truncation, reason = "a cast to an integer stops at its ends")]
        let seconds = claim.as_i64().or_else(|| claim.as_f64().map(|seconds| seconds.floor() as i64));
        let seconds = seconds.filter(|seconds| (0..=LAST_SECOND).contains(seconds));
        seconds
            .map(|seconds| Some(seconds.saturating_mul(1000)))
            .ok_or_else(|| format!("has an `{name}` that is no time in seconds up to the year 9999"))
    }
}

/// The algorithm that the header names, after everything that would change what the token means is refused.
fn header_of(header: &Map<String, Json>) -> Result<Algorithm, String> {
    if header.contains_key("crit") {
        return Err("wants an extension to be understood (`crit`), and none is".to_owned());
    }
    // RFC 8725 section 3.11: a token that was made for something else is none of these.
    let typ = text_of(header, "typ")?.map(str::to_ascii_lowercase);
    let typ = typ.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ));
    if typ.is_some_and(|typ| !["jwt", "at+jwt"].contains(&typ)) {
        return Err("has a `typ` other than `JWT` and `at+jwt`".to_owned());
    }
    match text_of(header, "alg")? {
        None => Err("has no `alg`".to_owned()),
        Some(alg) if alg.eq_ignore_ascii_case("none") => Err("is not signed (`alg` is `none`)".to_owned()),
        Some(alg) => Algorithm::named(alg)
            .ok_or_else(|| "has an `alg` other than RS256, PS256, ES256 and EdDSA".to_owned()),
    }
}

fn text_of<'a>(members: &'a Map<String, Json>, name: &str) -> Result<Option<&'a str>, String> {
    let Some(value) = members.get(name) else { return Ok(None) };
    value.as_str().map(Some).ok_or_else(|| format!("has a member `{name}` that is no text"))
}

/// One part as an object whose members are there once.
fn object(what: &str, part: &str) -> Result<Map<String, Json>, String> {
    match strict(&decode(what, part)?) {
        Ok(Json::Object(members)) => Ok(members),
        Ok(_) => Err(format!("has a {what} that is no object")),
        Err(why) => Err(format!("has a {what} that {why}")),
    }
}

/// Base64url without padding, in the one spelling that each value has (RFC 7515 section 2).
fn decode(what: &str, part: &str) -> Result<Vec<u8>, String> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| format!("has a {what} that is not base64url in its one spelling"))
}
