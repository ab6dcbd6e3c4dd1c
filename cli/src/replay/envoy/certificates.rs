//! Certificates of one replay: the gateway's own, and one for each name that a client is recorded to have had.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType,
};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The gateway's name in its certificate.
pub(super) const NAME: &str = "gateway.replay";

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Where the gateway finds its own.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    /// Who signs the clients'.
    pub(super) authority: PathBuf,
}

/// How each client connects, by the name in its certificate; without one under no name.
pub(super) type Connectors = BTreeMap<Option<String>, TlsConnector>;

/// Makes an authority that nobody else knows, the gateway's certificate, and the clients'.
///
/// # Errors
/// When a name cannot be put into a certificate, or a file cannot be written.
pub(super) fn make(names: &[Option<String>], folder: &Path) -> Result<(Files, Connectors), Failed> {
    let authority = authority()?;
    let (certificate, key) = certificate(SanType::DnsName(NAME.try_into()?), &authority)?;
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).map(|()| path)
    };
    let files = Files {
        certificate: write("gateway.pem", certificate.pem())?,
        key: write("gateway.key", key.serialize_pem())?,
        authority: write("authority.pem", authority.pem())?,
    };
    let connector = |name: &Option<String>| Ok((name.clone(), connector(name.as_deref(), &authority)?));
    let connectors = names.iter().map(connector).collect::<Result<_, Failed>>()?;
    Ok((files, connectors))
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>, Failed> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "the replay's authority");
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn certificate(
    name: SanType,
    authority: &CertifiedIssuer<'static, KeyPair>,
) -> Result<(Certificate, KeyPair), Failed> {
    let (key, mut params) = (KeyPair::generate()?, CertificateParams::new(Vec::new())?);
    params.subject_alt_names = vec![name];
    Ok((params.signed_by(&key, authority)?, key))
}

fn connector(
    name: Option<&str>,
    authority: &CertifiedIssuer<'static, KeyPair>,
) -> Result<TlsConnector, Failed> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone())?;
    let client = ClientConfig::builder().with_root_certificates(roots);
    let client = match name {
        None => client.with_no_client_auth(),
        Some(name) => {
            let (certificate, key) = certificate(SanType::URI(name.try_into()?), authority)?;
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
            client.with_client_auth_cert(vec![certificate.into()], key)?
        }
    };
    Ok(TlsConnector::from(Arc::new(client)))
}
