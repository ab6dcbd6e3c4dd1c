//! Bodies in one piece, in many, and with an end that comes by itself: all are judged and forwarded whole.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::time::sleep;
use xtask::example::Call;
use xtask::stack::client::Prepared;

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
    /// In many chunks.
    ManyChunks,
    /// In chunks; the empty last one comes much later.
    EmptyLast,
}

/// Long enough that a gateway reads what was written before as a piece of its own.
const BETWEEN: Duration = Duration::from_millis(60);

pub(crate) fn add(trials: &mut Trials) {
    for framing in
        [Framing::Whole, Framing::Pieces, Framing::OneChunk, Framing::ManyChunks, Framing::EmptyLast]
    {
        trials.add(format!("body: {framing:?}"), async move |world| arrives_whole(world, framing).await);
    }
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

async fn arrives_whole(world: &World, framing: Framing) -> Result<()> {
    let request = deploy(world, &format!("{framing:?}"), 3000)?;
    let mut connection = Connection::open(world.gateway.address()).await?;
    write(&mut connection, &request, framing).await?;
    let ticket = world.stack.approvals.pending(request.path()).await?;
    ensure!(ticket.text("/question/cedar/context/version") == "2.4.1", "the body was not read");
    world.stage().arrived_never(&request).await?;
    world.stack.approvals.approve(&ticket, "ben").await?;
    let (status, text) = connection.answer().await?;
    ensure!(status == 201, "{text}");
    world.stage().arrived_once(&request).await.map(drop)
}

async fn write(connection: &mut Connection, request: &Prepared, framing: Framing) -> Result<()> {
    let body = request.body();
    let length = format!("content-length: {}\r\n", body.len());
    let chunked = "transfer-encoding: chunked\r\n";
    let chunk = |piece: &[u8]| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
    match framing {
        Framing::Whole => {
            let head = request.head(&length)?;
            connection.write(&[head.as_bytes(), body].concat()).await
        }
        Framing::Pieces => {
            connection.write(request.head(&length)?.as_bytes()).await?;
            for piece in body.chunks(700) {
                sleep(BETWEEN).await;
                connection.write(piece).await?;
            }
            Ok(())
        }
        Framing::OneChunk => {
            let head = request.head(chunked)?;
            connection.write(&[head.as_bytes(), &chunk(body), b"0\r\n\r\n"].concat()).await
        }
        Framing::ManyChunks | Framing::EmptyLast => {
            connection.write(request.head(chunked)?.as_bytes()).await?;
            for piece in body.chunks(700) {
                connection.write(&chunk(piece)).await?;
                sleep(BETWEEN).await;
            }
            if matches!(framing, Framing::EmptyLast) {
                sleep(10 * BETWEEN).await;
            }
            connection.write(b"0\r\n\r\n").await
        }
    }
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
