//! Who asks: a certificate's SPIFFE id, or a header from a peer that the operator trusts. Tokens are in every
//! other test.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use xtask::example::Call;
use xtask::stack::client::{HOST, Prepared};
use xtask::stack::{gateway::Gateway, template, until};
use xtask::workspace::Workspace;

use crate::Trials;
use crate::raw::Connection;
use crate::world::{World, settings, write};

/// An agent of the example whose owner is known.
const AGENT: &str = "spiffe://example.org/ci/release";

pub(crate) fn add(trials: &mut Trials) {
    trials.add("identity: a SPIFFE certificate", spiffe);
    trials.add("identity: a header from a trusted peer", trusted_header);
    trials.add("identity: the same header from anybody else", distrusted_header);
}

pub(crate) fn read_builds(run: &str) -> Call {
    Call { method: "GET".into(), path: format!("/v1/builds?run={run}"), justification: None, body: None }
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Result<Authority> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "the tests' authority");
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn certificate(name: SanType, authority: &Authority) -> Result<(rcgen::Certificate, KeyPair)> {
    let (key, mut params) = (KeyPair::generate()?, CertificateParams::new(Vec::new())?);
    params.subject_alt_names = vec![name];
    Ok((params.signed_by(&key, authority)?, key))
}

/// The gateway with the block of `envoy/tls.yaml` in its filter chain.
async fn tls_gateway(world: &World, authority: &Authority) -> Result<Gateway> {
    let (certificate, key) = certificate(SanType::DnsName(HOST.try_into()?), authority)?;
    let folder = world.stack.folder();
    let values = [
        ("certificate", write(folder, "server.pem", &certificate.pem())?),
        ("private_key", write(folder, "server.key", &key.serialize_pem())?),
        ("client_authority", write(folder, "authority.pem", &authority.pem())?),
    ];
    let text = std::fs::read_to_string(Workspace::find()?.root().join("envoy/tls.yaml"))?;
    let mut block = template::fill(&text, &values)?;
    let mut configuration = world.stack.configuration()?;
    let chain = configuration.pointer_mut("/static_resources/listeners/0/filter_chains/0");
    let chain = chain.and_then(Value::as_object_mut).context("no filter chain")?;
    chain.append(block.as_object_mut().context("no block")?);
    world.stack.gateway("tls", &configuration).await
}

/// Sends a request over TLS as the client of that SPIFFE id, or as one without a certificate.
async fn over_tls(
    gateway: &Gateway,
    authority: &Authority,
    spiffe: Option<&str>,
    request: &Prepared,
) -> Result<(u16, String)> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone())?;
    let client = ClientConfig::builder().with_root_certificates(roots);
    let client = match spiffe {
        None => client.with_no_client_auth(),
        Some(id) => {
            let (certificate, key) = certificate(SanType::URI(id.try_into()?), authority)?;
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
            client.with_client_auth_cert(vec![certificate.into()], key)?
        }
    };
    let stream = TcpStream::connect(gateway.address()).await?;
    let stream = TlsConnector::from(Arc::new(client)).connect(ServerName::try_from(HOST)?, stream).await?;
    let mut connection = Connection::over(stream);
    connection.write(request.head("content-length: 0\r\n")?.as_bytes()).await?;
    connection.answer().await
}

async fn spiffe(world: &World) -> Result<()> {
    let authority = authority()?;
    let gateway = tls_gateway(world, &authority).await?;
    let request = |run: &str| Prepared::new(&read_builds(run), None);

    let (status, text) = over_tls(&gateway, &authority, Some(AGENT), &request("spiffe")?).await?;
    ensure!(status == 200, "{text}");
    let (status, text) =
        over_tls(&gateway, &authority, Some("spiffe://elsewhere.example/ci"), &request("foreign")?).await?;
    ensure!(status == 401 && text.contains("bad_identity"), "{text}");
    let (status, text) = over_tls(&gateway, &authority, None, &request("none")?).await?;
    ensure!(status == 403 && text.contains("anonymous"), "{text}");

    // Its owner is Ana: one of the others must approve.
    let rotation = Call {
        method: "POST".into(),
        path: "/v1/keys/spiffe/rotations".into(),
        justification: None,
        body: None,
    };
    let rotation = Prepared::new(&rotation, None)?;
    let call = over_tls(&gateway, &authority, Some(AGENT), &rotation);
    let answer = async {
        let ticket = world.stack.approvals.pending(rotation.path()).await?;
        ensure!(ticket.text("/question/cedar/principal").contains(AGENT), "somebody else asks");
        let owner = world.stack.approvals.approve(&ticket, "ana").await;
        ensure!(owner.is_err(), "the owner approved");
        world.stack.approvals.approve(&ticket, "ben").await
    };
    let ((status, text), ()) = tokio::try_join!(call, answer)?;
    ensure!(status == 201, "{text}");
    let calls = world.stage().arrived(&rotation).await?;
    ensure!(calls.len() == 1, "arrived {} times", calls.len());
    gateway.stop().await
}

/// A gateway that takes the caller's name from a header of these peers, before anything else.
async fn header_gateway(world: &World, name: &str, peers: &str) -> Result<Gateway> {
    let mut configuration = world.stack.configuration()?;
    let source = json!({ "kind": "header", "name": "x-agent", "peers": [peers], "type": "Deploy::Agent" });
    settings(&mut configuration)?.insert("identity".into(), json!([source]));
    world.stack.gateway(name, &configuration).await
}

async fn trusted_header(world: &World) -> Result<()> {
    let gateway = header_gateway(world, "trusting", "127.0.0.0/8").await?;
    let request = |agent: &str, run: &str| Prepared::new(&read_builds(run), None)?.with("x-agent", agent);
    let trusted = request("release-bot", "header")?;
    let answer = trusted.send(gateway.address()).await?;
    ensure!(answer.status == 200, "answered {}: {}", answer.status, answer.body);
    world.stage().arrived_once(&trusted).await?;
    let twice = trusted.with("x-agent", "report-bot")?.send(gateway.address()).await?;
    ensure!(twice.status == 400 || twice.status == 401, "two names were answered {}", twice.status);
    let nobody = Prepared::new(&read_builds("nobody"), None)?.send(gateway.address()).await?;
    ensure!(nobody.code() == "anonymous", "answered {}: {}", nobody.status, nobody.body);
    let log = until("the access log", async || {
        let log = gateway.access_log();
        Ok((log.len() >= 3).then_some(log))
    });
    ensure!(
        log.await?.iter().all(|line| line.get("countersign").is_some_and(Value::is_string)),
        "no summary"
    );
    gateway.stop().await
}

async fn distrusted_header(world: &World) -> Result<()> {
    let gateway = header_gateway(world, "distrusting", "192.0.2.0/24").await?;
    let request = Prepared::new(&read_builds("distrusted"), None)?.with("x-agent", "release-bot")?;
    let answer = request.send(gateway.address()).await?;
    ensure!(answer.status == 401 && answer.code() == "bad_identity", "{} {}", answer.status, answer.body);
    world.stage().arrived_never(&request).await?;
    gateway.stop().await
}
