//! As much of HTTP/1.1 as a gateway's calls need, written by hand: a library would mend what tests must break.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Client, Method};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A call of the gateway.
pub(crate) struct Call {
    method: Method,
    pub(crate) path: String,
    /// What else of it the service is told.
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What becomes of the connection.
pub(crate) enum Ending {
    /// It serves the next call.
    Open,
    /// It is to be dropped.
    Reset,
}

/// The next call on a connection, or nothing at its end. `buffered` is what was read beyond the last one.
pub(crate) async fn read(stream: &mut TcpStream, buffered: &mut Vec<u8>) -> Result<Option<Call>> {
    let end = loop {
        if let Some(end) = buffered.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(buffered).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8(buffered.drain(..end + 4).collect())?;
    let mut lines = head.lines();
    let mut words = lines.next().context("no request line")?.split(' ');
    let (method, path) = (words.next().context("no method")?, words.next().context("no path")?);
    let mut call = Call { method: method.parse()?, path: path.into(), headers: Vec::new(), body: Vec::new() };
    let mut length = 0;
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        match name {
            "content-length" => length = value.parse()?,
            "authorization" | "content-type" => call.headers.push((name.into(), value.into())),
            "transfer-encoding" => anyhow::bail!("the gateway sends chunks"),
            _ => {}
        }
    }
    while buffered.len() < length {
        ensure!(stream.read_buf(buffered).await? > 0, "a call was cut short");
    }
    call.body = buffered.drain(..length).collect();
    Ok(Some(call))
}

/// Has the service answer a call: status and body.
pub(crate) async fn pass_on(service: SocketAddr, call: &Call) -> Result<(u16, Vec<u8>)> {
    let mut request = Client::new().request(call.method.clone(), format!("http://{service}{}", call.path));
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    let answer = request.body(call.body.clone()).send().await?;
    Ok((answer.status().as_u16(), answer.bytes().await?.to_vec()))
}

fn head(status: u16, length: usize) -> String {
    format!("HTTP/1.1 {status} \r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n")
}

/// Writes an answer.
pub(crate) async fn write(stream: &mut TcpStream, status: u16, body: &[u8]) -> Result<Ending> {
    stream.write_all(head(status, body.len()).as_bytes()).await?;
    stream.write_all(body).await?;
    Ok(Ending::Open)
}

/// Writes half of an answer, in such a way that it arrives before the connection ends.
pub(crate) async fn write_half(stream: &mut TcpStream, status: u16, body: &[u8]) -> Result<Ending> {
    stream.write_all(head(status, body.len()).as_bytes()).await?;
    stream.write_all(body.get(..body.len() / 2).unwrap_or_default()).await?;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    Ok(Ending::Reset)
}
