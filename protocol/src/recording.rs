//! Recorded traffic: one JSON object a line, each a request as it came, and optionally how people and the approval
//! service behave and what is expected of the gateway.

pub mod lost;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::UnixMillis;

/// The version that this crate writes and reads.
pub const VERSION: u8 = 1;

/// One request and what belongs to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Always [`VERSION`].
    pub v: u8,
    /// Names it in reports; unique in its file.
    pub id: String,
    /// When it came to the gateway. Entries are in the order of their times.
    pub ts: UnixMillis,
    /// What it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// How close it is to what the gateway saw.
    pub fidelity: Fidelity,
    /// What the source did not keep, or what was taken out: the words of [`lost`], or others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
    /// The other end of the connection.
    #[serde(default, skip_serializing_if = "is_default")]
    pub peer: Peer,
    /// The gateway's name for the route that it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Claims that the gateway verified (Envoy `jwt_authn`): from metadata key to payload.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub claims: Map<String, Value>,
    /// The request.
    pub request: Request,
    /// When the client gives up, counted from `ts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaves: Option<Delay>,
    /// How people answer if they are asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<Act>,
    /// How the approval service fails meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub service: Vec<Trouble>,
    /// What must come of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
}

/// What an entry was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// `har`, `envoy-tap`, `vcr`, `kubernetes-audit` …
    pub kind: String,
    /// The program that wrote it, as it names itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Its place in that file, from 0.
    pub entry: u64,
}

/// How close an entry is to what the gateway saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fidelity {
    /// As a filter saw it: the gateway's own header fields are in it.
    Gateway,
    /// As the client sent it; the gateway adds its own fields.
    Client,
    /// Put together from what a tool kept: what is in `lost` may differ.
    Rebuilt,
}

/// The other end of the connection, as the gateway saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Its address, without a port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<std::net::IpAddr>,
    /// The first URI subject alternative name of its certificate, when the gateway verified one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri_san: Option<String>,
}

/// A request as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Header fields in order, pseudo-headers (`:method` …) first.
    pub headers: Vec<(String, Bytes)>,
    /// The body. No body is not the same as an empty one: it ends with the header fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Bytes>,
    /// The sizes in which the body came, bytes; all at once when it is empty. What is left comes as one more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chunks: Vec<usize>,
    /// Trailer fields in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trailers: Vec<(String, Bytes)>,
}

/// Bytes: a string where they are UTF-8, else `{"b64": "…"}` (RFC 4648 section 4).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

/// A duration as people write it: `250ms`, `3s`, `10m`, `1h`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delay(pub Duration);

/// Something that somebody does about a request for approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// How long after they were asked.
    pub after: Delay,
    /// What they do.
    #[serde(rename = "do")]
    pub what: Doing,
    /// Who: the immutable id of an account, at the issuer of the group that is asked unless `issuer` names another.
    #[serde(default = "somebody")]
    pub by: String,
    /// Who keeps the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The names of the groups that they are in; all that are asked when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    /// How they proved who they are (RFC 8176).
    #[serde(default = "both_factors")]
    pub amr: Vec<String>,
    /// What they say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What somebody does about a request for approval, or a service that was taken over in their name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doing {
    /// Says yes.
    Approve,
    /// Says yes and breaks the glass: opens alone, with `reason`, what they may so open.
    BreakGlass,
    /// Says no.
    Reject,
    /// Wants one more approver.
    Flag,
    /// Takes an approval back that is not used yet.
    Revoke,
    /// A yes signed by a key that nobody knows.
    Forge,
    /// The yes to another request.
    Replay,
    /// A yes that has lapsed already.
    Late,
    /// A yes that rests on their answer alone, whoever they are and however many it takes.
    Alone,
    /// A yes for another gateway.
    Elsewhere,
}

/// A time in which the approval service does not answer as it should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trouble {
    /// From when, counted from the entry's `ts`.
    #[serde(default)]
    pub from: Delay,
    /// Until when; for ever when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Delay>,
    /// How it fails.
    pub is: Fault,
    /// The calls that fail; all when it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<Operation>,
}

