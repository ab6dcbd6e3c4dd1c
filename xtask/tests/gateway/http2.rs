//! A client that speaks HTTP/2 without TLS, and sends trailers.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use h2::client;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use tokio::net::TcpStream;
use xtask::stack::client::{Answer, HOST, Prepared};

/// Sends `request`, with `trailers` after its body if there are any, and waits for the answer.
pub(crate) async fn send(
    gateway: SocketAddr,
    request: &Prepared,
    trailers: &[(&'static str, &'static str)],
) -> Result<Answer> {
    let (client, connection) = client::handshake(TcpStream::connect(gateway).await?).await?;
    let connection = tokio::spawn(connection);
    let mut client = client.ready().await?;
    let mut head =
        Request::builder().method(request.method()).uri(format!("http://{HOST}{}", request.path()));
    for (name, value) in request.headers().iter().filter(|(name, _)| *name != "host") {
        head = head.header(name, value);
    }
    let (answer, mut body) = client.send_request(head.body(())?, false)?;
    body.send_data(request.body().to_vec().into(), trailers.is_empty())?;
    if !trailers.is_empty() {
        let fields = trailers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        body.send_trailers(fields.collect::<HeaderMap>())?;
    }
    let answer = answer.await.context("no answer")?;
    let status = answer.status().as_u16();
    let (mut stream, mut bytes) = (answer.into_body(), Vec::new());
    while let Some(chunk) = stream.data().await {
        let chunk = chunk?;
        stream.flow_control().release_capacity(chunk.len())?;
        bytes.extend_from_slice(&chunk);
    }
    connection.abort();
    Ok(Answer { status, retry_after: None, body: serde_json::from_slice(&bytes).unwrap_or_default() })
}
