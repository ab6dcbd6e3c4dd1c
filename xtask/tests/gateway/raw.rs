//! HTTP/1.1 written byte by byte: what no well-behaved client sends, or not in such pieces.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};
use xtask::stack::client::{Answer, Prepared};

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

    /// Tells the other side that nothing more will come, and goes on listening.
    pub(crate) async fn half_close(&mut self) -> Result<()> {
        Ok(self.0.shutdown().await?)
    }

    /// The head of the next message.
    pub(crate) async fn read_head(&mut self) -> Result<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = timeout(LONGEST, self.0.read_u8()).await.context("no answer")??;
            head.push(byte);
        }
        Ok(String::from_utf8_lossy(&head).into_owned())
    }

    /// The next answer, whose connection may stay open; its body must have a length.
    pub(crate) async fn next_answer(&mut self) -> Result<Answer> {
        let head = self.read_head().await?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(Ok(0), str::parse)?];
        timeout(LONGEST, self.0.read_exact(&mut body)).await.context("half an answer")??;
        Ok(answer(status(&head)?, &String::from_utf8_lossy(&body)))
    }

    /// The whole answer, or status 0 where the connection just ends.
    pub(crate) async fn answer_or_end(mut self) -> Result<Answer> {
        let mut bytes = Vec::new();
        match timeout(LONGEST, self.0.read_to_end(&mut bytes)).await.context("no answer")? {
            Err(_) => return Ok(answer(0, "")),
            Ok(_) if bytes.is_empty() => return Ok(answer(0, "")),
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").context("half an answer")?;
        Ok(answer(status(head)?, body))
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
        Ok((status(&text)?, text))
    }
}

/// A connection that is used for one request after the other.
pub(crate) struct KeptAlive(Connection);

impl KeptAlive {
    pub(crate) async fn open(gateway: SocketAddr) -> Result<Self> {
        Ok(Self(Connection::open(gateway).await?))
    }

    /// Sends a request without a body, and waits for its answer.
    pub(crate) async fn send(&mut self, request: &Prepared) -> Result<Answer> {
        let head = request.head("content-length: 0\r\n")?.replace("connection: close\r\n", "");
        self.0.write(head.as_bytes()).await?;
        self.0.next_answer().await
    }
}

fn status(text: &str) -> Result<u16> {
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.with_context(|| format!("no status in `{text}`"))
}

fn answer(status: u16, body: &str) -> Answer {
    Answer { status, retry_after: None, body: serde_json::from_str(body).unwrap_or_default() }
}
