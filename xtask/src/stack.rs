//! Approval service, upstream and Envoy, together on free ports of the loopback address, in a folder of
//! their own: started, waited for, and stopped when dropped.

pub mod agents;
pub mod approvals;
pub mod client;
pub mod gateway;
pub mod login;
pub mod process;
pub mod template;
pub mod ticket;
pub mod upstream;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Semaphore;

use crate::example::{Example, bundle};
use crate::workspace::{Workspace, run};
use agents::Agents;
use approvals::Approvals;
use gateway::{Gateway, Options};
use upstream::Upstream;

/// How long anything may take to be ready, or to come true, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Gateways that start at the same time.
const AT_ONCE: usize = 2;

/// What this gateway is called towards the approval service.
pub const AUDIENCE: &str = "deploy-gateway";

/// Everything but gateways, of which there may be several.
#[derive(Debug)]
pub struct Stack {
    /// Keeps requests and people's answers.
    pub approvals: Approvals,
    /// Keeps what reaches it.
    pub upstream: Upstream,
    /// Sign their tokens.
    pub agents: Agents,
    example: Example,
    service: PathBuf,
    template: String,
    envoy: PathBuf,
    filter: PathBuf,
    /// Turns to start a gateway: compiling the filter keeps a processor busy for seconds.
    turns: Semaphore,
    /// Goes last: those above write into it.
    folder: TempDir,
}

impl Stack {
    /// Builds what is needed and starts approval service and upstream.
    ///
    /// # Errors
    /// When something does not build or does not become ready.
    pub async fn start(workspace: &Workspace) -> Result<Self> {
        // Of the whole workspace, so that what the tests compiled is used again.
        let servers = [
            "--workspace",
            "--bin",
            "countersign",
            "--bin",
            "countersign-approvals",
            "--bin",
            "deploy-agent",
        ];
        run(workspace.cargo().args(["build", "--quiet"]).args(servers))?;
        Self::of(workspace, "debug").await
    }

    /// The same, with servers that were built as they are released.
    ///
    /// # Errors
    /// When the filter does not build or something does not become ready.
    pub async fn released(workspace: &Workspace) -> Result<Self> {
        Self::of(workspace, "release").await
    }

    async fn of(workspace: &Workspace, profile: &str) -> Result<Self> {
        let (filter, envoy) = (crate::plugin::build(workspace)?, crate::envoy::install(workspace)?);
        let server = |name: &str| workspace.target(profile).join(name);
        let example = Example::of(workspace);
        let folder = tempfile::Builder::new().prefix("countersign-").tempdir()?;
        let people = example.people()?;
        Ok(Self {
            approvals: Approvals::start(
                &server("countersign-approvals"),
                folder.path(),
                &people,
                approvals::Options::default(),
            )
            .await?,
            upstream: Upstream::start(&server("deploy-agent"), folder.path()).await?,
            agents: Agents::new()?,
            template: std::fs::read_to_string(workspace.root().join("envoy/envoy.yaml"))?,
            example,
            service: server("countersign-approvals"),
            envoy,
            filter,
            turns: Semaphore::new(AT_ONCE),
            folder,
        })
    }

    /// The gateway's configuration, with the example's policies.
    ///
    /// # Errors
    /// When template and values do not fit.
    pub fn configuration(&self) -> Result<Value> {
        self.configuration_of(&self.files()?)
    }

