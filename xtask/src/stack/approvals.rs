//! The approval service, its accounts, and people who answer through its public interface.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use countersign_protocol::evidence::Record;
use reqwest::{Client, Method};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::Mutex;

use super::login::Login;
use super::process::Process;
use super::ticket::{Ticket, text};
use super::{AUDIENCE, until};
use crate::example::{Factor, Person};

/// Reads everything, answers nothing.
pub const AUDITOR: &str = "auditor";

/// The service, running.
#[derive(Debug)]
pub struct Approvals {
    process: Process,
    said: Said,
    token: String,
    logins: BTreeMap<String, Login>,
    /// A code counts once: whoever is logged in stays so.
    sessions: Mutex<BTreeMap<(String, Factor), String>>,
    http: Client,
}

#[derive(Debug, Deserialize)]
struct Said {
    listening: SocketAddr,
    issuer: String,
    jwk: Value,
}

impl Approvals {
    pub(super) async fn start(binary: &Path, folder: &Path, people: &[Person]) -> Result<Self> {
        let data = folder.join("approvals");
        let auditor = Person { name: AUDITOR.into(), groups: vec!["auditors".into()] };
        let mut logins = BTreeMap::new();
        for person in people.iter().chain([&auditor]) {
            let mut words = vec!["user", "add", &person.name];
            words.extend(person.groups.iter().flat_map(|group| ["--group", group]));
            let login = serde_json::from_value(prepare(binary, &data, &words).await?)?;
            logins.insert(person.name.clone(), login);
        }
        let added = prepare(binary, &data, &["gateway", "add", "envoy", "--audience", AUDIENCE]).await?;
        let token = added.get("token").and_then(Value::as_str).context("no gateway token")?.to_owned();
        let mut command = Command::new(binary);
        command.args(["--listen", "127.0.0.1:0", "--data"]).arg(&data);
        let (process, said) = Process::ready("approvals", command, folder).await?;
        let (said, http) = (serde_json::from_value(said)?, Client::new());
        Ok(Self { process, said, token, logins, sessions: Mutex::default(), http })
    }

