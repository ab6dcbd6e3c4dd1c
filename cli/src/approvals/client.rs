//! Speaks to the approval service over its HTTP interface.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::{Method, Request, Response, StatusCode};
use ureq::{Agent, Body};

use super::show::one_line;
use crate::failure::Failure;

/// How long the service has for one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer that is read, bytes: a request with the largest body.
const LONGEST: u64 = 64 << 20;

/// The service, and who asks it.
pub(super) struct Client {
    agent: Agent,
    url: String,
    token_file: Option<PathBuf>,
}

/// An error as the service writes it (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
}

impl Client {
    pub(super) fn new(url: &str, token_file: Option<&Path>) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).max_redirects(0);
        let agent = config.timeout_connect(Some(PATIENCE)).build().into();
        Self { agent, url: url.trim_end_matches('/').to_owned(), token_file: token_file.map(Path::to_owned) }
    }

    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.read(self.send(Method::GET, path, Some(&self.token()?), None, Some(PATIENCE))?)
    }

    /// The same for what is no JSON, as it is.
    pub(super) fn get_text(&self, path: &str) -> Result<String, Failure> {
        self.text(self.send(Method::GET, path, Some(&self.token()?), None, Some(PATIENCE))?)
    }

    pub(super) fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Failure> {
        self.read(self.send(Method::POST, path, Some(&self.token()?), Some(body), Some(PATIENCE))?)
    }

    /// The same for somebody who has no session yet.
    pub(super) fn post_as_nobody<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Failure> {
        self.read(self.send(Method::POST, path, None, Some(body), Some(PATIENCE))?)
    }

    pub(super) fn delete(&self, path: &str) -> Result<(), Failure> {
        let token = self.token()?;
        self.well(self.send(Method::DELETE, path, Some(&token), None, Some(PATIENCE))?).map(drop)
    }

    /// Calls `then` at once, and each time that something changes at the service, until the stream ends.
    pub(super) fn follow(&self, mut then: impl FnMut() -> Result<(), Failure>) -> Result<(), Failure> {
        let token = self.token()?;
        let response = self.well(self.send(Method::GET, "/v1/live", Some(&token), None, None)?)?;
        // Only now: what changes from here on is told.
        then()?;
        for line in BufReader::new(response.into_body().into_reader()).lines() {
            let line = line.map_err(|error| Failure::Other(format!("`{}` went away: {error}", self.url)))?;
            if line.starts_with("data:") {
                then()?;
            }
        }
        Ok(())
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
        patience: Option<Duration>,
    ) -> Result<Response<Body>, Failure> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request =
            request.body(body).map_err(|error| Failure::Usage(format!("`{}`: {error}", self.url)))?;
        let agent = self.agent.configure_request(request).timeout_global(patience).build();
        self.agent.run(agent).map_err(|error| Failure::Other(format!("cannot ask `{}`: {error}", self.url)))
    }

    /// What the service does not do, in its own words.
    fn well(&self, mut response: Response<Body>) -> Result<Response<Body>, Failure> {
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let text = response.body_mut().read_to_string().unwrap_or_default();
        Err(match serde_json::from_str(&text) {
            Ok(Problem { detail, .. }) if status == StatusCode::UNAUTHORIZED => {
                let detail = one_line(&detail);
                Failure::Other(format!("{detail}: run `countersign approvals login`, or name an API token"))
            }
            Ok(Problem { code, detail }) => {
                Failure::Other(format!("{} ({})", one_line(&detail), one_line(&code)))
            }
            Err(_) => {
                Failure::Other(format!("`{}` answered {status}: is it the approval service?", self.url))
            }
        })
    }

    fn read<T: DeserializeOwned>(&self, response: Response<Body>) -> Result<T, Failure> {
        serde_json::from_str(&self.text(response)?).map_err(|error| self.unread(&error))
    }

    fn text(&self, response: Response<Body>) -> Result<String, Failure> {
        let mut response = self.well(response)?;
        let text = response.body_mut().with_config().limit(LONGEST).read_to_string();
        text.map_err(|error| self.unread(&error))
    }

    fn unread(&self, error: &dyn std::fmt::Display) -> Failure {
        Failure::Other(format!("`{}` answered what this version cannot read: {error}", self.url))
    }

    /// What the caller proves who they are with.
    fn token(&self) -> Result<String, Failure> {
        let read = |path: &Path| {
            let text = fs::read_to_string(path);
            text.map_err(|error| Failure::Unreadable(format!("cannot read `{}`: {error}", path.display())))
        };
        let token = match (&self.token_file, std::env::var("COUNTERSIGN_TOKEN")) {
            (Some(path), _) => read(path)?,
            (None, Ok(token)) => token,
            (None, Err(_)) => {
                let path = session_file()?;
                if !path.exists() {
                    let what =
                        "run `countersign approvals login`, or put an API token into COUNTERSIGN_TOKEN";
                    return Err(Failure::Usage(format!("nobody is logged in: {what}")));
                }
                let kept = read(&path)?;
                let (url, session) = kept.split_once('\n').unwrap_or_default();
                if url != self.url {
                    let what = format!("log in there, or name `{url}` with `--url`");
                    return Err(Failure::Usage(format!("nobody is logged in at `{}`: {what}", self.url)));
                }
                session.to_owned()
            }
        };
        Ok(token.trim().to_owned())
    }
}

/// Where `login` keeps the session (XDG Base Directory Specification, `XDG_STATE_HOME`).
fn session_file() -> Result<PathBuf, Failure> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
    let state = state.ok_or_else(|| Failure::Usage("neither XDG_STATE_HOME nor HOME is set".to_owned()))?;
    Ok(state.join("countersign/session"))
}

impl Client {
    /// Keeps a session for the commands that follow, with where it is one; readable by its owner alone.
    pub(super) fn keep(&self, session: &str) -> Result<(), Failure> {
        keep(&format!("{}\n{session}", self.url))
    }

    /// Refuses to send secrets where anybody can read them.
    pub(super) fn must_be_private(&self) -> Result<(), Failure> {
        let host =
            self.url.strip_prefix("http://").map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
        let near = |host: &str| {
            let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
            matches!(name, "localhost" | "127.0.0.1" | "[::1]")
        };
        if host.is_none_or(near) {
            return Ok(());
        }
        let what = "a password over it could be read on the way: use `https://`";
        Err(Failure::Usage(format!("`{}` is plain HTTP to another machine: {what}", self.url)))
    }
}

fn keep(text: &str) -> Result<(), Failure> {
    let path = session_file()?;
    let wrong = |error: std::io::Error| Failure::Other(format!("cannot write `{}`: {error}", path.display()));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(wrong)?;
    }
    // Anew, so that it never has the mode of a file that was there before.
    forget()?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(wrong)
}

/// Forgets the session.
pub(super) fn forget() -> Result<(), Failure> {
    let path = session_file()?;
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::Other(format!("cannot remove `{}`: {error}", path.display())))
        }
        _ => Ok(()),
    }
}
