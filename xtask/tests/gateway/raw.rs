//! HTTP/1.1 written byte by byte: what no well-behaved client sends, or not in such pieces.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};

/// No answer is waited for longer: holds last 90 s.
const LONGEST: Duration = Duration::from_secs(120);

/// A connection to a gateway.
pub(crate) struct Connection<S = TcpStream>(S);

impl Connection {
    pub(crate) async fn open(gateway: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(gateway).await?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self(stream)
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write_all(bytes).await?;
        Ok(self.0.flush().await?)
    }

    /// The status and the whole text of the answer; the request must have asked to close the connection.
    pub(crate) async fn answer(mut self) -> Result<(u16, String)> {
        let mut bytes = Vec::new();
        timeout(LONGEST, self.0.read_to_end(&mut bytes)).await.context("no answer")??;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.with_context(|| format!("no status in `{text}`"))?, text))
    }
}