    /// Where gateway and browsers find it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.said.listening
    }

    /// The system's number for its process, while it runs.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.process.id()
    }

    /// What it is called in grants.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.said.issuer
    }

    /// The key that verifies what it signs.
    #[must_use]
    pub fn key(&self) -> &Value {
        &self.said.jwk
    }

    /// The gateway's credential.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// How somebody logs in.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn login(&self, person: &str) -> Result<&Login> {
        self.logins.get(person).with_context(|| format!("`{person}` has no account"))
    }

    /// Waits until exactly this request is pending.
    ///
    /// # Errors
    /// When it does not come, or comes twice.
    pub async fn pending(&self, path: &str) -> Result<Ticket> {
        let what = format!("a request for approval of `{path}`");
        let id = until(&what, async || {
            let mut found = self.tickets(Some("pending"), path).await?;
            if found.len() > 1 {
                bail!("`{path}` is pending {} times", found.len());
            }
            Ok(found.pop())
        });
        self.ticket(&id.await?).await
    }

    /// The requests for `path` in a state, or in any, by id.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn tickets(&self, state: Option<&str>, path: &str) -> Result<Vec<String>> {
        let query = state.map(|state| format!("?state={state}")).unwrap_or_default();
        let list = self.read(&format!("/v1/requests{query}")).await?;
        let items = list.get("items").and_then(Value::as_array).context("no list of requests")?;
        let here = items.iter().filter(|item| item.get("path").and_then(Value::as_str) == Some(path));
        here.map(|item| text(item, "ticket")).collect()
    }

    /// A request as it stands.
    ///
    /// # Errors
    /// When there is none.
    pub async fn ticket(&self, id: &str) -> Result<Ticket> {
        Ticket::new(self.read(&format!("/v1/requests/{id}")).await?)
    }

    /// A request as one of its approvers reads it.
    ///
    /// # Errors
    /// When they must not see it.
    pub async fn seen_by(&self, ticket: &Ticket, person: &str) -> Result<Ticket> {
        let path = format!("/v1/requests/{}", ticket.id());
        let (status, said) = self.call(Method::GET, &path, person, Factor::Totp, None).await?;
        if status != 200 {
            bail!("`{person}` cannot read `{path}`: {status} {said}");
        }
        Ticket::new(said)
    }

    /// Somebody answers: the status of the reply, and the reply.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn answer(
        &self,
        ticket: &Ticket,
        person: &str,
        factor: Factor,
        kind: &str,
        reason: Option<&str>,
    ) -> Result<(u16, Value)> {
        let body = json!({ "kind": kind, "reason": reason, "shown": ticket.shown() });
        let path = format!("/v1/requests/{}/answers", ticket.id());
        self.call(Method::POST, &path, person, factor, Some(body)).await
    }

    /// Somebody approves, with the second factor.
    ///
    /// # Errors
    /// When the yes does not count.
    pub async fn approve(&self, ticket: &Ticket, person: &str) -> Result<()> {
        let (status, said) = self.answer(ticket, person, Factor::Totp, "approve", None).await?;
        if status != 200 {
            bail!("`{person}` cannot approve: {said}");
        }
        Ok(())
    }

    /// The evidence that is kept.
    ///
    /// # Errors
    /// When the service does not give it, or gives what is no record.
    pub async fn evidence(&self) -> Result<Vec<Record>> {
        self.records("/v1/evidence").await
    }

    /// The evidence of one kind, however much there is.
    ///
    /// # Errors
    /// As [`Self::evidence`].
    pub async fn evidence_of(&self, kind: &str) -> Result<Vec<Record>> {
        self.records(&format!("/v1/evidence?kind={kind}&limit={}", u32::MAX)).await
    }

    async fn records(&self, path: &str) -> Result<Vec<Record>> {
        let session = self.session(AUDITOR, Factor::Totp).await?;
        let request = self.http.get(self.url(path)).bearer_auth(session);
        let text = request.send().await?.error_for_status()?.text().await?;
        text.lines().map(|line| Ok(Record::parse(line.into())?)).collect()
    }

    /// Reads something with the auditor's eyes.
    ///
    /// # Errors
    /// When there is nothing.
    pub async fn read(&self, path: &str) -> Result<Value> {
        let (status, said) = self.call(Method::GET, path, AUDITOR, Factor::Totp, None).await?;
        if status != 200 {
            bail!("`{path}`: {status} {said}");
        }
        Ok(said)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        person: &str,
        factor: Factor,
        body: Option<Value>,
    ) -> Result<(u16, Value)> {
        let session = self.session(person, factor).await?;
        let mut request = self.http.request(method, self.url(path)).bearer_auth(session);
        if let Some(body) = &body {
            request = request.json(body);
        }
        let reply = request.send().await.with_context(|| self.process.tail())?;
        Ok((reply.status().as_u16(), reply.json().await?))
    }

    async fn session(&self, person: &str, factor: Factor) -> Result<String> {
        let mut sessions = self.sessions.lock().await;
        if let Some(session) = sessions.get(&(person.to_owned(), factor)) {
            return Ok(session.clone());
        }
        let login = self.login(person)?;
        let mut body = json!({ "user": person, "password": login.password });
        if factor == Factor::Totp
            && let Some(body) = body.as_object_mut()
        {
            body.insert("totp".into(), login.code()?.into());
        }
        let reply = self.http.post(self.url("/v1/sessions")).json(&body).send().await?;
        let session = text(&reply.error_for_status()?.json().await?, "session")?;
        sessions.insert((person.into(), factor), session.clone());
        Ok(session)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.said.listening)
    }

    pub(super) async fn stop(self) -> Result<()> {
        self.process.stop().await
    }
}

/// Runs one of the service's subcommands, which print one line of JSON.
async fn prepare(binary: &Path, data: &Path, words: &[&str]) -> Result<Value> {
    let mut command = Command::new(binary);
    let done = command.arg("--data").arg(data).args(words).output().await?;
    if !done.status.success() {
        bail!("the approval service refuses {words:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
    Ok(serde_json::from_slice(&done.stdout)?)
}
