//! The program from outside: TLS and certificates of gateways, metrics, traces, logs, and its end.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_protocol::Token;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::cli::{Serving, program, ready, run};
use crate::harness::{EDGE, ask, question, token};

fn start(data: &Path, options: &[&str]) -> (Serving, Value) {
    let mut serving =
        Serving(program(data, &[&["--listen", "127.0.0.1:0"], options].concat()).spawn().unwrap());
    let ready = ready(&mut serving);
    (serving, ready)
}

fn add_edge(data: &Path) {
    run(data, &["gateway", "add", "edge", "--audience", "prod", "--token-stdin"], EDGE);
}

async fn text(url: String) -> String {
    reqwest::get(url).await.unwrap().text().await.unwrap()
}

/// An authority, and what it vouches for.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate with this name and its key, PEM.
    fn vouch(&self, name: SanType) -> (String, String) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = vec![name];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// The status that a gateway gets which asks over TLS; nothing when it does not get so far.
async fn asked(
    address: SocketAddr,
    authority: &Authority,
    identity: Option<(String, String)>,
    credential: Option<&str>,
) -> Option<u16> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let cert = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![cert], key).unwrap()
        }
    };
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.ok()?;
    let body = json!({ "evidence": [], "items": [ask(question())] }).to_string();
    let credential = credential.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let head = format!(
        "POST /v1/requests HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n{credential}\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await.ok()?;
    let mut reply = Vec::new();
    // In TLS 1.3 a server says only now that it does not take a certificate.
    stream.read_to_end(&mut reply).await.ok()?;
    String::from_utf8_lossy(&reply).split(' ').nth(1)?.parse().ok()
}

#[tokio::test]
async fn a_gateway_proves_itself_with_a_certificate_of_the_authority_it_was_added_for() {
    let folder = TempDir::new().unwrap();
    let (own, theirs) = (Authority::new(), Authority::new());
    let (cert, key) = own.vouch(SanType::DnsName("localhost".try_into().unwrap()));
    let files = [("cert.pem", cert), ("key.pem", key), ("gateways.pem", own.pem())];
    let [cert, key, gateways] =
        files.map(|(name, text)| write(folder.path(), name, &text).display().to_string());
    let spiffe = "spiffe://example/edge";
    run(folder.path(), &["gateway", "add", "edge", "--audience", "prod", "--certificate", spiffe], "");
    let options = ["--tls-cert", &cert, "--tls-key", &key, "--gateway-ca", &gateways];
    let (_serving, ready) = start(folder.path(), &options);
    let address: SocketAddr = ready["listening"].as_str().unwrap().parse().unwrap();
    let ask = async |identity, credential| asked(address, &own, identity, credential).await;
    let named = |authority: &Authority, name: &str| authority.vouch(SanType::URI(name.try_into().unwrap()));
    assert_eq!(ask(Some(named(&own, spiffe)), None).await, Some(200));
    assert_eq!(
        ask(Some(named(&own, "spiffe://example/edge2")), None).await,
        Some(401),
        "nobody has that name"
    );
    assert_eq!(ask(Some(named(&theirs, spiffe)), None).await, None, "the handshake fails");
    assert_eq!(ask(None, None).await, Some(401));
    assert_eq!(ask(Some(named(&own, spiffe)), Some(EDGE)).await, Some(401), "a token that is wrong is wrong");
}

#[test]
fn what_cannot_be_served_with_is_named() {
    let folder = TempDir::new().unwrap();
    let (cert, key) = Authority::new().vouch(SanType::DnsName("localhost".try_into().unwrap()));
    let (cert, key) = (write(folder.path(), "cert.pem", &cert), write(folder.path(), "key.pem", &key));
    let (empty, nowhere) = (write(folder.path(), "empty.pem", ""), folder.path().join("nowhere.pem"));
    for (cert, key, named) in
        [(&cert, &empty, "empty.pem"), (&empty, &key, "empty.pem"), (&nowhere, &key, "nowhere.pem")]
    {
        let (cert, key) = (cert.display().to_string(), key.display().to_string());
        let failed = program(folder.path(), &["--tls-cert", &cert, "--tls-key", &key]).output().unwrap();
        let said = String::from_utf8_lossy(&failed.stderr).into_owned();
        assert!(!failed.status.success() && said.contains(named), "{said}");
    }
}

