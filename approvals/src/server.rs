//! Serves connections, plain or over TLS: each has a time for its handshake and its header, and all an orderly end.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Extension};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::tls::Peer;

/// How long a handshake, or a sign of life over HTTP/2, may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the header of a request may take, and a connection be idle: a proxy keeps some for the next request, and
/// must seldom find that they have just ended.
const HEADER: Duration = Duration::from_secs(60);
/// How often a connection over HTTP/2 is asked for a sign of life.
const ASK_EVERY: Duration = Duration::from_secs(20);
/// How long to wait when the system gives no connection: it has no file descriptors left, say.
const PAUSE: Duration = Duration::from_millis(100);
/// How long what is under way may take to end once the program is told to.
const LAST: Duration = Duration::from_secs(10);

/// What every connection needs.
#[derive(Clone)]
struct Server {
    router: Router,
    tls: Option<TlsAcceptor>,
    http: Builder<TokioExecutor>,
}

/// Serves until `end`, and then until what is under way has ended, for at most ten seconds.
pub async fn serve(
    router: Router,
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    end: impl Future<Output = ()>,
) {
    let mut http = Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEADER);
    http.http2().timer(TokioTimer::new()).keep_alive_interval(ASK_EVERY).keep_alive_timeout(PATIENCE);
    let server = Server { router, tls: tls.map(TlsAcceptor::from), http };
    let under_way = GracefulShutdown::new();
    let mut end = pin!(end);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => {
                    let (server, watcher) = (server.clone(), under_way.watcher());
                    tokio::spawn(async move { server.connection(stream, from, watcher).await });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            () = &mut end => break,
        }
    }
    drop(listener);
    if tokio::time::timeout(LAST, under_way.shutdown()).await.is_err() {
        tracing::warn!("some requests were still under way at the end");
    }
}

impl Server {
    async fn connection(self, stream: TcpStream, from: SocketAddr, watcher: Watcher) {
        // Answers are short and somebody waits for them. Without it they come all the same.
        let _ = stream.set_nodelay(true);
        let Some(tls) = self.tls.clone() else {
            return self.talk(stream, Peer::default(), from, watcher).await;
        };
        match tokio::time::timeout(PATIENCE, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                let peer = Peer::of(&stream);
                self.talk(stream, peer, from, watcher).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, %from, "a TLS handshake failed"),
            Err(_) => tracing::debug!(%from, "a TLS handshake took too long"),
        }
    }

    async fn talk<S>(self, stream: S, peer: Peer, from: SocketAddr, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = TowerToHyperService::new(self.router.layer(Extension(ConnectInfo(peer))));
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, %from, "a connection ended early");
        }
    }
}
