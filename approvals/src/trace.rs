//! A span for each request, as a part of the trace that the caller began (W3C Trace Context).

use std::collections::HashMap;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use opentelemetry::propagation::Extractor;
use tracing::Instrument as _;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header fields that carry a trace.
struct Fields(HashMap<String, String>);

impl Extractor for Fields {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

/// Serves within a span, named by the route: a path may hold a secret.
pub(crate) async fn traced(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    let span = tracing::info_span!(
        "request",
        "otel.name" = format!("{} {route}", request.method()),
        "otel.kind" = "server",
        "http.request.method" = %request.method(),
        "http.route" = route,
        "http.response.status_code" = Empty,
    );
    let fields = ["traceparent", "tracestate"].into_iter().filter_map(|name| {
        let value = request.headers().get(name)?.to_str().ok()?;
        Some((name.to_owned(), value.to_owned()))
    });
    let fields = Fields(fields.collect());
    let parent = opentelemetry::global::get_text_map_propagator(|propagator| propagator.extract(&fields));
    // Without an exporter there is no trace to be a part of.
    let _ = span.set_parent(parent);
    let response = next.run(request).instrument(span.clone()).await;
    span.record("http.response.status_code", response.status().as_u16());
    response
}
