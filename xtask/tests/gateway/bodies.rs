//! Bodies in one piece, in many, and with an end that comes by itself: all are judged and forwarded whole.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use xtask::example::Call;
use xtask::stack::client::Prepared;
use xtask::stack::gateway::Gateway;
use xtask::stack::until;

use crate::Trials;
use crate::raw::Connection;
use crate::world::World;

/// How a body is written.
#[derive(Debug, Clone, Copy)]
enum Framing {
    /// With its length, in one go.
    Whole,
    /// With its length, in many pieces.
    Pieces,
    /// In one chunk, its end with it.
    OneChunk,
    /// In many chunks, the end with the last of them.
    ManyChunks,
    /// In many chunks; the empty last one comes after all of them were read.
    EmptyLast,
}

/// Ten pieces of it.
const PADDING: usize = 100_000;
const PIECE: usize = 10_000;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("body: whole, in pieces, in chunks, with an empty last chunk", all_framings);
    trials.add("body: of 500 KB", large);
    trials.add("body: over the limit", too_large);
}

/// A deploy to production: policy reads the body, and a person of `sre` must approve it.
fn deploy(world: &World, run: &str, padding: usize) -> Result<Prepared> {
    world.request(&Call {
        method: "POST".into(),
        path: format!("/v1/environments/production/deployments?run={run}"),
        justification: None,
        body: Some(json!({ "service": "checkout", "version": "2.4.1", "notes": "x".repeat(padding) })),
    })
}

/// On a gateway that nobody else uses: what it has read so far can be counted.
async fn all_framings(world: &World) -> Result<()> {
    let gateway = world.stack.gateway("bodies", &world.patient()?).await?;
    for framing in
        [Framing::Whole, Framing::Pieces, Framing::OneChunk, Framing::ManyChunks, Framing::EmptyLast]
    {
        arrives_whole(world, &gateway, framing).await.with_context(|| format!("{framing:?}"))?;
    }
    gateway.stop().await
}

async fn arrives_whole(world: &World, gateway: &Gateway, framing: Framing) -> Result<()> {
    let request = deploy(world, &format!("{framing:?}"), PADDING)?;
    let writes = writes(&request, framing)?;
    let (last, before) = writes.split_last().context("nothing to write")?;
    let mut connection = Connection::open(gateway.address()).await?;
    for bytes in before {
        let read = gateway.read().await?;
        connection.write(bytes).await?;
        until("the gateway to read a piece", async || {
            Ok((gateway.read().await? == read + bytes.len()).then_some(()))
        })
        .await?;
    }
    let early = world.stack.approvals.tickets(None, request.path()).await?;
    ensure!(early.is_empty(), "somebody was asked before the body was whole");
    connection.write(last).await?;
    let ticket = world.stack.approvals.pending(request.path()).await?;
    ensure!(ticket.text("/question/cedar/context/version") == "2.4.1", "the body was not read");
    world.stage().arrived_never(&request).await?;
    world.stack.approvals.approve(&ticket, "ben").await?;
    let (status, text) = connection.answer().await?;
    ensure!(status == 201, "{text}");
    world.stage().arrived_once(&request).await.map(drop)
}

/// What is written at a time: the gateway reads each before the next is written.
fn writes(request: &Prepared, framing: Framing) -> Result<Vec<Vec<u8>>> {
    let body = request.body();
    let chunk = |piece: &[u8]| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
    let end = b"0\r\n\r\n".to_vec();
    let head = match framing {
        Framing::Whole | Framing::Pieces => request.head(&format!("content-length: {}\r\n", body.len()))?,
        _ => request.head("transfer-encoding: chunked\r\n")?,
    };
    let head = head.into_bytes();
    Ok(match framing {
        Framing::Whole => vec![[&head, body].concat()],
        Framing::Pieces => [head].into_iter().chain(body.chunks(PIECE).map(<[u8]>::to_vec)).collect(),
        Framing::OneChunk => vec![[head, chunk(body), end].concat()],
        Framing::ManyChunks => {
            let mut writes: Vec<_> = [head].into_iter().chain(body.chunks(PIECE).map(chunk)).collect();
            writes.iter_mut().last().into_iter().for_each(|last| last.extend(&end));
            writes
        }
        Framing::EmptyLast => [head].into_iter().chain(body.chunks(PIECE).map(chunk)).chain([end]).collect(),
    })
}

async fn large(world: &World) -> Result<()> {
    let request = deploy(world, "large", 500_000)?;
    let call = world.send(&request);
    let ticket = world.stack.approvals.pending(request.path()).await?;
    world.stack.approvals.approve(&ticket, "cleo").await?;
    let answer = call.await??;
    ensure!(answer.status == 201, "answered {}: {}", answer.status, answer.body);
    world.stage().arrived_once(&request).await.map(drop)
}

async fn too_large(world: &World) -> Result<()> {
    let request = deploy(world, "too-large", 2 << 20)?;
    let answer = request.send(world.gateway.address()).await?;
    ensure!(answer.status == 413, "answered {}: {}", answer.status, answer.body);
    world.stage().arrived_never(&request).await
}
