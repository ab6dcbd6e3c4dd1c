//! Serving: what is set up once, what a person is told, and an orderly end.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use countersign_approvals::{App, Data, Login, tls_config};
use serde_json::json;
use tokio::net::TcpListener;

use super::{Options, print, telemetry};

#[tokio::main]
pub(super) async fn serve(options: Options, data: Data) -> anyhow::Result<()> {
    let _telemetry = telemetry::begin(options.log_format, options.otlp.as_deref())?;
    // Whoever looks whether the port is open shall find a service behind it.
    options.database(&data).reached(options.wait_for_database).await?;
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("cannot listen on `{}`", options.listen))?;
    let listening = listener.local_addr()?;
    let tls = match (&options.tls_cert, &options.tls_key) {
        (Some(cert), Some(key)) => Some(tls_config(cert, key, options.gateway_ca.as_deref())?),
        _ => None,
    };
    let settings = options.settings(&data, listening)?;
    let url = settings.url.clone();
    let database = settings.database.to_string();
    let app = App::open(settings).await?;
    // Last, so that nothing can fail between making what is shown only once and showing it.
    let (admin, token) = app.first_run().await?;
    let jwk = app.jwk().await?;
    introduce(&data, &database, &url, &jwk, admin, token)?;
    print(&json!({ "listening": listening, "issuer": options.issuer, "jwk": jwk }))?;
    let watch = tokio::spawn({
        let app = Arc::clone(&app);
        async move { app.keep_watch().await }
    });
    countersign_approvals::serve(app.router(), listener, tls, ending(Arc::clone(&app))).await;
    app.finish().await;
    watch.abort();
    app.close().await;
    tracing::info!("ended");
    Ok(())
}

/// Returns when the program is told to end, and has polls handed over.
async fn ending(app: Arc<App>) {
    stopped().await;
    app.hand_over();
}

async fn stopped() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    let _ = interrupt.await;
}

/// Tells a person where everything is; secrets are shown this once.
fn introduce(
    data: &Data,
    database: &str,
    url: &url::Url,
    jwk: &countersign_protocol::jws::Jwk,
    admin: Option<Login>,
    token: Option<String>,
) -> anyhow::Result<()> {
    let mut err = std::io::stderr().lock();
    writeln!(err, "Inbox            {url}")?;
    writeln!(err, "Database         {database}")?;
    writeln!(err, "Signing key      {}", data.key_file().display())?;
    writeln!(err, "Key for filters  {}", serde_json::to_string(jwk)?)?;
    if let Some(Login { user, password, otpauth, .. }) = admin {
        writeln!(err, "\nThis is the first run. Keep these, they are not shown again:")?;
        writeln!(err, "  log in as      {user}")?;
        writeln!(err, "  password       {password}")?;
        writeln!(err, "  second factor  {otpauth}")?;
    }
    if let Some(token) = token {
        writeln!(err, "  gateway token  {token}   (audience `default`)")?;
    }
    writeln!(err)?;
    Ok(())
}
