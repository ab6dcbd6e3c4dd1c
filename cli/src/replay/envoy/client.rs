//! A client: sends a recorded request byte by byte, and takes what comes back until it leaves.

use std::io::Result;
use std::net::SocketAddr;
use std::time::Duration;

use countersign_host_test::Response;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, split};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_rustls::rustls::pki_types::ServerName;

use super::certificates::{Connectors, NAME};
use super::message::Message;
use super::wire::{Framing, Reader};

/// Between two pieces of a body, so that the gateway reads each by itself.
const GAP: Duration = Duration::from_millis(3);

/// No answer is waited for longer.
const LONGEST: Duration = Duration::from_secs(3600);

/// A connection that was made, whose request is still to be sent.
pub(super) struct Client {
    stream: TcpStream,
    /// How log and upstream name it.
    pub(super) name: String,
}

/// What came back.
#[derive(Debug, Default)]
pub(super) struct Came {
    pub(super) response: Response,
    /// Whether the client left before all of it was there.
    pub(super) left: bool,
    pub(super) took: Duration,
}

impl Client {
    /// Connects as somebody who says to be at `said`.
    pub(super) async fn connect(gateway: SocketAddr, said: Option<SocketAddr>) -> Result<Self> {
        let stream = TcpStream::connect(gateway).await?;
        stream.set_nodelay(true)?;
        let end = stream.local_addr()?;
        Ok(Self { name: format!("{end} {}", said.unwrap_or(end)), stream })
    }

    /// Sends a request and takes the response. A connection that breaks leaves what came until then.
    pub(super) async fn send(mut self, message: &Message, connectors: &Connectors) -> Result<Came> {
        let begun = Instant::now();
        self.stream.write_all(&message.preface).await?;
        let connector = message.secure.then(|| connectors.get(&message.uri_san)).flatten();
        let mut came = match connector {
            None => exchange(self.stream, message, begun).await,
            Some(connector) => {
                let name = ServerName::try_from(NAME).map_err(std::io::Error::other)?;
                exchange(connector.connect(name, self.stream).await?, message, begun).await
            }
        };
        came.took = begun.elapsed();
        Ok(came)
    }
}

async fn exchange<S: AsyncRead + AsyncWrite>(stream: S, message: &Message, begun: Instant) -> Came {
    let (read, mut write) = split(stream);
    let mut reader = Reader::new(read);
    let mut came = Came::default();
    let talk = async {
        let writing = async {
            let _broken = write_all(&mut write, &message.pieces).await;
            // What could not be sent was not wanted: the answer says why.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = response(&mut reader, message.bodiless, &mut came.response) => (),
            () = writing => (),
        }
    };
    came.left = timeout_at(begun + message.leaves.unwrap_or(LONGEST), talk).await.is_err();
    came
}

async fn write_all(write: &mut (impl AsyncWrite + Unpin), pieces: &[Vec<u8>]) -> Result<()> {
    for (index, piece) in pieces.iter().enumerate() {
        if index > 0 {
            sleep(GAP).await;
        }
        write.write_all(piece).await?;
        write.flush().await?;
    }
    Ok(())
}

/// Takes a response, without those before it that are no final answer (RFC 9110 section 15.2).
async fn response<S: AsyncRead + Unpin>(
    reader: &mut Reader<S>,
    bodiless: bool,
    into: &mut Response,
) -> Result<()> {
    while let Some(head) = reader.head().await? {
        let status = head.status();
        if (100..200).contains(&status) && status != 101 {
            continue;
        }
        let framing = head.framing().unwrap_or(Framing::Close);
        into.headers = [(b":status".to_vec(), status.to_string().into_bytes())].into();
        into.headers.extend(head.fields);
        if !(bodiless || status == 204 || status == 304) {
            into.trailers = reader.body(framing, &mut into.body).await?;
        }
        return Ok(());
    }
    Ok(())
}
