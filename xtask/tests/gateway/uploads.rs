//! Bodies that nobody reads are not kept: however large, they flow through. Bodies that are judged fit over HTTP/2 as they do
//! over HTTP/1.1.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use xtask::example::Call;

use crate::Trials;
use crate::http2;
use crate::raw::Connection;
use crate::reading::gateways::configuration;
use crate::world::World;

/// Bytes of an upload.
const UPLOAD: u64 = 1 << 30;
/// Bytes written at a time.
const PIECE: usize = 256 * 1024;
/// By how much the gateway's memory may grow, bytes.
const GROWTH: u64 = 20 << 20;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("upload: 1 GB that nobody reads, in flat memory", flat);
    trials.add("body: of 500 KB, over HTTP/2", large_over_http2);
}

async fn flat(world: &World) -> Result<()> {
    let (upstream, counted) = counting().await?;
    let gateway = world.stack.gateway("uploads", &configuration(world, upstream)?).await?;
    let address = gateway.address();
    // What a first request needs once is not growth.
    upload(address, &counted, PIECE as u64, false).await?;
    let before = gateway.memory()?;
    for chunked in [false, true] {
        let upload = upload(address, &counted, UPLOAD, chunked);
        let most = async {
            let mut most = before;
            loop {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                most = most.max(gateway.memory()?);
                ensure!(most <= before + GROWTH, "the gateway grew from {before} to {most} bytes");
            }
        };
        tokio::select! {
            done = upload => done?,
            grown = most => grown?,
        }
    }
    gateway.stop().await
}

/// Sends an upload through a route that reads no body, and holds what arrived to what was sent.
async fn upload(gateway: SocketAddr, counted: &AtomicU64, size: u64, chunked: bool) -> Result<()> {
    counted.store(0, Ordering::Relaxed);
    let framing =
        if chunked { "transfer-encoding: chunked".into() } else { format!("content-length: {size}") };
    let head = format!(
        "POST /items/a HTTP/1.1\r\nhost: read.example\r\nx-user: ann\r\nconnection: close\r\n{framing}\r\n\r\n"
    );
    let mut connection = Connection::open(gateway).await?;
    connection.write(head.as_bytes()).await?;
    let bytes = vec![b'x'; PIECE];
    let piece = if chunked { [format!("{PIECE:x}\r\n").as_bytes(), &bytes, b"\r\n"].concat() } else { bytes };
    for _ in 0..size / PIECE as u64 {
        connection.write(&piece).await?;
    }
    if chunked {
        connection.write(b"0\r\n\r\n").await?;
    }
    let answer = connection.next_answer().await?;
    ensure!(answer.status == 200, "answered {}: {}", answer.status, answer.body);
    let arrived = counted.load(Ordering::Relaxed);
    ensure!(arrived == size, "{arrived} of {size} bytes arrived");
    Ok(())
}

/// An upstream that counts the bytes of bodies and forgets them.
async fn counting() -> Result<(SocketAddr, Arc<AtomicU64>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let counted = Arc::<AtomicU64>::default();
    let count = Arc::clone(&counted);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move { serve(stream, &count).await });
        }
    });
    Ok((address, counted))
}

async fn serve(stream: TcpStream, count: &AtomicU64) -> Result<()> {
    let mut stream = tokio::io::BufStream::with_capacity(PIECE, PIECE, stream);
    let head = line_by_line(&mut stream).await?;
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
    match length {
        Some(digits) => swallow(&mut stream, digits.parse()?, count).await?,
        None => loop {
            let size = u64::from_str_radix(line(&mut stream).await?.trim(), 16)?;
            swallow(&mut stream, size, count).await?;
            line(&mut stream).await?;
            if size == 0 {
                break;
            }
        },
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await?;
    Ok(stream.flush().await?)
}

type Buffered = tokio::io::BufStream<TcpStream>;

async fn line(stream: &mut Buffered) -> Result<String> {
    let mut line = String::new();
    tokio::io::AsyncBufReadExt::read_line(stream, &mut line).await?;
    ensure!(!line.is_empty(), "half a request");
    Ok(line.trim_end().to_owned())
}

/// The head, without its empty line.
async fn line_by_line(stream: &mut Buffered) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        match line(stream).await? {
            end if end.is_empty() => return Ok(lines),
            line => lines.push(line),
        }
    }
}

async fn swallow(stream: &mut Buffered, size: u64, count: &AtomicU64) -> Result<()> {
    let swallowed = tokio::io::copy_buf(&mut stream.take(size), &mut tokio::io::sink()).await?;
    count.fetch_add(swallowed, Ordering::Relaxed);
    ensure!(swallowed == size, "half a body");
    Ok(())
}

/// Policy reads the body, and a person of `sre` must approve it.
async fn large_over_http2(world: &World) -> Result<()> {
    let notes = "x".repeat(500_000);
    let request = world.request(&Call {
        method: "POST".into(),
        path: "/v1/environments/production/deployments?run=large-http2".into(),
        justification: None,
        body: Some(json!({ "service": "checkout", "version": "2.4.1", "notes": notes })),
    })?;
    let (sent, address) = (request.clone(), world.gateway.address());
    let mut call = tokio::spawn(async move { http2::send(address, &sent, &[]).await });
    let ticket = tokio::select! {
        ticket = world.stack.approvals.pending(request.path()) => ticket?,
        early = &mut call => {
            let early = early??;
            anyhow::bail!("answered without asking: {} {}", early.status, early.body);
        }
    };
    world.stack.approvals.approve(&ticket, "ben").await?;
    let answer = call.await??;
    ensure!(answer.status == 201, "answered {}: {}", answer.status, answer.body);
    world.stage().arrived_once(&request).await.context("over HTTP/2").map(drop)
}
