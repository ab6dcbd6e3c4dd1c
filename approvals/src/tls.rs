//! TLS, and gateways that prove who they are with a certificate (RFC 8446, section 4.4.2).

use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is no PEM of what it should be.
    #[error("cannot read `{path}`: {source}")]
    Pem {
        /// Which file.
        path: String,
        /// Why.
        source: pem::Error,
    },
    /// A file has no certificate.
    #[error("`{0}` has no certificate")]
    Empty(String),
    /// Certificate and key do not fit, or cannot be used.
    #[error("cannot set up TLS: {0}")]
    Config(#[from] rustls::Error),
    /// The gateways' authorities cannot be used.
    #[error("cannot trust the gateways' authorities: {0}")]
    Verifier(#[from] VerifierBuilderError),
}

/// The names in the certificate that a connection was opened with, URIs and DNS names; empty without one. The
/// authority was checked in the handshake.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peer(pub(crate) Arc<[String]>);

impl Peer {
    pub(crate) fn of(stream: &TlsStream<TcpStream>) -> Self {
        let (_, connection) = stream.get_ref();
        let certificate = connection.peer_certificates().and_then(<[_]>::first);
        Self(certificate.map(|certificate| names(certificate)).unwrap_or_default().into())
    }
}

/// Sets TLS up: the service's certificates and key, and where gateways may prove themselves with certificates, the
/// authorities that vouch for them. All files are PEM.
///
/// # Errors
/// When a file cannot be read, or its content cannot be used.
pub fn config(cert: &Path, key: &Path, gateway_ca: Option<&Path>) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match gateway_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(path)? {
                roots.add(authority)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.allow_unauthenticated().build()?)
        }
    };
    let private = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key))?;
    let mut config = builder.with_single_cert(certificates(cert)?, private)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(unreadable(path))?;
    if found.is_empty() { Err(TlsError::Empty(path.display().to_string())) } else { Ok(found) }
}

fn unreadable(path: &Path) -> impl FnOnce(pem::Error) -> TlsError {
    let path = path.display().to_string();
    move |source| TlsError::Pem { path, source }
}

/// The subject alternative names of a certificate that are URIs or DNS names (RFC 5280, section 4.2.1.6).
fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::URI(name) | GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    };
    names.value.general_names.iter().filter_map(name).collect()
}
