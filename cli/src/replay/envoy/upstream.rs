//! The upstream: it answers 200 to everything, and keeps exactly what it got.

use std::collections::BTreeMap;
use std::io::Result;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_host_test::{Fields, Forwarded};
use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};

use super::now;
use super::wire::{Framing, Head, Reader};

/// The field in which the gateway names the client's connection, added behind every filter.
pub(super) const CLIENT: &str = "replay-client";

/// What came, by the client's connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Upstream(Arc<Mutex<BTreeMap<String, Vec<Forwarded>>>>);

impl Upstream {
    /// Listens, and serves in the background until the runtime ends.
    pub(super) async fn start() -> Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let upstream = Self::default();
        let serving = upstream.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.serve(stream).await });
            }
        });
        Ok((upstream, address))
    }

    /// All that came from a client's connection, which is forgotten.
    pub(super) fn take(&self, client: &str) -> Vec<Forwarded> {
        let mut came = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        came.remove(client).unwrap_or_default()
    }

    async fn serve(&self, stream: TcpStream) -> Result<()> {
        stream.set_nodelay(true)?;
        let (read, mut write) = stream.into_split();
        let mut reader = Reader::new(read);
        while let Some(head) = reader.head().await? {
            let mut forwarded = Forwarded { at: now(), ..Forwarded::default() };
            let framing = head.framing().unwrap_or(Framing::Length(0));
            let ended = reader.body(framing, &mut forwarded.body).await;
            forwarded.complete = ended.is_ok();
            let whole = ended.map(|trailers| forwarded.trailers = trailers);
            self.keep(head, forwarded);
            whole?;
            answer(&mut write).await?;
        }
        Ok(())
    }

    fn keep(&self, head: Head, mut forwarded: Forwarded) {
        let client = head.field(CLIENT).map(String::from_utf8_lossy).unwrap_or_default().into_owned();
        forwarded.headers = headers(&head);
        let mut came = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        came.entry(client).or_default().push(forwarded);
    }
}

async fn answer(write: &mut OwnedWriteHalf) -> Result<()> {
    write.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await
}

/// The fields as a filter would name them. HTTP/1.1 does not say the scheme; the gateway does in another field.
fn headers(head: &Head) -> Fields {
    let mut words = head.words();
    let mut word = || words.next().unwrap_or_default().to_vec();
    let (method, path) = (word(), word());
    let field = |name: &str| head.field(name).unwrap_or_default().to_vec();
    let mut headers = vec![
        (b":method".to_vec(), method),
        (b":scheme".to_vec(), field("x-forwarded-proto")),
        (b":authority".to_vec(), field("host")),
        (b":path".to_vec(), path),
    ];
    let ours = |name: &[u8]| name == b"host" || name == CLIENT.as_bytes();
    headers.extend(head.fields.iter().filter(|(name, _)| !ours(name)).cloned());
    headers
}
