//! Goes over an entry and hides what is secret: by its place first, then wherever it is again.

use countersign_protocol::recording::{Bytes, Entry};
use serde_json::{Map, Value};

use super::body::{self, Kind};
use super::json::{self, Scalar, Step};
use super::key::Key;
use super::known::Known;
use super::kubernetes;
use super::secrets::Secrets;
use super::{fields, pairs};

/// What a request is addressed to: nothing is replaced in it, and a secret in it refuses the entry.
const ADDRESS: [&str; 3] = [":authority", ":method", ":scheme"];
/// Fields that hold a URL, or its path and query.
const URLS: [&str; 10] = [
    ":path",
    "content-location",
    "location",
    "origin",
    "referer",
    "x-envoy-original-path",
    "x-forwarded-uri",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
];
/// How deep JSON may lie in strings of JSON or values of forms.
const NESTED: usize = 4;

/// One way over an entry.
pub(super) struct Pass<'a> {
    pub(super) secrets: &'a Secrets,
    pub(super) key: &'a Key,
    pub(super) known: &'a mut Known,
}

impl Pass<'_> {
    /// A secret's pseudonym; it is remembered.
    fn hide(&mut self, secret: &[u8]) -> String {
        if let Some(pseudonym) = is_pseudonym(secret) {
            return pseudonym;
        }
        self.known.learn(secret);
        self.key.pseudonym(secret)
    }

    pub(super) fn fields(&mut self, fields: &mut [(String, Bytes)]) {
        for (name, value) in fields {
            if self.secrets.is_header(name) {
                value.0 = fields::hide(name, &value.0, &mut |secret| self.hide(secret));
            } else if URLS.iter().any(|url| name.eq_ignore_ascii_case(url)) {
                self.url(&mut value.0);
            }
        }
    }

    /// Credentials before `@`, parameters of path segments after `;`, and the query.
    fn url(&mut self, url: &mut Vec<u8>) {
        let at = url.iter().position(|&byte| byte == b'?').unwrap_or(url.len());
        let query = url.split_off(at);
        let user = user(url).map(<[u8]>::to_vec);
        if let Some(user) = user {
            let hidden = self.hide(&user);
            let start = url.windows(3).position(|window| window == b"://").map_or(0, |at| at + 3);
            url.splice(start..start + user.len(), hidden.into_bytes());
        }
        let pieces: Vec<_> =
            url.split(|&byte| byte == b';').map(|piece| self.path_parameter(piece)).collect();
        *url = pieces.join(&b';');
        if let Some(query) = query.strip_prefix(b"?") {
            url.push(b'?');
            url.extend(self.pairs(query, 0).unwrap_or_else(|| query.to_vec()));
        }
    }

    fn path_parameter(&mut self, piece: &[u8]) -> Vec<u8> {
        let end = piece.iter().position(|&byte| byte == b'/').unwrap_or(piece.len());
        let (parameter, rest) = piece.split_at_checked(end).unwrap_or((piece, &[]));
        [&self.pairs(parameter, 0).unwrap_or_else(|| parameter.to_vec()), rest].concat()
    }

    fn pairs(&mut self, text: &[u8], depth: usize) -> Option<Vec<u8>> {
        let secrets = self.secrets;
        pairs::replace(text, |name, value| {
            if secrets.is_parameter(name) {
                return (!value.is_empty()).then(|| self.hide(value));
            }
            let nested =
                self.json(str::from_utf8(value).ok().filter(|text| json::is_json(text))?, depth + 1)?;
            Some(form_urlencoded::byte_serialize(nested.as_bytes()).collect())
        })
    }

    pub(super) fn body(&mut self, entry: &mut Entry) {
        let kind = body::kind(entry);
        let kubernetes = kubernetes::holds_secret(entry);
        let Some(body) = &mut entry.request.body else { return };
        let new = match kind {
            Kind::Form => self.pairs(&body.0, 0),
            Kind::Json => {
                let text = body::text(body).unwrap_or_default();
                self.json_where(text, 0, |path| kubernetes && kubernetes::is_secret(path))
                    .map(String::into_bytes)
            }
            Kind::Multipart | Kind::Other | Kind::Unclear => None,
        };
        if let Some(new) = new {
            body.0 = new;
        }
    }

    fn json(&mut self, text: &str, depth: usize) -> Option<String> {
        self.json_where(text, depth, |_| false)
    }

    /// `text` without its secrets, by their names, by pointers, and where `more` says so.
    fn json_where(&mut self, text: &str, depth: usize, more: impl Fn(&[Step]) -> bool) -> Option<String> {
        if depth > NESTED {
            return None;
        }
        let secrets = self.secrets;
        let mut edit = |path: &[Step], scalar: Scalar<'_>| match scalar {
            _ if more(path) || secrets.is_at(path) => self.scalar(scalar),
            Scalar::Text(text) if json::is_json(text) => self.json(text, depth + 1).map(|new| quoted(&new)),
            _ => None,
        };
        json::replace(text, &mut edit).ok().flatten()
    }

    /// Keeps the type: a number becomes another number, `true` and `false` become `false`, `null` says nothing.
    fn scalar(&mut self, scalar: Scalar<'_>) -> Option<String> {
        match scalar {
            Scalar::Text("") => None,
            Scalar::Text(text) => Some(quoted(&self.hide(text.as_bytes()))),
            Scalar::Number(text) => {
                self.known.learn(text.as_bytes());
                Some(self.key.number(text.as_bytes()))
            }
            Scalar::Bool => Some("false".into()),
        }
    }

    /// Members by their names; pointers are for bodies.
    pub(super) fn claims(&mut self, claims: &mut Map<String, Value>) {
        for (name, value) in claims {
            let secret = self.secrets.is_name(name);
            self.claim(value, secret);
        }
    }

    fn claim(&mut self, value: &mut Value, secret: bool) {
        match value {
            Value::Object(members) if secret => {
                members.values_mut().for_each(|value| self.claim(value, true))
            }
            Value::Object(members) => self.claims(members),
            Value::Array(elements) => elements.iter_mut().for_each(|value| self.claim(value, secret)),
            Value::String(text) if secret && !text.is_empty() => *text = self.hide(text.as_bytes()),
            Value::Number(number) if secret => {
                let text = number.to_string();
                self.known.learn(text.as_bytes());
                *value = self.key.number(text.as_bytes()).parse::<u64>().map_or(Value::Null, Value::from);
            }
            Value::Bool(_) if secret => *value = Value::Bool(false),
            _ => {}
        }
    }

    pub(super) fn fields_again(&self, fields: &mut [(String, Bytes)]) {
        for (_, value) in fields.iter_mut().filter(|(name, _)| !ADDRESS.contains(&name.as_str())) {
            if let Some(new) = self.again(&value.0) {
                value.0 = new;
            }
        }
    }

    pub(super) fn body_again(&self, entry: &mut Entry) {
        let kind = body::kind(entry);
        let Some(body) = &mut entry.request.body else { return };
        let Some(text) = body::text(body) else { return };
        let new = match kind {
            Kind::Json => {
                let new = json::replace(text, &mut |_, scalar| self.scalar_again(scalar));
                new.ok().flatten().map(String::into_bytes)
            }
            _ => self.again(&body.0),
        };
        if let Some(new) = new {
            body.0 = new;
        }
    }

    fn scalar_again(&self, scalar: Scalar<'_>) -> Option<String> {
        match scalar {
            Scalar::Text(text) => Some(quoted(&String::from_utf8(self.again(text.as_bytes())?).ok()?)),
            Scalar::Number(text) => {
                self.known.is_in(text.as_bytes()).then(|| self.key.number(text.as_bytes()))
            }
            Scalar::Bool => None,
        }
    }

    pub(super) fn claims_again(&self, claims: &mut Map<String, Value>) {
        claims.values_mut().for_each(|value| self.claim_again(value));
    }

    fn claim_again(&self, value: &mut Value) {
        match value {
            Value::Object(members) => self.claims_again(members),
            Value::Array(elements) => elements.iter_mut().for_each(|value| self.claim_again(value)),
            Value::String(text) => {
                let new = self.again(text.as_bytes()).and_then(|new| String::from_utf8(new).ok());
                if let Some(new) = new {
                    *text = new;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// `text` without secrets that were seen, as they are or percent-encoded; none when there are none.
    fn again(&self, text: &[u8]) -> Option<Vec<u8>> {
        let hidden = |text: &[u8]| self.known.replace(text, |secret| self.key.pseudonym(secret));
        let plain = hidden(text);
        let encoded = pairs::replace_encoded(plain.as_deref().unwrap_or(text), hidden);
        encoded.or(plain)
    }
}

/// Who is named before `@` in an absolute URL, with a password (RFC 3986 section 3.2.1).
fn user(url: &[u8]) -> Option<&[u8]> {
    let start = url.windows(3).position(|window| window == b"://")? + 3;
    let rest = url.get(start..)?;
    let authority = rest.split(|byte| b"/?#".contains(byte)).next()?;
    let at = authority.iter().rposition(|&byte| byte == b'@')?;
    authority.get(..at).filter(|user| !user.is_empty())
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// What was scrubbed before stays as it is.
fn is_pseudonym(text: &[u8]) -> Option<String> {
    let digits = text.strip_prefix(b"scrubbed-")?;
    let is_one = digits.len() == 32 && digits.iter().all(u8::is_ascii_hexdigit);
    is_one.then(|| String::from_utf8_lossy(text).into_owned())
}
