//! Mail: text and HTML that say the same, headers that nobody from outside writes, and servers that refuse.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

use super::mime::Opened;
use super::smtp::{Encryption, MailServer};
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
    let server = MailServer::start(Encryption::None).await;
    let service = Service::told(&configured(&server, "tls = \"none\"").read()).await;
    (server, service)
}

#[tokio::test]
async fn a_letter_says_it_twice_and_goes_to_all_addresses() {
    let (server, service) = told().await;
    let ticket = service.open(question()).await;
    let letter = server.wait(1).await[0].clone();
    assert_eq!((letter.from.as_str(), letter.login.as_ref()), ("countersign@example.com", None));
    assert_eq!(letter.to, ["sre@example.com", "ada@example.com"]);
    let Opened { head, plain, html } = Opened::of(&letter);
    assert!(head.contains("Subject: Approval needed: deployer asks for create on production"), "{head}");
    assert!(
        head.contains("Auto-Submitted: auto-generated") && head.contains("multipart/alternative"),
        "{head}"
    );
    assert!(head.contains(&format!("References: <{ticket}@example.com>")), "{head}");
    for part in
        ["Production needs a second look (1 of sre)", "Release 42 fixes the login page", "0 of 1 approvals"]
    {
        assert!(plain.contains(part) && html.contains(part), "{part} in {plain} {html}");
    }
    let link = format!("http://localhost:8081/inbox/{ticket}");
    assert!(plain.contains(&link) && html.contains(&format!("<a href=\"{link}\">")), "{plain} {html}");
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
    let Opened { head, plain, html } = Opened::of(&letter);
    let names: Vec<_> = head.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert!(!names.contains(&"Bcc"), "{head}");
    for markup in ["<script", "<a href=\"https://evil", "\u{202e}"] {
        assert!(!html.contains(markup), "{markup} in {html}");
    }
    assert!(plain.contains("⟨U+000D⟩⟨U+000A⟩Bcc: eve@example⟨.⟩com"), "{plain}");
    assert!(html.contains("&lt;script&gt;") && html.contains("⟨U+202E⟩"), "{html}");
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

/// A certificate for `localhost` at work, and the authority that vouches for it, PEM.
fn certified() -> (TlsAcceptor, String) {
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
    (TlsAcceptor::from(Arc::new(config)), authority.pem())
}

#[tokio::test]
async fn the_password_goes_only_where_it_is_encrypted() {
    use base64::Engine as _;
    let login = base64::engine::general_purpose::STANDARD.encode("\0countersign\0hunter2");
    let (acceptor, authority) = certified();
    for (tls, encryption) in
        [("starttls", Encryption::Starttls(acceptor.clone())), ("tls", Encryption::Tls(acceptor))]
    {
        let server = MailServer::start(encryption).await;
        let more = format!(
            "tls = \"{tls}\"\nuser = \"countersign\"\npassword = {{ file = \"password\" }}\nca_file = \"ca.pem\""
        );
        let configured = configured(&server, &more);
        std::fs::write(configured.folder.path().join("ca.pem"), &authority).unwrap();
        let service = Service::told(&configured.read()).await;
        service.open(question()).await;
        let letter = server.wait(1).await[0].clone();
        assert_eq!((letter.encrypted, letter.login.as_ref()), (true, Some(&login)), "{tls}");
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_nothing() {
    let (acceptor, _) = certified();
    let server = MailServer::start(Encryption::Tls(acceptor)).await;
    let service = Service::told(&configured(&server, "tls = \"tls\"").read()).await;
    service.open(question()).await;
    let failed = "SELECT count(*) FROM outbox WHERE attempts > 0 AND error LIKE '%certificate%'";
    until("it failed", async || (service.count(failed).await == 1).then_some(())).await;
    assert!(server.letters().is_empty());
}

#[tokio::test]
async fn a_server_without_encryption_gets_nothing() {
    let server = MailServer::start(Encryption::None).await;
    let service = Service::told(&configured(&server, "").read()).await;
    service.open(question()).await;
    let failed = "SELECT count(*) FROM outbox WHERE attempts > 0 AND error IS NOT NULL";
    until("it failed", async || (service.count(failed).await == 1).then_some(())).await;
    assert!(server.letters().is_empty());
}
