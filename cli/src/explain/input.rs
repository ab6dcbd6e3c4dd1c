//! The request that is to be explained: of a recording, a `curl` command line or a JSON file.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use countersign_protocol::recording::{Bytes, Entry, Fidelity, Request, VERSION};
use countersign_protocol::{Hash, UnixMillis};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::curl::{self, CurlError};
use super::url::{Url, UrlError};
use crate::replay::report::Named;
use crate::replay::{ReadError, Reader};

/// Where a request is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `RECORDING#ID`.
    Entry(String),
    /// A `curl` command line.
    Curl(String),
    /// A JSON file, or `-` for what is piped in.
    Json(String),
}

/// A request that was found.
#[derive(Debug)]
pub struct Asked {
    /// It, as an entry of a recording.
    pub entry: Entry,
    /// When it was asked, where that is known.
    pub at: Option<UnixMillis>,
    /// The file that it is in, and its hash; nothing when it was on the command line.
    pub file: Option<Named>,
}

/// Why there is no request to explain.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The words on the command line.
    #[error("`--entry {0}` names no entry: write `RECORDING#ID`")]
    NoId(String),
    /// No such entry.
    #[error("`{recording}` has no entry `{id}`")]
    NoEntry {
        /// The recording.
        recording: String,
        /// The id.
        id: String,
    },
    /// The recording.
    #[error(transparent)]
    Recording(#[from] ReadError),
    /// The command line.
    #[error("`--curl`: {0}")]
    Curl(#[from] CurlError),
    /// The file.
    #[error("cannot read `{path}`: {error}")]
    File {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// What is in it.
    #[error("`{path}` is no request: {error}")]
    Form {
        /// The file.
        path: String,
        /// Why.
        error: String,
    },
}

impl InputError {
    /// Whether the command line itself is wrong, and not what it names.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::NoId(_) => true,
            Self::Curl(error) => !matches!(error, CurlError::File { .. }),
            _ => false,
        }
    }
}

impl Source {
    /// Finds the request.
    ///
    /// # Errors
    /// See [`InputError`].
    pub fn read(&self) -> Result<Asked, InputError> {
        match self {
            Self::Entry(name) => entry(name),
            Self::Curl(line) => Ok(Asked { entry: sent(curl::request(line)?), at: None, file: None }),
            Self::Json(path) => json(path),
        }
    }
}

/// The first `#` after a name that ends as recordings do, else the first at all: ids and folders may have some.
fn entry(name: &str) -> Result<Asked, InputError> {
    let split = name.split_once(".jsonl#").map(|(path, id)| (format!("{path}.jsonl"), id));
    let split = split.or_else(|| name.split_once('#').map(|(path, id)| (path.to_owned(), id)));
    let (recording, id) = split.ok_or_else(|| InputError::NoId(name.into()))?;
    let mut reader = Reader::open(&PathBuf::from(&recording))?;
    while let Some(entry) = reader.entry()? {
        if entry.id == id {
            let file = Some(Named { path: recording.into(), sha256: reader.hash()? });
            return Ok(Asked { at: Some(entry.ts), entry, file });
        }
    }
    Err(InputError::NoEntry { recording, id: id.into() })
}

/// A request as a client sends it.
fn sent(request: Request) -> Entry {
    Entry {
        v: VERSION,
        id: "request".into(),
        ts: 0,
        source: None,
        fidelity: Fidelity::Client,
        lost: Vec::new(),
        peer: Default::default(),
        route: None,
        claims: Map::new(),
        request,
        leaves: None,
        people: Vec::new(),
        service: Vec::new(),
        expect: None,
    }
}

fn json(path: &str) -> Result<Asked, InputError> {
    let text = match path {
        "-" => {
            let mut text = Vec::new();
            std::io::stdin().read_to_end(&mut text).map(|_| text)
        }
        path => std::fs::read(Path::new(path)),
    };
    let text = text.map_err(|error| InputError::File { path: path.into(), error })?;
    let asked = parse(&text).map_err(|error| InputError::Form { path: path.into(), error })?;
    Ok(Asked { file: Some(Named { path: path.into(), sha256: Hash::of(&text) }), ..asked })
}

