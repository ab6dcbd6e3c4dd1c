//! Requests that are unusual, cut off, or larger than the gateway takes.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use xtask::example::Call;
use xtask::faults::Row;
use xtask::stack::client::{Answer, Prepared};
use xtask::stack::gateway::Options;
use xtask::stack::ticket::Ticket;

use super::Rows;
use crate::http2;
use crate::raw::Connection;
use crate::scene::{self, Played, Scene, Set};
use crate::world::{World, filters, manager, settings};

/// The largest body on the gateway of these tests, bytes.
const LIMIT: usize = 65_536;

/// The gateway that these tests share: nothing in them breaks it.
pub(crate) type Shared = tokio::sync::Mutex<Option<Set>>;

pub(super) fn add(rows: &mut Rows<'_>) -> Result<()> {
    rows.alone("headers-not-paused", "", headers_not_paused)?;
    odd(rows, "body-at-the-limit", async |scene| body_of(scene, LIMIT).await)?;
    odd(rows, "body-over-the-limit", async |scene| body_of(scene, LIMIT + 1).await)?;
    odd(rows, "http2", async |scene| over_http2(scene, &[]).await)?;
    odd(rows, "trailers", async |scene| over_http2(scene, &[("x-checksum", "4711")]).await)?;
    odd(rows, "half-close", half_close)?;
    odd(rows, "expect-continue", expect_continue)?;
    odd(rows, "upgrade", upgrade)?;
    odd(rows, "steering-headers", steering_headers)?;
    odd(rows, "bytes-not-utf8", not_utf8)?;
    odd(rows, "headers-1024", many_headers)?;
    odd(rows, "body-cut-short", cut_short)
}

