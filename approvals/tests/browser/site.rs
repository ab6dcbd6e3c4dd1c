//! A service on a port of its own, and a provider to log in at.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use countersign_approvals::{LoginSettings, OidcSettings};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::databases::fresh;
use crate::harness::{Service, open_at, prepare};

/// The provider, and what finds pages that some people cannot use, as the registry has them.
const PACKAGES: [&str; 2] = ["oidc-provider@9.13.3", "axe-core@4.14.1"];

/// A service that a browser reaches.
pub(crate) struct Site {
    pub(crate) service: Service,
    /// Where it is.
    pub(crate) url: String,
    pub(crate) provider: Option<Provider>,
}

/// A running provider; it ends with the test.
pub(crate) struct Provider {
    pub(crate) issuer: String,
    process: Child,
    /// Kept open: it would end when it cannot print.
    _output: BufReader<ChildStdout>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The folder where the packages are.
pub(crate) fn installed() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("oidc-provider");
        std::fs::create_dir_all(&folder).unwrap();
        let marker = folder.join("installed");
        if std::fs::read_to_string(&marker).unwrap_or_default() != PACKAGES.join(" ") {
            std::fs::write(folder.join("package.json"), "{\"private\":true,\"type\":\"module\"}").unwrap();
            let words = ["install", "--silent", "--no-audit", "--no-fund"];
            assert!(
                Command::new("npm")
                    .args(words)
                    .args(PACKAGES)
                    .current_dir(&folder)
                    .status()
                    .unwrap()
                    .success()
            );
            std::fs::write(&marker, PACKAGES.join(" ")).unwrap();
        }
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/provider.mjs");
        std::fs::copy(program, folder.join("provider.mjs")).unwrap();
        folder
    })
}

impl Provider {
    fn start(url: &str) -> Self {
        let mut command = Command::new("node");
        command.current_dir(installed()).arg("provider.mjs").arg(format!("{url}/login/oidc/callback"));
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        Self { issuer: line.trim().to_owned(), process, _output: output }
    }

    /// From now on somebody is in these groups, and in no others.
    pub(crate) async fn groups(&self, name: &str, groups: Value) {
        let url = format!("{}/control/groups/{name}", self.issuer);
        let reply = reqwest::Client::new().post(url).json(&groups).send().await.unwrap();
        assert_eq!(reply.status(), 204);
    }
}

impl Site {
    /// A service with the people of [`prepare`].
    pub(crate) async fn open() -> Self {
        Self::start(false).await
    }

    /// The same, where people log in at a provider too.
    pub(crate) async fn with_provider() -> Self {
        Self::start(true).await
    }

    async fn start(with_provider: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let provider = with_provider.then(|| Provider::start(&url));
        let oidc = provider.as_ref().map(|provider| OidcSettings {
            issuer: provider.issuer.parse().unwrap(),
            client_id: "countersign".into(),
            client_secret: Some(openidconnect::ClientSecret::new(
                "secret-secret-secret-secret-secret".into(),
            )),
            scopes: vec!["profile".into()],
            groups_claim: "groups".into(),
            name_claim: "name".into(),
            admin_group: None,
            auditor_group: Some("audit".into()),
        });
        let folder = TempDir::new().unwrap();
        let database = fresh(&folder).await;
        let app = open_at(&folder, &database, &url, LoginSettings { no_passwords: false, oidc }).await;
        prepare(&app).await;
        let router = app.router();
        tokio::spawn({
            let router = router.clone();
            async move { axum::serve(listener, router).await }
        });
        Self {
            service: Service { jwk: app.jwk().await.unwrap(), app, router, folder, database },
            url,
            provider,
        }
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub(crate) fn provider(&self) -> &Provider {
        self.provider.as_ref().unwrap()
    }
}
