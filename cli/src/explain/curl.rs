//! A `curl` command line as the request that it would send.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_protocol::recording::{Bytes, Request};

use super::flags::{self, Flag};
use super::shell::{ShellError, words};
use super::url::{self, Url, UrlError};

/// Why a command line is no request.
#[derive(Debug, thiserror::Error)]
pub enum CurlError {
    /// It cannot be split into words.
    #[error(transparent)]
    Shell(#[from] ShellError),
    /// It is another command.
    #[error("`{0}` is not `curl`")]
    NotCurl(String),
    /// A flag that is not known.
    #[error(
        "`{0}` is not understood, and it may change the request: leave it out, or write the request as JSON"
    )]
    Unknown(String),
    /// A flag at the end.
    #[error("`{0}` needs a value")]
    NoValue(String),
    /// A word that must be text.
    #[error("`{0}` is not UTF-8")]
    NotText(String),
    /// No address.
    #[error("there is no address")]
    NoUrl,
    /// More than one address, or `-:`.
    #[error("there is more than one request: `{0}`")]
    SecondUrl(String),
    /// The address.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A header that is no header.
    #[error("`-H {0}` is no header: write `name: value`")]
    Header(String),
    /// A file with data.
    #[error("cannot read `{path}`: {error}")]
    File {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// Cookies that are in a file.
    #[error("`-b {0}` is a file of cookies: write them as `name=value`")]
    CookieFile(String),
    /// Data from where nothing is read.
    #[error("`@-` is what is typed in: write it to a file")]
    Stdin,
}

