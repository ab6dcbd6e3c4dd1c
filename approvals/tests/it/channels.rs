//! Channels: local servers play the real ones, errors and limits included, and what people do there comes back.

mod cards;
mod chat;
mod clicks;
mod escalation;
mod hangs;
mod hostile;
mod letters;
mod links;
mod mime;
mod processes;
mod receiver;
mod smtp;
mod speed;
mod webhooks;
mod workspace;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_approvals::Channels;
use serde_json::Value;
use tempfile::TempDir;

use crate::databases::fresh;
use crate::harness::{Service, open_told, prepare};

/// Two secrets of webhooks.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(crate) const NEXT_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A file of channels, and what it names.
pub(crate) struct Configured {
    pub(crate) folder: TempDir,
}

impl Configured {
    /// `text` as the file; secrets lie beside it under these names.
    pub(crate) fn new(text: &str, secrets: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        for (name, secret) in secrets {
            private(&folder.path().join(name), secret);
        }
        std::fs::write(folder.path().join("channels.toml"), text).unwrap();
        Self { folder }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("channels.toml")
    }

    pub(crate) fn read(&self) -> Channels {
        Channels::read(&self.file(), "local").unwrap()
    }
}

pub(crate) fn private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Waits until something is there, for as long as a loaded machine may take.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "it never came: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The names of what happened to a request.
pub(crate) fn events(shown: &Value) -> Vec<String> {
    let history = shown["history"].as_array().unwrap();
    history.iter().map(|entry| entry["event"].as_str().unwrap().to_owned()).collect()
}

impl Service {
    /// A service with these channels, at work.
    pub(crate) async fn told(channels: &Channels) -> Self {
        let folder = TempDir::new().unwrap();
        let database = fresh(&folder).await;
        let app = open_told(&folder, &database, channels).await;
        prepare(&app).await;
        let service = Self { router: app.router(), jwk: app.jwk().await.unwrap(), app, folder, database };
        service.watch();
        service
    }

    /// Has deadlines and channels looked after, as the program does.
    pub(crate) fn watch(&self) -> tokio::task::JoinHandle<()> {
        let app = Arc::clone(&self.app);
        tokio::spawn(async move { app.keep_watch().await })
    }
}