    /// The example's policies, their change windows relative to now.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn files(&self) -> Result<BTreeMap<String, String>> {
        self.example.files(now())
    }

    /// The gateway's configuration, with these files as its bundle.
    ///
    /// # Errors
    /// When template and values do not fit.
    pub fn configuration_of(&self, files: &BTreeMap<String, String>) -> Result<Value> {
        let mut values = self.values();
        values.push(("bundle", bundle(files).to_string()));
        template::fill(&self.template, &values)
    }

    /// The gateway's configuration, with these files as its bundle, for a gateway that `approvals` knows by
    /// `token`.
    ///
    /// # Errors
    /// When template and values do not fit.
    pub fn configuration_at(
        &self,
        approvals: &Approvals,
        token: &str,
        files: &BTreeMap<String, String>,
    ) -> Result<Value> {
        let mut values = self.values_at(approvals, token);
        values.push(("bundle", bundle(files).to_string()));
        template::fill(&self.template, &values)
    }

    /// What the names in the template stand for here, but for the bundle.
    #[must_use]
    pub fn values(&self) -> Vec<(&'static str, String)> {
        self.values_at(&self.approvals, self.approvals.token())
    }

    fn values_at(&self, service: &Approvals, token: &str) -> Vec<(&'static str, String)> {
        let (upstream, approvals) = (self.upstream.address(), service.address());
        vec![
            ("admin_port", "0".into()),
            ("gateway_port", "0".into()),
            ("jwt_issuer", agents::ISSUER.into()),
            ("jwt_audience", AUDIENCE.into()),
            ("jwks", self.agents.jwks().to_string()),
            ("wasm", self.filter.display().to_string()),
            ("audience", AUDIENCE.into()),
            ("timezone", "Europe/Berlin".into()),
            ("approval_token", token.into()),
            ("approval_issuer", service.issuer().into()),
            ("approval_key", service.key().to_string()),
            ("identity", identity().to_string()),
            ("upstream_address", upstream.ip().to_string()),
            ("upstream_port", upstream.port().to_string()),
            ("approvals_address", approvals.ip().to_string()),
            ("approvals_port", approvals.port().to_string()),
        ]
    }

    /// Starts a gateway of two workers and waits until it serves.
    ///
    /// # Errors
    /// When it does not: its log says why.
    pub async fn gateway(&self, name: &str, configuration: &Value) -> Result<Gateway> {
        self.gateway_of(name, configuration, &Options::default()).await
    }

    /// The same, started in another way.
    ///
    /// # Errors
    /// When it does not: its log says why.
    pub async fn gateway_of(&self, name: &str, configuration: &Value, options: &Options) -> Result<Gateway> {
        let _turn = self.turns.acquire().await?;
        Gateway::start(&self.envoy, self.folder.path(), name, configuration, options).await
    }

    /// Starts another approval service, with accounts and data of its own.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn approvals(&self, name: &str, options: approvals::Options) -> Result<Approvals> {
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder)?;
        Approvals::start(&self.service, &folder, &self.example.people()?, options).await
    }

    /// The filter that gateways load.
    #[must_use]
    pub fn filter(&self) -> &Path {
        &self.filter
    }

    /// Starts a gateway that must not serve, and gives its log after it exited with an error.
    ///
    /// # Errors
    /// When it serves, or exits without an error.
    pub async fn refused(&self, name: &str, configuration: &Value) -> Result<String> {
        let _turn = self.turns.acquire().await?;
        Gateway::refused(&self.envoy, self.folder.path(), name, configuration).await
    }

    /// The gateway's binary.
    #[must_use]
    pub fn envoy(&self) -> &Path {
        &self.envoy
    }

    /// Where logs and data lie while it runs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops both and waits until they are gone.
    ///
    /// # Errors
    /// When one cannot be stopped.
    pub async fn stop(self) -> Result<()> {
        self.upstream.stop().await?;
        self.approvals.stop().await
    }
}

/// Agents of the example, by token or by certificate.
fn identity() -> Value {
    json!([
        { "kind": "jwt", "metadata": "agents", "principal": { "type": "Deploy::Agent", "claim": "sub" } },
        { "kind": "peer_certificate", "trust_domain": "example.org", "type": "Deploy::Agent" },
    ])
}

/// Unix, milliseconds.
#[must_use]
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis().try_into().unwrap_or(i64::MAX)
}

/// Asks `probe` again and again until it gives something.
///
/// # Errors
/// When `probe` fails, or nothing came within [`PATIENCE`].
pub async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < deadline {
        if let Some(found) = probe().await? {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    bail!("waited {} s in vain for {what}", PATIENCE.as_secs())
}
