//! Mail: text and HTML that say the same, headers that nobody from outside writes, and servers that refuse.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

use super::smtp::{Letter, MailServer};
use super::{Configured, events, until};
use crate::harness::{Service, question};

fn configured(server: &MailServer, more: &str) -> Configured {
    let text = format!(
        "[channels.mail]\nkind = \"mail\"\ngroups = [\"sre\"]\nserver = \"localhost\"\nport = {}\n\
         from = \"Countersign <countersign@example.com>\"\nto = [\"sre@example.com\", \"Ada <ada@example.com>\"]\n{more}\n",
        server.port
    );
    Configured::new(&text, &[("password", "hunter2")])
}

async fn told() -> (MailServer, Service) {
    let server = MailServer::start(None).await;
    let service = Service::told(&configured(&server, "tls = \"none\"").read()).await;
    (server, service)
}

/// A letter's header, folded lines put together, and its parts with their encoding undone.
fn read(letter: &Letter) -> (String, String) {
    let (head, body) = letter.text.split_once("\n\n").unwrap();
    (head.replace("\n ", " "), decoded(body))
}

/// Quoted-printable (RFC 2045, section 6.7) undone; text without it is as it was.
fn decoded(text: &str) -> String {
    let joined = text.replace("=\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let hex = (*first == b'=').then(|| more.get(..2)).flatten();
        let byte = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &more[2..] } else { more };
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_letter_says_it_twice_and_goes_to_all_addresses() {
    let (server, service) = told().await;
    let ticket = service.open(question()).await;
    let letter = server.wait(1).await[0].clone();
    assert_eq!((letter.from.as_str(), letter.login.as_ref()), ("countersign@example.com", None));
    assert_eq!(letter.to, ["sre@example.com", "ada@example.com"]);
    let (head, body) = read(&letter);
    assert!(head.contains("Subject: Approval needed: deployer asks for create on production"), "{head}");
    assert!(
        head.contains("Auto-Submitted: auto-generated") && head.contains("multipart/alternative"),
        "{head}"
    );
    assert!(head.contains(&format!("References: <{ticket}@example.com>")), "{head}");
    let (plain, html) = body.split_once("text/html").unwrap();
    for part in
        ["Production needs a second look (1 of sre)", "Release 42 fixes the login page", "0 of 1 approvals"]
    {
        assert!(plain.contains(part) && html.contains(part), "{part} in {body}");
    }
    let link = format!("http://localhost:8081/inbox/{ticket}");
    assert!(plain.contains(&link) && html.contains(&format!("<a href=\"{link}\">")), "{body}");
}

#[tokio::test]
async fn nothing_from_outside_is_a_header_or_markup_or_hides() {
    let (server, service) = told().await;
    let evil = "x\r\nBcc: eve@example.com\r\n\r\n.\r\n<script>alert('1')</script> <a href=\"https://evil.example\">ok</a>\u{202e}";
    let mut asked = question();
    asked["cedar"]["resource"] = json!(format!("Deploy::Environment::\"{evil}\""));
    asked["justification"] = json!(evil);
    asked["gates"][0]["reason"] = json!(evil);
    service.open(asked).await;
    let letter = server.wait(1).await[0].clone();
    assert_eq!(letter.to, ["sre@example.com", "ada@example.com"]);
    let (head, body) = read(&letter);
    let names: Vec<_> = head.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert!(!names.contains(&"Bcc"), "{head}");
    for markup in ["<script", "<a href=\"https://evil", "\u{202e}"] {
        let html = body.split_once("text/html").unwrap().1;
        assert!(!html.contains(markup), "{markup} in {html}");
    }
    assert!(body.contains("⟨U+000D⟩⟨U+000A⟩Bcc: eve@example.com"), "{body}");
    assert!(body.contains("&lt;script&gt;") && body.contains("⟨U+202E⟩"), "{body}");
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again_and_one_that_refuses_is_not() {
    let (server, service) = told().await;
    server.refuse(&["451 try again later", "554 no such mailbox"]);
    let ticket = service.open(question()).await;
    let dead = "SELECT count(*) FROM outbox WHERE state = 'dead' AND attempts = 2 AND error LIKE '%no such mailbox%'";
    until("it is given up", async || (service.count(dead).await == 1).then_some(())).await;
    assert!(server.letters().is_empty());
    assert_eq!(events(&service.show(&ticket).await), ["asked", "unreached"]);
}

#[tokio::test]
async fn the_password_goes_only_where_it_is_encrypted() {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&key, &authority).unwrap();
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(ring).with_safe_default_protocol_versions().unwrap();
    let chain = vec![CertificateDer::from_pem_slice(cert.pem().as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let server = MailServer::start(Some(TlsAcceptor::from(Arc::new(config)))).await;
    let more = "user = \"countersign\"\npassword = { file = \"password\" }\nca_file = \"ca.pem\"";
    let configured = configured(&server, more);
    std::fs::write(configured.folder.path().join("ca.pem"), authority.pem()).unwrap();
    let service = Service::told(&configured.read()).await;
    service.open(question()).await;
    let letter = server.wait(1).await[0].clone();
    use base64::Engine as _;
    let login = base64::engine::general_purpose::STANDARD.encode("\0countersign\0hunter2");
    assert_eq!((letter.encrypted, letter.login), (true, Some(login)));
}

#[tokio::test]
async fn a_server_without_encryption_gets_nothing() {
    let server = MailServer::start(None).await;
    let service = Service::told(&configured(&server, "").read()).await;
    service.open(question()).await;
    let failed = "SELECT count(*) FROM outbox WHERE attempts > 0 AND error IS NOT NULL";
    until("it failed", async || (service.count(failed).await == 1).then_some(())).await;
    assert!(server.letters().is_empty());
}
