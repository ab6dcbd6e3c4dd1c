//! The deployment API of the example: a small real server that keeps what reaches it.
//!
//! It listens twice: on the API's own address (its only argument, else any free port), and on one that no gateway leads to, where `GET /calls` gives
//! out every call that arrived, byte for byte. When it is ready it prints both addresses as one line of JSON.

mod api;
mod calls;

use std::net::{Ipv4Addr, SocketAddr};

use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::{Json, Router};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::TcpListener;

use crate::calls::Calls;

/// Ten times as many as gateways take unless told otherwise.
const MOST_HEADERS: usize = 1_100;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let calls = Calls::default();
    let kept = calls.clone();
    let api = api::router().layer(from_fn_with_state(calls, calls::keep));
    let admin = Router::new().route("/calls", get(async move || Json(kept.all())));

    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let wanted = std::env::args().nth(1).map_or(Ok(any_port), |address| address.parse())?;
    let (api_at, admin_at) = (TcpListener::bind(wanted).await?, TcpListener::bind(any_port).await?);
    println!("{}", json!({ "listening": api_at.local_addr()?, "calls": admin_at.local_addr()? }));
    tokio::select! {
        served = serve(api_at, api) => served?,
        served = axum::serve(admin_at, admin) => served?,
    }
    Ok(())
}

/// Serves the API, and takes as many headers as a gateway may pass on.
async fn serve(listener: TcpListener, api: Router) -> anyhow::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let api = TowerToHyperService::new(api.clone());
        tokio::spawn(async move {
            let mut connection = http1::Builder::new();
            // A connection that breaks is its client's affair.
            let _ = connection.max_headers(MOST_HEADERS).serve_connection(TokioIo::new(stream), api).await;
        });
    }
}
