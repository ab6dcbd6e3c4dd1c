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
use serde_json::json;
use tokio::net::TcpListener;

use crate::calls::Calls;

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
    tokio::try_join!(axum::serve(api_at, api), axum::serve(admin_at, admin))?;
    Ok(())
}
