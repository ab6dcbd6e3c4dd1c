//! An upstream that keeps what comes, byte by byte.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use xtask::reading::Request;

/// Answers every request, one a connection.
pub(crate) struct RawUpstream {
    address: SocketAddr,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

/// A request as it came.
#[derive(Debug)]
pub(crate) struct Arrived(Vec<u8>);

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

impl RawUpstream {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let arrived = Arc::<Mutex<Vec<Arrived>>>::default();
        let kept = Arc::clone(&arrived);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                tokio::spawn(async move { serve(stream, &kept).await });
            }
        });
        Ok(Self { address, arrived })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What came since the last time.
    pub(crate) fn take(&self) -> Vec<Arrived> {
        std::mem::take(&mut *self.arrived.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn serve(mut stream: TcpStream, kept: &Mutex<Vec<Arrived>>) -> Result<()> {
    let mut arrived = Arrived(Vec::new());
    while !arrived.is_whole() {
        ensure!(stream.read_buf(&mut arrived.0).await? > 0, "half a request");
    }
    kept.lock().unwrap_or_else(PoisonError::into_inner).push(arrived);
    Ok(stream.write_all(ANSWER).await?)
}

impl Arrived {
    /// Head and body.
    fn split(&self) -> Option<(&[u8], &[u8])> {
        let end = self.0.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
        self.0.split_at_checked(end + 4)
    }

    /// Start line and fields.
    fn lines(&self) -> Vec<&[u8]> {
        let (head, _) = self.split().unwrap_or((&self.0, b""));
        head.split(|&byte| byte == b'\n')
            .map(<[u8]>::trim_ascii_end)
            .filter(|line| !line.is_empty())
            .collect()
    }

    fn has(&self, field: &[u8]) -> bool {
        self.lines().iter().any(|line| line.eq_ignore_ascii_case(field))
    }

    fn is_whole(&self) -> bool {
        let Some((_, body)) = self.split() else { return false };
        if self.has(b"transfer-encoding: chunked") {
            return body.starts_with(b"0\r\n") && body.ends_with(b"\r\n\r\n")
                || body.windows(5).any(|bytes| bytes == b"\r\n0\r\n") && body.ends_with(b"\r\n\r\n");
        }
        let length = self.lines().into_iter().find_map(|line| line.strip_prefix(b"content-length: "));
        let length = length.and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
        body.len() >= length.unwrap_or(0)
    }

    /// The request as it was written: start line, fields and body.
    pub(super) fn is(&self, request: &Request) -> Result<()> {
        self.starts_as(request)?;
        for field in request.fields {
            ensure!(self.has(field), "`{}` is not in {self}", field.escape_ascii());
        }
        let body = self.split().map_or(&[][..], |(_, body)| body);
        ensure!(body == request.body, "the body is not what was sent: {self}");
        Ok(())
    }

    /// The request, but some of what is odd about it is not there.
    pub(super) fn is_without(&self, request: &Request) -> Result<()> {
        let start = [request.start, b" HTTP/1.1"].concat();
        let body = self.split().map_or(&[][..], |(_, body)| body);
        let odd = request.fields.iter().filter(|field| !self.has(field)).count();
        let changed = !self.has(&start) || odd > 0 || body != request.body;
        ensure!(changed, "nothing was changed: {self}");
        Ok(())
    }

    fn starts_as(&self, request: &Request) -> Result<()> {
        let start = [request.start, b" HTTP/1.1"].concat();
        let same = self.lines().first().is_some_and(|line| *line == start);
        ensure!(same, "the request line is another: {self}");
        Ok(())
    }
}

impl std::fmt::Display for Arrived {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}