/// How a call to the approval service fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The gateway cannot connect: 503 in its place.
    Down,
    /// It answers 500.
    Error,
    /// It takes the call and never answers: 504 in its place.
    Silent,
    /// The connection breaks: no header fields at all.
    Reset,
    /// The gateway does not even send it.
    NotSent,
    /// 200 with something else than JSON.
    Garbage,
    /// 200 with the first half of the answer.
    Half,
    /// What it did is lost: it takes the call, acts on it, and the answer never comes.
    AnswerLost,
    /// It acts on claims and answers with receipts of other ones, signed as all are; nothing else fails.
    OtherReceipt,
}

/// A call to the approval service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `POST /v1/requests`.
    Ask,
    /// `POST /v1/wait`.
    Wait,
    /// `POST /v1/claims`.
    Claim,
    /// `POST /v1/outcomes`.
    Outcome,
    /// `POST /v1/evidence`.
    Evidence,
    /// `GET /.well-known/jwks.json`.
    Keys,
}

/// What must come of an entry. What is left out is not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// What policy said first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// What the client got; 0 when it got nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The stable code of the refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The ids of the policies that determined the decision, in any order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<Vec<String>>,
    /// Whether the upstream got it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<bool>,
    /// The kinds of its evidence records, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<Vec<String>>,
}

/// What policy says about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It may go on.
    Allow,
    /// People must say yes first.
    Ask,
    /// It may not.
    Deny,
}

fn somebody() -> String {
    "somebody".into()
}

fn both_factors() -> Vec<String> {
    vec!["pwd".into(), "otp".into()]
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenBytes {
    Text(String),
    Base64 { b64: String },
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::Engine as _;
        match str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                let b64 = base64::engine::general_purpose::STANDARD.encode(&self.0);
                WrittenBytes::Base64 { b64 }.serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use base64::Engine as _;
        match WrittenBytes::deserialize(deserializer)? {
            WrittenBytes::Text(text) => Ok(Self(text.into_bytes())),
            WrittenBytes::Base64 { b64 } => base64::engine::general_purpose::STANDARD
                .decode(b64)
                .map(Self)
                .map_err(|_| serde::de::Error::custom("`b64` is not base64 (RFC 4648 section 4)")),
        }
    }
}

/// A text that is no [`Delay`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no duration: write a whole number and `ms`, `s`, `m` or `h`")]
pub struct NotADelay(String);

impl FromStr for Delay {
    type Err = NotADelay;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
        let read = |(unit, factor): (&str, u64)| {
            let digits = text.strip_suffix(unit)?;
            let number: u64 =
                digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(digits)?.parse().ok()?;
            number.checked_mul(factor)
        };
        let millis = units.into_iter().find_map(read).ok_or_else(|| NotADelay(text.into()))?;
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let units = [("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
        match units.into_iter().find(|(_, factor)| millis > 0 && millis.is_multiple_of(*factor)) {
            Some((unit, factor)) => write!(f, "{}{unit}", millis / factor),
            None => write!(f, "{millis}ms"),
        }
    }
}

impl Serialize for Delay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Delay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_written_as_they_are_read() {
        for text in ["0ms", "250ms", "3s", "90s", "10m", "1h"] {
            assert_eq!(text.parse::<Delay>().unwrap().to_string(), text);
        }
        for text in ["", "s", "3", "-3s", "+3s", "1.5s", "3 s", "1d"] {
            assert!(text.parse::<Delay>().is_err(), "{text}");
        }
    }

    #[test]
    fn bytes_are_text_where_they_can_be() {
        for (bytes, written) in [(&b"caf\xc3\xa9"[..], r#""café""#), (b"\xff\x00", r#"{"b64":"/wA="}"#)] {
            let bytes = Bytes(bytes.into());
            assert_eq!(serde_json::to_string(&bytes).unwrap(), written);
            assert_eq!(serde_json::from_str::<Bytes>(written).unwrap(), bytes);
        }
    }

    #[test]
    fn an_entry_needs_little() {
        let line = r#"{"v":1,"id":"a","ts":0,"fidelity":"client","request":{"headers":[[":method","GET"]]},"people":[{"after":"3s","do":"approve"}]}"#;
        let entry: Entry = serde_json::from_str(line).unwrap();
        assert_eq!(entry.people[0].by, "somebody");
        let again: Entry = serde_json::from_str(&serde_json::to_string(&entry).unwrap()).unwrap();
        assert_eq!(again, entry);
        let wrong = line.replace("\"do\"", "\"does\"");
        assert!(serde_json::from_str::<Entry>(&wrong).unwrap_err().to_string().contains("does"));
    }
}