fn parse(text: &[u8]) -> Result<Asked, String> {
    let value: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if value.get("request").is_some() {
        let entry: Entry = serde_json::from_value(value).map_err(|error| error.to_string())?;
        return Ok(Asked { at: Some(entry.ts), entry, file: None });
    }
    let brief: Brief = serde_json::from_value(value).map_err(|error| error.to_string())?;
    brief.asked()
}

/// A request in as few words as possible.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Brief {
    #[serde(default = "get")]
    method: String,
    url: Option<String>,
    host: Option<String>,
    path: Option<String>,
    #[serde(default)]
    headers: Fields,
    /// A text as it is; anything else as JSON.
    body: Option<Value>,
    #[serde(default)]
    claims: Map<String, Value>,
    peer: Option<IpAddr>,
    uri_san: Option<String>,
    ts: Option<UnixMillis>,
}

/// Header fields, in order or by name.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Fields {
    Ordered(Vec<(String, String)>),
    Named(BTreeMap<String, String>),
}

impl Default for Fields {
    fn default() -> Self {
        Self::Ordered(Vec::new())
    }
}

fn get() -> String {
    "GET".into()
}

impl Brief {
    fn asked(self) -> Result<Asked, String> {
        let url = match (&self.url, &self.host, &self.path) {
            (Some(url), None, None) => Url::parse(url, true).map_err(|error: UrlError| error.to_string())?,
            (None, Some(host), Some(path)) => {
                Url { scheme: "http".into(), authority: host.clone(), path: path.clone(), user: None }
            }
            _ => return Err("it needs `url`, or `host` and `path`".into()),
        };
        let (body, json) = match self.body {
            None => (None, false),
            Some(Value::String(text)) => (Some(text.into_bytes()), false),
            Some(value) => (Some(value.to_string().into_bytes()), true),
        };
        let pseudo = [
            (":method", self.method),
            (":scheme", url.scheme),
            (":authority", url.authority),
            (":path", url.path),
        ];
        let mut headers: Vec<_> = pseudo.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        headers.extend(match self.headers {
            Fields::Ordered(fields) => fields,
            Fields::Named(fields) => fields.into_iter().collect(),
        });
        let length = body.as_ref().map(|body| ("content-length", body.len().to_string()));
        let media = json.then(|| ("content-type", "application/json".to_owned()));
        for (name, value) in media.into_iter().chain(length) {
            if !headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                headers.push((name.into(), value));
            }
        }
        let headers = headers.into_iter().map(|(name, value)| (name, Bytes(value.into_bytes()))).collect();
        let request = Request { headers, body: body.map(Bytes), ..Request::default() };
        let mut entry = sent(request);
        (entry.claims, entry.peer.address, entry.peer.uri_san) = (self.claims, self.peer, self.uri_san);
        Ok(Asked { entry, at: self.ts, file: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_may_be_written_in_few_words() {
        let text = r#"{"method":"POST","url":"https://a.example/b?c","body":{"d":1},"peer":"10.0.0.1","ts":5,
            "claims":{"agents":{"sub":"x"}},"headers":{"x-y":"z"}}"#;
        let Asked { entry, at, .. } = parse(text.as_bytes()).unwrap();
        let text = |(name, value): &(String, Bytes)| format!("{name}={}", str::from_utf8(&value.0).unwrap());
        let headers: Vec<_> = entry.request.headers.iter().map(text).collect();
        let expected = [
            ":method=POST",
            ":scheme=https",
            ":authority=a.example",
            ":path=/b?c",
            "x-y=z",
            "content-type=application/json",
            "content-length=7",
        ];
        assert_eq!((headers, at), (expected.map(String::from).to_vec(), Some(5)));
        assert_eq!(entry.request.body, Some(Bytes(br#"{"d":1}"#.to_vec())));
        assert_eq!(entry.peer.address, Some([10, 0, 0, 1].into()));
    }

    #[test]
    fn what_is_no_request_is_said() {
        let cases = [
            ("{", "EOF while parsing an object at line 1 column 1"),
            ("{}", "it needs `url`, or `host` and `path`"),
            (r#"{"url":"a","host":"b"}"#, "it needs `url`, or `host` and `path`"),
            (r#"{"url":"ftp://a"}"#, "`ftp` is neither http nor https"),
        ];
        for (text, message) in cases {
            assert_eq!(parse(text.as_bytes()).unwrap_err(), message);
        }
        assert!(parse(br#"{"verb":"GET"}"#).unwrap_err().starts_with("unknown field `verb`"));
    }
}