#[tokio::test]
async fn metrics_count_what_happens_and_name_nobody() {
    let folder = TempDir::new().unwrap();
    add_edge(folder.path());
    let (_serving, ready) = start(folder.path(), &[]);
    let url = format!("http://{}", ready["listening"].as_str().unwrap());
    let body = json!({ "evidence": [], "items": [ask(question())] });
    Client::new().post(format!("{url}/v1/requests")).bearer_auth(EDGE).json(&body).send().await.unwrap();
    text(format!("{url}/v1/tickets/{}", token())).await;
    let counted = text(format!("{url}/metrics")).await;
    for line in [
        "countersign_approvals_asks_total{result=\"nobody_can_approve\"} 1",
        "countersign_approvals_http_requests_total{method=\"POST\",route=\"/v1/requests\",status=\"200\"} 1",
        "route=\"/v1/tickets/{capability}\",status=\"404\"} 1",
        "countersign_approvals_open_requests{state=\"pending\"} 0",
        "# EOF",
    ] {
        assert!(counted.contains(line), "{line} in\n{counted}");
    }
    assert!(!counted.contains("deployer") && !counted.contains("edge"), "{counted}");
}

/// Takes one call, and gives its path and body.
async fn called(listener: TcpListener) -> (String, Vec<u8>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut read = Vec::new();
    let (head, length) = loop {
        let mut part = [0; 4096];
        let count = stream.read(&mut part).await.unwrap();
        read.extend_from_slice(&part[..count]);
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
            let length =
                head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
            break (head, end + 4 + length.unwrap_or(0));
        }
    };
    while read.len() < length {
        let mut part = [0; 4096];
        let count = stream.read(&mut part).await.unwrap();
        read.extend_from_slice(&part[..count]);
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.unwrap();
    (head, read)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traces_go_on_that_a_gateway_began() {
    let folder = TempDir::new().unwrap();
    let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", collector.local_addr().unwrap());
    let (_serving, ready) = start(folder.path(), &["--otlp", &address, "--log-format", "json"]);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let request = Client::new().get(format!("http://{}/v1/me", ready["listening"].as_str().unwrap()));
    request.header("traceparent", format!("00-{trace}-b7ad6b7169203331-01")).send().await.unwrap();
    let (head, body) = tokio::time::timeout(Duration::from_secs(30), called(collector)).await.unwrap();
    assert!(head.starts_with("post /v1/traces ") && head.contains("application/x-protobuf"), "{head}");
    let has = |bytes: &[u8]| body.windows(bytes.len()).any(|part| part == bytes);
    let Token(id) = trace.parse().unwrap();
    assert!(has(b"GET /v1/me") && has(b"countersign-approvals") && has(&id), "the span of that trace");
}

#[tokio::test]
async fn an_orderly_end_hands_polls_over_and_says_so_before() {
    let folder = TempDir::new().unwrap();
    add_edge(folder.path());
    let (mut serving, ready) = start(folder.path(), &["--log-format", "json"]);
    let url = format!("http://{}", ready["listening"].as_str().unwrap());
    assert_eq!(reqwest::get(format!("{url}/readyz")).await.unwrap().status(), 200);
    let poll = tokio::spawn({
        let body = json!({ "waiter": token(), "cursor": 0, "timeout_ms": 20_000 });
        let request = Client::new().post(format!("{url}/v1/wait")).bearer_auth(EDGE).json(&body);
        async move { request.send().await.unwrap().json::<Value>().await.unwrap() }
    });
    while !text(format!("{url}/metrics")).await.contains("countersign_approvals_polls 1") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let begun = Instant::now();
    let id = serving.0.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(poll.await.unwrap()["verdicts"], json!([]));
    assert!(serving.0.wait().unwrap().success(), "it ends well");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    let mut said = String::new();
    serving.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let last = said.lines().last().unwrap();
    assert_eq!(serde_json::from_str::<Value>(last).unwrap()["fields"]["message"], "ended", "{said}");
}

#[test]
fn secrets_that_are_given_in_an_address_are_not_said() {
    let folder = TempDir::new().unwrap();
    let address = "postgres://somebody:hunter2@127.0.0.1:1/nothing";
    let failed = program(folder.path(), &["--database", address, "user", "list"]).output().unwrap();
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(!failed.status.success() && !said.contains("hunter2"), "{said}");
    let lines = BufReader::new(&failed.stderr[..]).lines().count();
    assert!(lines > 0, "it says why");
}