/// A test on the gateway that these tests share.
fn odd(
    rows: &mut Rows<'_>,
    id: &'static str,
    play: impl AsyncFn(&Scene<'_>) -> Result<Played> + Send + 'static,
) -> Result<()> {
    rows.alone(id, "", async move |world, row| shared(world, row, play).await)
}

async fn shared(
    world: &World,
    row: &'static Row,
    play: impl AsyncFn(&Scene<'_>) -> Result<Played>,
) -> Result<()> {
    let mut shared = world.odd.lock().await;
    let set = match shared.take() {
        Some(set) => set,
        None => {
            let stack = &world.stack;
            let (approvals, options) = (&stack.approvals, Options::default());
            Set::of(stack, approvals, "odd", configuration(world)?, &options).await?
        }
    };
    let scene = Scene::on(world, &world.stack.approvals, set).await?;
    let played = play(&scene).await;
    let checked = async { scene.check(row, &played?).await };
    checked.await.with_context(|| scene.set.gateway.tail())?;
    *shared = Some(scene.set);
    Ok(())
}

/// That of the other scenes, but smaller bodies, and more that a client may do.
fn configuration(world: &World) -> Result<Value> {
    let mut configuration = scene::configuration(&world.stack)?;
    settings(&mut configuration)?.insert("limits".into(), json!({ "body": LIMIT }));
    let manager = manager(&mut configuration)?;
    manager.insert("upgrade_configs".into(), json!([{ "upgrade_type": "websocket" }]));
    let common = manager.get_mut("common_http_protocol_options").and_then(Value::as_object_mut);
    common.context("no protocol options")?.insert("max_headers_count".into(), json!(1_100));
    Ok(configuration)
}

/// The filter without `allow_on_headers_stop_iteration`.
async fn headers_not_paused(world: &World, row: &'static Row) -> Result<()> {
    let mut configuration = scene::configuration(&world.stack)?;
    let filters = filters(&mut configuration)?;
    let configs = filters.iter_mut().filter_map(|filter| filter.pointer_mut("/typed_config/config"));
    let paused: usize = configs
        .filter_map(|config| config.as_object_mut()?.remove("allow_on_headers_stop_iteration"))
        .count();
    ensure!(paused == 1, "the option is not in the shipped configuration");
    let (stack, options) = (&world.stack, Options::default());
    let set = Set::of(stack, &stack.approvals, "headers-not-paused", configuration, &options).await?;
    let scene = Scene::on(world, &stack.approvals, set).await?;
    let request = deploy(&scene, "not-paused", 10)?;
    let tries = vec![scene.answered(&request).await?];
    scene.check(row, &Played { request, tries }).await?;
    scene.set.stop().await
}

/// A deploy to production; its body is `length` bytes long, or as short as it can be.
fn deploy(scene: &Scene<'_>, run: &str, length: usize) -> Result<Prepared> {
    let body = |notes: &str| json!({ "service": "checkout", "version": "2.4.1", "notes": notes });
    let padding = length.saturating_sub(body("").to_string().len());
    let path = format!("/v1/environments/production/deployments?run={run}");
    let body = Some(body(&"x".repeat(padding)));
    scene.call_for("ana", &Call { method: "POST".into(), path, justification: None, body })
}

async fn body_of(scene: &Scene<'_>, length: usize) -> Result<Played> {
    let request = deploy(scene, &format!("body-{length}"), length)?;
    ensure!(request.body().len() == length, "the body is {} bytes long", request.body().len());
    if length > LIMIT {
        let tries = vec![scene.answered(&request).await?];
        return Ok(Played { request, tries });
    }
    let (call, ticket) = scene.hold(&request).await?;
    scene.approve(&ticket, "ben").await?;
    Ok(Played { request, tries: vec![call.await??] })
}

/// Has people approve `request` while `call` waits for its answer, if they are asked at all.
async fn approved(
    scene: &Scene<'_>,
    request: Prepared,
    call: impl Future<Output = Result<Answer>>,
) -> Result<Played> {
    approved_if(scene, request, call, |_| Ok(())).await
}

/// The same, if what people are shown is right.
async fn approved_if(
    scene: &Scene<'_>,
    request: Prepared,
    call: impl Future<Output = Result<Answer>>,
    is_right: impl FnOnce(&Ticket) -> Result<()>,
) -> Result<Played> {
    let people = async {
        let ticket = scene.approvals.pending(request.path()).await?;
        is_right(&ticket)?;
        scene.approve(&ticket, "ben").await?;
        std::future::pending::<Result<()>>().await
    };
    let answer = tokio::select! {
        answer = call => answer?,
        failed = people => return Err(failed.err().context("nobody answered")?),
    };
    Ok(Played { request, tries: vec![answer] })
}

async fn over_http2(scene: &Scene<'_>, trailers: &[(&'static str, &'static str)]) -> Result<Played> {
    let request = deploy(scene, &format!("http2-{}", trailers.len()), 10)?;
    let call = http2::send(scene.set.gateway.address(), &request, trailers);
    let field =
        |&(name, value): &(&str, &str)| json!({ "name": name, "value": { "text": value }, "bound": true });
    let expected: Value = trailers.iter().map(field).collect();
    approved_if(scene, request.clone(), call, |ticket| {
        let shown = ticket.part("/question/request/trailers");
        ensure!(*shown == expected, "people are shown the trailers {shown}");
        Ok(())
    })
    .await
}

/// The client sends its whole request, then closes its half of the connection.
async fn half_close(scene: &Scene<'_>) -> Result<Played> {
    let request = scene.rotation("half-close")?;
    let mut connection = Connection::open(scene.set.gateway.address()).await?;
    connection.write(request.head("content-length: 0\r\n")?.as_bytes()).await?;
    let ticket = scene.approvals.pending(request.path()).await?;
    connection.half_close().await?;
    let answer = connection.answer_or_end().await?;
    scene.approve(&ticket, "ben").await?;
    Ok(Played { request, tries: vec![answer] })
}

/// The client sends a part of its body and leaves.
async fn cut_short(scene: &Scene<'_>) -> Result<Played> {
    let request = deploy(scene, "cut-short", 1_000)?;
    let mut connection = Connection::open(scene.set.gateway.address()).await?;
    connection.write(request.head("content-length: 1000\r\n")?.as_bytes()).await?;
    connection.write(request.body().get(..500).unwrap_or_default()).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    connection.half_close().await?;
    let answer = connection.answer_or_end().await?;
    Ok(Played { request, tries: vec![answer] })
}

/// The client waits for `100 Continue` before it sends its body.
async fn expect_continue(scene: &Scene<'_>) -> Result<Played> {
    let request = deploy(scene, "expect", 100)?;
    let framing = format!("content-length: {}\r\nexpect: 100-continue\r\n", request.body().len());
    let call = async {
        let mut connection = Connection::open(scene.set.gateway.address()).await?;
        connection.write(request.head(&framing)?.as_bytes()).await?;
        let first = connection.read_head().await?;
        ensure!(first.starts_with("HTTP/1.1 100"), "the gateway says `{first}`");
        connection.write(request.body()).await?;
        connection.answer_or_end().await
    };
    approved(scene, request.clone(), call).await
}

async fn upgrade(scene: &Scene<'_>) -> Result<Played> {
    let request = scene.rotation("upgrade")?;
    let head = request.head("content-length: 0\r\nupgrade: websocket\r\n")?;
    let head = head.replace("connection: close", "connection: upgrade");
    let mut connection = Connection::open(scene.set.gateway.address()).await?;
    connection.write(head.as_bytes()).await?;
    let answer = connection.next_answer().await?;
    Ok(Played { request, tries: vec![answer] })
}

/// Headers by which a client would steer the router or speak for the filter.
async fn steering_headers(scene: &Scene<'_>) -> Result<Played> {
    let request = scene.rotation("steering")?;
    let mut steered = request.clone();
    for name in [
        "countersign-approved",
        "countersign-ticket",
        "x-envoy-retry-on",
        "x-envoy-max-retries",
        "x-envoy-upstream-rq-timeout-ms",
        "x-envoy-hedge-on-per-try-timeout",
        "x-envoy-upstream-alt-stat-name",
    ] {
        steered = steered.with(name, "5")?;
    }
    let gateway = scene.set.gateway.address();
    approved(scene, request, async { steered.send(gateway).await }).await
}

async fn not_utf8(scene: &Scene<'_>) -> Result<Played> {
    let request = scene.rotation("not-utf8")?.with_bytes("x-note", b"\xff\xfe")?;
    let (call, gateway) = (request.clone(), scene.set.gateway.address());
    approved(scene, request, async move { call.send(gateway).await }).await
}

async fn many_headers(scene: &Scene<'_>) -> Result<Played> {
    let mut request = scene.rotation("many-headers")?;
    for number in 0..1_024 {
        request = request.with(&format!("x-part-{number}"), "0123456789")?;
    }
    let (call, gateway) = (request.clone(), scene.set.gateway.address());
    approved(scene, request, async move { call.send(gateway).await }).await
}
