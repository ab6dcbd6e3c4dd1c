//! Callers that each send one request on a connection of their own and wait for its answer.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::example::Call;
use crate::stack::client::Prepared;

/// Connections that are opened at the same time.
const OPENING: usize = 100;
/// Longer than a request can be held here.
const PATIENCE: Duration = Duration::from_secs(180);

/// The key of the request that comes before all others, and is given up.
pub(super) const FIRST: &str = "first-of-all";

/// Somebody with a request, unlike every other.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) request: Prepared,
    wire: Arc<[u8]>,
}

/// All of them.
pub(super) struct Callers {
    pub(super) list: Vec<Caller>,
    first: Caller,
}

/// What a caller saw in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// An answer with this status.
    Status(u16),
    /// A failure, or an answer that is none.
    Broken(String),
}

/// Callers whose connections are open.
pub(super) struct Connected(Vec<(Caller, TcpStream)>);

/// Calls that are under way. Dropping them closes their connections.
pub(super) struct Calls(Vec<JoinHandle<Ended>>);

impl Callers {
    /// `count` callers in the name of whom `token` is for.
    pub(super) fn prepare(count: usize, token: &str) -> Result<Self> {
        let list =
            (0..count).map(|number| Caller::new(&format!("key-{number}"), token)).collect::<Result<_>>()?;
        Ok(Self { list, first: Caller::new(FIRST, token)? })
    }

    /// One more, to begin with.
    pub(super) fn first(&self) -> Self {
        Self { list: vec![self.first.clone()], first: self.first.clone() }
    }

    /// Opens a connection for each.
    pub(super) async fn connect(&self, gateway: SocketAddr) -> Result<Connected> {
        let turns = Arc::new(Semaphore::new(OPENING));
        let open = |caller: &Caller| {
            let (turns, caller) = (Arc::clone(&turns), caller.clone());
            tokio::spawn(async move {
                let _turn = turns.acquire().await?;
                anyhow::Ok((caller, TcpStream::connect(gateway).await?))
            })
        };
        let opening: Vec<_> = self.list.iter().map(open).collect();
        let mut connected = Vec::with_capacity(opening.len());
        for one in opening {
            connected.push(one.await?.context("no connection to the gateway")?);
        }
        Ok(Connected(connected))
    }
}

impl Caller {
    fn new(key: &str, token: &str) -> Result<Self> {
        let call = Call {
            method: "POST".into(),
            path: format!("/v1/keys/{key}/rotations"),
            justification: Some("ninety days are over".into()),
            body: Some(json!({ "key": key, "note": "x".repeat(100) })),
        };
        let request = Prepared::new(&call, Some(token))?;
        let mut wire = request.head(&format!("content-length: {}\r\n", request.body().len()))?.into_bytes();
        wire.extend_from_slice(request.body());
        Ok(Self { request, wire: wire.into() })
    }
}

impl Connected {
    /// Sends all requests.
    pub(super) fn send(self) -> Calls {
        let call = |(caller, stream): (Caller, TcpStream)| {
            tokio::spawn(async move {
                match timeout(PATIENCE, exchange(stream, &caller.wire)).await {
                    Ok(Ok(status)) => Ended::Status(status),
                    Ok(Err(error)) => Ended::Broken(error.to_string()),
                    Err(_) => Ended::Broken("no answer".into()),
                }
            })
        };
        Calls(self.0.into_iter().map(call).collect())
    }
}

impl Calls {
    /// Waits for all answers, in the order of the callers.
    pub(super) async fn ended(mut self) -> Result<Vec<Ended>> {
        let mut ended = Vec::with_capacity(self.0.len());
        for call in &mut self.0 {
            ended.push(call.await?);
        }
        Ok(ended)
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Broken(why) => f.write_str(why),
        }
    }
}

/// Sends a request and reads the answer to its end, which the closed connection marks.
async fn exchange(mut stream: TcpStream, wire: &[u8]) -> Result<u16> {
    stream.write_all(wire).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    status(&answer).with_context(|| format!("answered `{}`", String::from_utf8_lossy(&answer)))
}

fn status(answer: &[u8]) -> Option<u16> {
    let line = String::from_utf8_lossy(answer.split(|byte| *byte == b'\r').next()?).into_owned();
    line.strip_prefix("HTTP/1.1 ")?.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_an_answer_is_read() {
        assert_eq!(status(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n"), Some(201));
        assert_eq!(status(b""), None);
        assert_eq!(status(b"HTTP/1.1 abc\r\n"), None);
    }

    #[test]
    fn requests_differ() {
        let callers = Callers::prepare(2, "token").unwrap();
        let [one, two] = callers.list.as_slice() else { panic!() };
        assert_ne!(one.request.path(), two.request.path());
        assert_ne!(one.request.body(), two.request.body());
    }
}