/// What was said so far.
#[derive(Default)]
struct Command {
    url: Option<String>,
    method: Option<String>,
    headers: Vec<String>,
    body: Option<Vec<u8>>,
    get: bool,
    head: bool,
    json: bool,
    no_glob: bool,
    /// Headers that a flag asks for, in lower case; `-H` goes before them.
    asked: Vec<(&'static str, String)>,
}

/// The request that a command line would send.
///
/// # Errors
/// See [`CurlError`].
pub(super) fn request(line: &str) -> Result<Request, CurlError> {
    let mut words = words(line)?.into_iter();
    let first = words.find(|word| word != b"$").unwrap_or_default();
    let name = text(first)?;
    if !matches!(Path::new(&name).file_stem().and_then(|name| name.to_str()), Some("curl")) {
        return Err(CurlError::NotCurl(name));
    }
    let mut command = Command::default();
    let mut only_words = false;
    while let Some(word) = words.next() {
        let shown = String::from_utf8_lossy(&word).into_owned();
        match shown.strip_prefix("--") {
            _ if only_words || shown == "-" || !shown.starts_with('-') => command.address(text(word)?)?,
            Some("") => only_words = true,
            Some(name) => {
                let flag = flags::long(name).ok_or_else(|| CurlError::Unknown(shown.clone()))?;
                let value = flag.takes_value().then(|| words.next());
                command.apply(flag, &shown, value.map(|value| value.ok_or(())))?;
            }
            None => command.short(&word, &shown, &mut words)?,
        }
    }
    command.request()
}

fn text(word: Vec<u8>) -> Result<String, CurlError> {
    String::from_utf8(word)
        .map_err(|error| CurlError::NotText(String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

impl Command {
    /// Short flags may stand together, and a value may follow its flag at once: `-sXPOST`.
    fn short(
        &mut self,
        word: &[u8],
        shown: &str,
        words: &mut impl Iterator<Item = Vec<u8>>,
    ) -> Result<(), CurlError> {
        for (place, letter) in word.iter().enumerate().skip(1) {
            let name = format!("-{}", char::from(*letter));
            let flag = flags::short(char::from(*letter)).ok_or_else(|| {
                CurlError::Unknown(if word.len() == 2 {
                    shown.into()
                } else {
                    format!("{name}` in `{shown}")
                })
            })?;
            if flag.takes_value() {
                let rest = word.get(place + 1..).filter(|rest| !rest.is_empty()).map(<[u8]>::to_vec);
                return self.apply(flag, &name, Some(rest.or_else(|| words.next()).ok_or(())));
            }
            self.apply(flag, &name, None)?;
        }
        Ok(())
    }

    fn apply(&mut self, flag: Flag, name: &str, value: Option<Result<Vec<u8>, ()>>) -> Result<(), CurlError> {
        let value = value.unwrap_or_else(|| Ok(Vec::new())).map_err(|()| CurlError::NoValue(name.into()))?;
        match flag {
            Flag::Nothing { .. } => {}
            Flag::Method => self.method = Some(text(value)?),
            Flag::Header => self.headers.push(text(value)?),
            Flag::Url => self.address(text(value)?)?,
            Flag::Data => self.add(data(value, false)?),
            Flag::DataRaw => self.add(value),
            Flag::DataBinary => self.add(data(value, true)?),
            Flag::DataEncoded => self.add(encoded(&text(value)?)?.into_bytes()),
            Flag::Json => {
                // Several are one text, with nothing between.
                self.json = true;
                self.body.get_or_insert_default().extend(data(value, true)?);
            }
            Flag::Get => self.get = true,
            Flag::Head => self.head = true,
            Flag::User => self.asked.push(("authorization", format!("Basic {}", STANDARD.encode(value)))),
            Flag::Bearer => self.asked.push(("authorization", format!("Bearer {}", text(value)?))),
            Flag::Cookie => self.cookie(text(value)?)?,
            Flag::UserAgent => self.asked.push(("user-agent", text(value)?)),
            Flag::Referer => self.asked.push(("referer", text(value)?)),
            Flag::Range => self.asked.push(("range", format!("bytes={}", text(value)?))),
            Flag::Compressed => {
                self.asked.push(("accept-encoding", "deflate, gzip, br, zstd".into()));
            }
            Flag::NoGlob => self.no_glob = true,
        }
        Ok(())
    }

    fn address(&mut self, url: String) -> Result<(), CurlError> {
        match self.url {
            None => self.url = Some(url),
            Some(_) => return Err(CurlError::SecondUrl(url)),
        }
        Ok(())
    }

    /// Several are joined by `&`.
    fn add(&mut self, data: Vec<u8>) {
        match &mut self.body {
            Some(body) => {
                body.push(b'&');
                body.extend(data);
            }
            None => self.body = Some(data),
        }
    }

    fn cookie(&mut self, value: String) -> Result<(), CurlError> {
        if !value.contains('=') {
            return Err(CurlError::CookieFile(value));
        }
        match self.asked.iter_mut().find(|(name, _)| *name == "cookie") {
            Some((_, cookies)) => cookies.extend(["; ", &value].map(String::from)),
            None => self.asked.push(("cookie", value)),
        }
        Ok(())
    }

    fn request(self) -> Result<Request, CurlError> {
        let mut url = Url::parse(self.url.as_deref().ok_or(CurlError::NoUrl)?, self.no_glob)?;
        let body = if self.get { None } else { self.body.clone() };
        if let Some(query) = self.body.as_ref().filter(|_| self.get) {
            url.add_query(&text(query.clone())?);
        }
        let method = match (&self.method, self.head, &body) {
            (Some(method), _, _) => method.clone(),
            (None, true, _) => "HEAD".into(),
            (None, false, Some(_)) => "POST".into(),
            (None, false, None) => "GET".into(),
        };
        let fields = self.fields(&url, body.as_deref())?;
        let host = fields.iter().find(|(name, _)| name == "host").map(|(_, value)| value.clone());
        let pseudo = [
            (":method", method),
            (":scheme", url.scheme),
            (":authority", host.unwrap_or(url.authority)),
            (":path", url.path),
        ];
        let pseudo = pseudo.into_iter().map(|(name, value)| (name.to_owned(), value));
        let headers = pseudo.chain(fields.into_iter().filter(|(name, _)| name != "host"));
        let headers = headers.map(|(name, value)| (name, Bytes(value.into_bytes()))).collect();
        Ok(Request { headers, body: body.map(Bytes), ..Request::default() })
    }

    /// What `curl` adds by itself, unless `-H` says otherwise, and then what `-H` says.
    fn fields(&self, url: &Url, body: Option<&[u8]>) -> Result<Vec<(String, String)>, CurlError> {
        let mut own = vec![("user-agent", "curl".to_owned()), ("accept", "*/*".to_owned())];
        own.extend(
            url.user.as_ref().map(|user| ("authorization", format!("Basic {}", STANDARD.encode(user)))),
        );
        if let Some(body) = body {
            let form = "application/x-www-form-urlencoded".to_owned();
            own.extend([("content-type", form), ("content-length", body.len().to_string())]);
        }
        let json = [("content-type", "application/json"), ("accept", "application/json")];
        let json = json.into_iter().filter(|_| self.json).map(|(name, value)| (name, value.to_owned()));
        for (name, value) in json.chain(self.asked.iter().cloned()) {
            own.retain(|(known, _)| *known != name);
            own.push((name, value));
        }
        let mut said = Vec::new();
        for header in &self.headers {
            said.push(field(header)?);
        }
        let own = own.into_iter().filter(|(name, value)| {
            let told = said.iter().any(|(known, _)| known == name);
            // `-A ""` takes the header away.
            !(told || *name == "user-agent" && value.is_empty())
        });
        let own: Vec<_> = own.map(|(name, value)| (name.to_owned(), value)).collect();
        let said = said.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Ok(own.into_iter().chain(said).collect())
    }
}

/// `name: value`; `name;` has an empty value, and `name:` takes the header away.
fn field(header: &str) -> Result<(String, Option<String>), CurlError> {
    let wrong = || CurlError::Header(header.into());
    let (name, value) = match header.split_once(':') {
        Some((name, value)) => (name, Some(value.trim()).filter(|value| !value.is_empty())),
        None => (header.strip_suffix(';').ok_or_else(wrong)?, Some("")),
    };
    let good = !name.is_empty() && !name.contains(char::is_whitespace);
    good.then(|| (name.to_ascii_lowercase(), value.map(str::to_owned))).ok_or_else(wrong)
}

/// Data, or what is in the file that `@` names.
fn data(value: Vec<u8>, as_it_is: bool) -> Result<Vec<u8>, CurlError> {
    let Some(path) = value.strip_prefix(b"@") else { return Ok(value) };
    let mut content = file(&String::from_utf8_lossy(path))?;
    if !as_it_is {
        content.retain(|byte| !b"\r\n\0".contains(byte));
    }
    Ok(content)
}

fn file(path: &str) -> Result<Vec<u8>, CurlError> {
    if path == "-" {
        return Err(CurlError::Stdin);
    }
    std::fs::read(path).map_err(|error| CurlError::File { path: path.into(), error })
}

/// `content`, `=content`, `name=content`, `@file` or `name@file`, with the content encoded.
fn encoded(value: &str) -> Result<String, CurlError> {
    let place = value.find(['=', '@']).unwrap_or(value.len());
    let (name, rest) = value.split_at_checked(place).unwrap_or((value, ""));
    let (name, content) = match (rest.strip_prefix('='), rest.strip_prefix('@')) {
        (Some(content), _) => (name, content.as_bytes().to_vec()),
        (_, Some(path)) => (name, file(path)?),
        _ => ("", value.as_bytes().to_vec()),
    };
    let equals = if name.is_empty() { "" } else { "=" };
    Ok(format!("{name}{equals}{}", url::encode(&content)))
}

#[cfg(test)]
mod tests;
