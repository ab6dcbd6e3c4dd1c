//! How the service speaks to others, the provider first: no redirects, not for long, not without end.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use openidconnect::{HttpRequest, HttpResponse};

/// How long to wait for a reply.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest reply, bytes.
const LONGEST: usize = 1 << 20;

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoReply {
    #[error("{0}")]
    Request(#[from] hyper_util::client::legacy::Error),
    #[error("no reply within {} s", PATIENCE.as_secs())]
    TooLate(#[from] tokio::time::error::Elapsed),
    #[error("its reply breaks off, or has more than {LONGEST} bytes")]
    Broken,
}

type Reply = Pin<Box<dyn Future<Output = Result<HttpResponse, NoReply>> + Send>>;

/// An HTTP client. It follows no redirects: one could lead the secret elsewhere, or into this machine's network.
#[derive(Clone)]
pub(crate) struct Http(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Http {
    pub(crate) fn new() -> Result<Self, std::io::Error> {
        let ring = rustls::crypto::ring::default_provider();
        let connector = HttpsConnectorBuilder::new().with_provider_and_native_roots(ring)?;
        Ok(Self(
            Client::builder(TokioExecutor::new()).build(connector.https_or_http().enable_http1().build()),
        ))
    }

    /// Sends a request and reads all of the reply.
    pub(crate) async fn call(&self, request: HttpRequest) -> Result<HttpResponse, NoReply> {
        self.client()(request).await
    }

    /// In the form that `openidconnect` calls.
    pub(super) fn client(&self) -> impl Fn(HttpRequest) -> Reply + use<> {
        let client = self.0.clone();
        move |request| {
            let client = client.clone();
            Box::pin(async move {
                let reply = client.request(request.map(Full::from));
                let (parts, body) = tokio::time::timeout(PATIENCE, reply).await??.into_parts();
                let body = Limited::new(Body::new(body), LONGEST).collect();
                let body = tokio::time::timeout(PATIENCE, body).await?.map_err(|_| NoReply::Broken)?;
                Ok(HttpResponse::from_parts(parts, body.to_bytes().to_vec()))
            })
        }
    }
}
