//! Tokens that the filter verifies itself, with keys of the bundle and keys that it fetches; and whose address counts.

mod signed;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use countersign_protocol::jws::{self, Jwk};
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Duration, Instant, sleep};
use xtask::example::Call;
use xtask::stack::client::{Answer, Prepared};
use xtask::stack::gateway::Gateway;
use xtask::stack::{now, until};

use crate::Trials;
use crate::meddler::wire;
use crate::world::{World, filters, manager, settings};

const ISSUER: &str = "https://keys.example";
const AUDIENCE: &str = "deploy";

pub(crate) fn add(trials: &mut Trials) {
    trials.add("tokens: verified with keys of the bundle", keys_of_the_bundle);
    trials.add("tokens: keys are fetched, replaced, and kept when nothing good comes", fetched_keys);
    trials
        .add("tokens: by another implementation, of each algorithm, with groups and actors", async |world| {
            signed::by_another_implementation(world).await
        });
    trials.add("tokens: the address of a client is the gateway's word", whose_address);
}

/// An identity provider's keys.
struct Provider {
    address: SocketAddr,
    /// Status and body of every answer.
    answer: Arc<Mutex<(u16, Vec<u8>)>>,
    calls: Arc<AtomicUsize>,
}

impl Provider {
    async fn start(status: u16, body: Value) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let answer = Arc::new(Mutex::new((status, body.to_string().into_bytes())));
        let calls = Arc::new(AtomicUsize::new(0));
        let (said, counted) = (Arc::clone(&answer), Arc::clone(&calls));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&said), Arc::clone(&counted)));
            }
        });
        Ok(Self { address, answer, calls })
    }

    fn says(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = (status, body.as_bytes().to_vec());
    }

    /// Waits until it was asked so often that one of its two workers has seen the newest answer.
    async fn asked_again(&self) -> Result<()> {
        let before = self.calls.load(Ordering::SeqCst);
        let enough = async || Ok((self.calls.load(Ordering::SeqCst) >= before + 3).then_some(()));
        until("the keys to be fetched again", enough).await
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: Arc<Mutex<(u16, Vec<u8>)>>,
    calls: Arc<AtomicUsize>,
) -> Result<()> {
    let mut buffered = Vec::new();
    while let Some(call) = wire::read(&mut stream, &mut buffered).await? {
        calls.fetch_add(1, Ordering::SeqCst);
        let (status, body) = answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let status = if call.path == "/jwks" { status } else { 404 };
        wire::write(&mut stream, status, &body).await?;
    }
    Ok(())
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn jwks(kids: &[(&str, u8)]) -> Value {
    json!({ "keys": kids.iter().map(|(kid, seed)| Jwk::of(kid, &key(*seed))).collect::<Vec<_>>() })
}

/// A request for builds with a token of the release bot.
fn request(kid: &str, seed: u8, run: &str) -> Result<Prepared> {
    let seconds = now() / 1000;
    let claims = json!({
        "iss": ISSUER, "aud": [AUDIENCE], "sub": "release-bot", "iat": seconds, "exp": seconds + 600,
    });
    let call =
        Call { method: "GET".into(), path: format!("/v1/builds?run={run}"), justification: None, body: None };
    Prepared::new(&call, Some(&jws::sign("JWT", kid, &key(seed), &claims)?))
}

/// A gateway without `jwt_authn`, whose filter verifies tokens itself.
async fn verifying(
    world: &World,
    name: &str,
    source: Value,
    keys: Option<Value>,
    provider: &Provider,
) -> Result<Gateway> {
    let mut configuration = world.stack.configuration()?;
    filters(&mut configuration)?
        .retain(|filter| filter.get("name") != Some(&json!("envoy.filters.http.jwt_authn")));
    let mut entry = json!({
        "kind": "bearer", "issuer": ISSUER, "audiences": [AUDIENCE], "principal": { "type": "Deploy::Agent" },
    });
    entry.as_object_mut().context("no entry")?.extend(source.as_object().cloned().unwrap_or_default());
    let settings = settings(&mut configuration)?;
    settings.insert("identity".into(), json!([entry]));
    if let Some(keys) = keys {
        let files = settings.get_mut("bundle").and_then(|bundle| bundle.get_mut("files"));
        let files = files.and_then(Value::as_object_mut).context("the bundle has no files")?;
        files.insert("keys.jwks.json".into(), json!(keys.to_string()));
    }
    let clusters = configuration.pointer_mut("/static_resources/clusters").and_then(Value::as_array_mut);
    let socket = json!({ "address": "127.0.0.1", "port_value": provider.address.port() });
    clusters.context("no clusters")?.push(json!({
        "name": "identity", "type": "STATIC", "connect_timeout": "2s",
        "load_assignment": { "cluster_name": "identity", "endpoints": [{ "lb_endpoints": [
            { "endpoint": { "address": { "socket_address": socket } } },
        ] }] },
    }));
    world.stack.gateway(name, &configuration).await
}

fn is(answer: &Answer, status: u16, code: &str) -> Result<()> {
    ensure!(answer.status == status && answer.code() == code, "answered {}: {}", answer.status, answer.body);
    Ok(())
}

async fn keys_of_the_bundle(world: &World) -> Result<()> {
    let provider = Provider::start(200, json!({})).await?;
    let keys = jwks(&[("a", 1), ("b", 2)]);
    let gateway =
        verifying(world, "verifying", json!({ "keys": "keys.jwks.json" }), Some(keys), &provider).await?;
    let send = async |request: Prepared| request.send(gateway.address()).await;
    let good = request("a", 1, "bundle")?;
    ensure!(send(good.clone()).await?.status == 200, "a good token was refused");
    world.stage().arrived_once(&good).await?;
    is(&send(request("b", 1, "bundle-other-key")?).await?, 401, "bad_identity")?;
    is(&send(request("c", 1, "bundle-unknown-kid")?).await?, 401, "bad_identity")?;
    // Envoy makes one field of two, which then holds no token.
    is(&send(good.clone().with("authorization", "Bearer x")?).await?, 401, "bad_identity")?;
    let nobody = Call { method: "GET".into(), path: "/v1/builds".into(), justification: None, body: None };
    is(&send(Prepared::new(&nobody, None)?).await?, 403, "anonymous")?;
    is(&send(Prepared::new(&nobody, Some("opaque"))?).await?, 401, "bad_identity")?;
    ensure!(provider.calls.load(Ordering::SeqCst) == 0, "keys were fetched that nobody configured");
    gateway.stop().await
}

/// Waits until this token is answered so by all workers: ten times in a row.
async fn settles(gateway: &Gateway, request: &Prepared, status: u16) -> Result<()> {
    let since = Instant::now();
    loop {
        let mut answered = Vec::new();
        for _ in 0..10 {
            answered.push(request.send(gateway.address()).await?.status);
        }
        if answered.iter().all(|one| *one == status) {
            return Ok(());
        }
        ensure!(since.elapsed() < Duration::from_secs(60), "answered {answered:?}, not {status}");
        sleep(Duration::from_millis(500)).await;
    }
}

async fn fetched_keys(world: &World) -> Result<()> {
    let provider = Provider::start(503, json!({})).await?;
    let refresh =
        json!({ "cluster": "identity", "authority": "keys.example", "path": "/jwks", "every": "10s" });
    let gateway = verifying(world, "fetching", json!({ "refresh": refresh }), None, &provider).await?;
    let (first, second) = (request("a", 1, "fetched-a")?, request("b", 2, "fetched-b")?);
    is(&first.send(gateway.address()).await?, 503, "keys_unavailable")?;
    provider.says(200, &jwks(&[("a", 1)]).to_string());
    settles(&gateway, &first, 200).await?;

    // What is no set of keys changes nothing, whatever comes.
    for (status, body) in
        [(200, "<html>"), (200, r#"{"keys":[]}"#), (200, r#"{"keys":[{"kty":"RSA"}]}"#), (500, "")]
    {
        provider.says(status, body);
        provider.asked_again().await?;
        settles(&gateway, &first, 200).await?;
    }

    // A token of a key that is new brings about the next call, and the key that is gone counts no more.
    provider.says(200, &jwks(&[("b", 2)]).to_string());
    settles(&gateway, &second, 200).await?;
    settles(&gateway, &first, 401).await?;

    let of_kid = |line: &str, kid: &str| {
        line.contains(&format!(r#""source":"bearer:{ISSUER}","keys":[{{"kid":"{kid}""#))
    };
    until("the keys to be in the evidence", async || {
        let records = world.stack.approvals.evidence_of_kind("keys").await?;
        let told = ["a", "b"].iter().all(|kid| records.iter().any(|record| of_kid(&record.line, kid)));
        Ok(told.then_some(()))
    })
    .await?;
    gateway.stop().await
}

/// The filter takes a client's address from the gateway, which takes it from where its configuration says.
async fn whose_address(world: &World) -> Result<()> {
    // As it ships; with a proxy in front; and as nobody should have it.
    let cases = [
        ("shipped", json!({}), "x-local"),
        ("behind-a-proxy", json!({ "use_remote_address": true, "xff_num_trusted_hops": 1 }), "x-near"),
        ("open", json!({ "use_remote_address": false }), "x-near"),
        ("open-behind-a-proxy", json!({ "use_remote_address": false, "xff_num_trusted_hops": 1 }), "x-far"),
    ];
    let all = cases.iter().map(|(name, changes, counts)| address_of(world, name, changes, counts));
    for case in all {
        case.await?;
    }
    Ok(())
}

/// Of three headers, each from peers of its own, only the one named may say who the client is.
async fn address_of(world: &World, name: &str, changes: &Value, counts: &str) -> Result<()> {
    let peers = [("x-local", "127.0.0.0/8"), ("x-near", "192.0.2.7"), ("x-far", "198.51.100.9")];
    let source = |(name, peers): (&str, &str)| json!({ "kind": "header", "name": name, "peers": [peers], "type": "Deploy::Agent" });
    let mut configuration = world.stack.configuration()?;
    settings(&mut configuration)?.insert("identity".into(), json!(peers.map(source)));
    manager(&mut configuration)?.extend(changes.as_object().cloned().unwrap_or_default());
    let gateway = world.stack.gateway(name, &configuration).await?;
    for (header, _) in peers {
        let path = format!("/v1/builds?run={name}-{header}");
        let call = Call { method: "GET".into(), path, justification: None, body: None };
        let request = Prepared::new(&call, None)?.with("x-forwarded-for", "198.51.100.9, 192.0.2.7")?;
        let answer = request.with(header, "release-bot")?.send(gateway.address()).await?;
        let expected = if header == counts { 200 } else { 401 };
        ensure!(answer.status == expected, "{name}, {header}: answered {}: {}", answer.status, answer.body);
    }
    gateway.stop().await
}
