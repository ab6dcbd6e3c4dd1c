//! The approval service, its accounts, and people who answer through its public interface.

mod launcher;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use countersign_protocol::evidence::Record;
use reqwest::{Client, Method};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::login::Login;
use super::process::Process;
use super::ticket::{Ticket, text};
use super::{PATIENCE, until};
use crate::example::{Factor, Person};
use launcher::Launcher;

/// Reads everything, answers nothing.
pub const AUDITOR: &str = "auditor";

/// How a service is started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where it listens on the loopback address; 0 takes any free port.
    pub port: u16,
    /// Added to its command line.
    pub arguments: Vec<String>,
    /// How far its clock is ahead of this machine's, seconds.
    pub clock_ahead: i64,
}

/// The service, running.
#[derive(Debug)]
pub struct Approvals {
    process: Mutex<Process>,
    launcher: Launcher,
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
    pub(super) async fn start(
        binary: &Path,
        folder: &Path,
        people: &[Person],
        options: Options,
    ) -> Result<Self> {
        let launcher = Launcher::new(binary, folder, options)?;
        let auditor = Person { name: AUDITOR.into(), groups: vec!["auditors".into()] };
        let mut logins = BTreeMap::new();
        for person in people.iter().chain([&auditor]) {
            let mut words = vec!["user", "add", &person.name];
            words.extend(person.groups.iter().flat_map(|group| ["--group", group]));
            logins.insert(person.name.clone(), serde_json::from_value(launcher.prepare(&words).await?)?);
        }
        let token = launcher.add_gateway("envoy").await?;
        let listen = format!("127.0.0.1:{}", launcher.options.port);
        let (process, said) = launcher.serve(&listen, &launcher.options.arguments, PATIENCE).await?;
        let (process, said, http) = (Mutex::new(process), serde_json::from_value(said)?, Client::new());
        Ok(Self { process, launcher, said, token, logins, sessions: Mutex::default(), http })
    }

    /// Adds a gateway of the same audience, and gives its credential.
    ///
    /// # Errors
    /// When the service does not take it.
    pub async fn add_gateway(&self, name: &str) -> Result<String> {
        self.launcher.add_gateway(name).await
    }

    /// What it logged so far, in all its lives.
    pub async fn log(&self) -> String {
        self.process.lock().await.log()
    }

    /// Ends it at once, as SIGKILL does.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn kill(&self) -> Result<()> {
        self.process.lock().await.kill().await
    }

    /// Starts it again after it was ended, with the same data, at the same address.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn restart(&self) -> Result<()> {
        self.restart_within(PATIENCE).await
    }

    /// The same, but what is not ready after `patience` is ended as SIGKILL does.
    ///
    /// # Errors
    /// When it does not become ready in that time.
    pub async fn restart_within(&self, patience: Duration) -> Result<()> {
        self.start_again(&self.launcher.options.arguments, patience).await
    }

    /// The same, with other options on its command line.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn restart_with(&self, arguments: &[String]) -> Result<()> {
        self.start_again(arguments, PATIENCE).await
    }

    async fn start_again(&self, arguments: &[String], patience: Duration) -> Result<()> {
        let mut process = self.process.lock().await;
        (*process, _) = self.launcher.serve(&self.said.listening.to_string(), arguments, patience).await?;
        Ok(())
    }

    /// Where it keeps its key, its accounts and its database.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.launcher.data()
    }

    /// Where gateway and browsers find it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.said.listening
    }

    /// The system's number for its process, while it runs.
    #[must_use]
    pub async fn process(&self) -> Option<u32> {
        self.process.lock().await.id()
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
        let query = state.map(|state| format!("&state={state}")).unwrap_or_default();
        let list = self.read(&format!("/v1/requests?limit=500{query}")).await?;
        let items = list.get("items").and_then(Value::as_array).context("no list of requests")?;
        let here = items.iter().filter(|item| item.get("path").and_then(Value::as_str) == Some(path));
        here.map(|item| text(item, "ticket")).collect()
    }

    /// Every request that waits for people, by id.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn all_pending(&self) -> Result<Vec<String>> {
        let list = self.read("/v1/requests?limit=500&state=pending").await?;
        let items = list.get("items").and_then(Value::as_array).context("no list of requests")?;
        items.iter().map(|item| text(item, "ticket")).collect()
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
        let shown = match ticket.shown() {
            "" => self.seen_by(ticket, person).await?.shown().to_owned(),
            shown => shown.to_owned(),
        };
        let body = json!({ "kind": kind, "reason": reason, "shown": shown });
        let path = format!("/v1/requests/{}/answers", ticket.id());
        self.call(Method::POST, &path, person, factor, Some(body)).await
    }

    /// Somebody opens the gates alone.
    ///
    /// # Errors
    /// When the service does not take it.
    pub async fn break_glass(&self, ticket: &Ticket, person: &str, reason: &str) -> Result<()> {
        let body = json!({ "kind": "break_glass", "reason": reason, "shown": ticket.shown() });
        let path = format!("/v1/requests/{}/answers", ticket.id());
        match self.call(Method::POST, &path, person, Factor::Totp, Some(body)).await? {
            (200, _) => Ok(()),
            (status, said) => bail!("`{person}` cannot break the glass: {status} {said}"),
        }
    }

    /// Runs one of the service's subcommands on its data while it runs, and gives what it prints.
    ///
    /// # Errors
    /// When it fails.
    pub async fn manage(&self, words: &[&str]) -> Result<Value> {
        self.launcher.prepare(words).await
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

    /// What one filter instance made of it.
    ///
    /// # Errors
    /// As [`Self::evidence`].
    pub async fn evidence_of(&self, producer: &str) -> Result<Vec<Record>> {
        self.records(&format!("/v1/evidence?producer={producer}&limit={}", 1_000_000)).await
    }

    /// The evidence of one kind, however much there is.
    ///
    /// # Errors
    /// As [`Self::evidence`].
    pub async fn evidence_of_kind(&self, kind: &str) -> Result<Vec<Record>> {
        self.records(&format!("/v1/evidence?kind={kind}&limit={}", 1_000_000)).await
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

    pub(crate) async fn call(
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
        let reply = match request.send().await {
            Ok(reply) => reply,
            Err(error) => return Err(error).context(self.process.lock().await.tail()),
        };
        Ok((reply.status().as_u16(), reply.json().await?))
    }

    /// Somebody logs in with the second factor, and stays logged in.
    ///
    /// # Errors
    /// When the service does not let them in.
    pub async fn log_in(&self, person: &str) -> Result<()> {
        self.session(person, Factor::Totp).await.map(drop)
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
            body.insert("totp".into(), login.code(self.launcher.options.clock_ahead)?.into());
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
        self.kill().await
    }
}
