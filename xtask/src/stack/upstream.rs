//! The example's API, and what reached it.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use tokio::process::Command;

use super::PATIENCE;
use super::process::Process;

/// The upstream, running.
#[derive(Debug)]
pub struct Upstream {
    process: Process,
    said: Said,
}

#[derive(Debug, Deserialize)]
struct Said {
    listening: SocketAddr,
    calls: SocketAddr,
}

/// One call as it arrived.
#[derive(Debug, Clone, Deserialize)]
pub struct Arrived {
    /// When it was complete: Unix, milliseconds.
    pub at: i64,
    /// The HTTP method.
    pub method: String,
    /// Raw, with its query.
    pub path: String,
    /// In order.
    pub headers: Vec<(String, String)>,
    /// Lower-case hexadecimal.
    pub body_sha256: String,
    /// Length of the body.
    pub body_bytes: usize,
}

impl Upstream {
    pub(super) async fn start(binary: &Path, folder: &Path) -> Result<Self> {
        let (process, said) = Process::ready("upstream", Command::new(binary), folder, PATIENCE).await?;
        Ok(Self { process, said: serde_json::from_value(said)? })
    }

    /// Where the gateway finds it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.said.listening
    }

    /// Every call so far, in the order of arrival.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn calls(&self) -> Result<Vec<Arrived>> {
        let answer = reqwest::get(format!("http://{}/calls", self.said.calls)).await;
        Ok(answer.with_context(|| self.process.tail())?.json().await?)
    }

    pub(super) async fn stop(mut self) -> Result<()> {
        self.process.kill().await
    }
}

impl Arrived {
    /// The values of a header, in order.
    #[must_use]
    pub fn header(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }
}
