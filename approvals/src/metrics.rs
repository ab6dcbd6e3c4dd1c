//! What the service counts, in the form that Prometheus reads (OpenMetrics).

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use countersign_protocol::approval::{AskResult, ClaimResult, OutcomeEvent};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::api::problem::Problem;
use crate::app::App;
use crate::store::StoreError;
use crate::store::answers::Kind;
use crate::store::counts::Counts;
use crate::store::outbox::settling::Tried;
use crate::store::outbox::standing::Standing;

/// Upper bounds of times to answer, seconds: long polls last up to 25.
const SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Served {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

/// What became of something.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Became {
    result: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    kind: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Happened {
    event: &'static str,
}

/// A try to deliver.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Delivered {
    channel: String,
    result: &'static str,
}

/// Messages of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Held {
    channel: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    channel: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct In {
    state: &'static str,
}

/// All that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Served, Counter>,
    seconds: Family<Route, Histogram, fn() -> Histogram>,
    asks: Family<Became, Counter>,
    answers: Family<Answered, Counter>,
    claims: Family<Became, Counter>,
    outcomes: Family<Happened, Counter>,
    open: Family<In, Gauge>,
    reviews: Gauge,
    waiters: Gauge,
    deliveries: Family<Delivered, Counter>,
    messages: Family<Held, Gauge>,
    oldest: Family<Of, Gauge>,
    unreached: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("countersign_approvals"),
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            asks: Family::default(),
            answers: Family::default(),
            claims: Family::default(),
            outcomes: Family::default(),
            open: Family::default(),
            reviews: Gauge::default(),
            waiters: Gauge::default(),
            deliveries: Family::default(),
            messages: Family::default(),
            oldest: Family::default(),
            unreached: Gauge::default(),
        };
        let to = &mut metrics.registry;
        to.register("http_requests", "Requests served", metrics.requests.clone());
        to.register("http_request_seconds", "How long requests took", metrics.seconds.clone());
        to.register("asks", "Questions of gateways by what became of them", metrics.asks.clone());
        to.register("answers", "Answers that people gave", metrics.answers.clone());
        to.register("claims", "Uses of approvals that gateways asked for", metrics.claims.clone());
        to.register("outcomes", "What gateways reported", metrics.outcomes.clone());
        to.register("open_requests", "Requests that are open, in the database", metrics.open.clone());
        to.register("open_reviews", "Broken glass that nobody has looked at yet", metrics.reviews.clone());
        to.register("polls", "Long polls that wait at this replica", metrics.waiters.clone());
        to.register("deliveries", "Tries to deliver messages to channels", metrics.deliveries.clone());
        to.register(
            "messages",
            "Messages that wait or were given up, in the database",
            metrics.messages.clone(),
        );
        let oldest = metrics.oldest.clone();
        to.register(
            "oldest_message_seconds",
            "How long the oldest message has waited, in the database",
            oldest,
        );
        let unreached = metrics.unreached.clone();
        to.register("unreached_requests", "Open requests that no channel reached anybody about", unreached);
        metrics
    }

    /// Counts a try to deliver.
    pub(crate) fn delivered(&self, channel: &str, tried: &Tried) {
        let result = match tried {
            Tried::Sent(_) => "sent",
            Tried::Failed(_) => "failed",
            Tried::Limited(..) => "limited",
            Tried::Refused(_) => "refused",
        };
        self.deliveries.get_or_create(&Delivered { channel: channel.into(), result }).inc();
    }

    fn channels(&self, standings: &[Standing], unreached: i64) {
        for Standing { channel, queued, dead, waits, .. } in standings {
            for (state, count) in [("queued", queued), ("dead", dead)] {
                self.messages.get_or_create(&Held { channel: channel.clone(), state }).set(*count);
            }
            self.oldest.get_or_create(&Of { channel: channel.clone() }).set(waits / 1000);
        }
        self.unreached.set(unreached);
    }

    pub(crate) fn asked(&self, result: &AskResult) {
        let result = match result {
            AskResult::Open { .. } => "open",
            AskResult::Refused { code, .. } => code,
        };
        self.asks.get_or_create(&Became { result: result.into() }).inc();
    }

    pub(crate) fn answered(&self, kind: Kind, taken: bool) {
        let result = if taken { "taken" } else { "refused" };
        self.answers.get_or_create(&Answered { kind: kind.name(), result }).inc();
    }

    pub(crate) fn claimed(&self, result: &ClaimResult) {
        let result = match result {
            ClaimResult::Won { .. } => "won",
            ClaimResult::Lost { .. } => "lost",
        };
        self.claims.get_or_create(&Became { result: result.into() }).inc();
    }

    pub(crate) fn reported(&self, event: &OutcomeEvent) {
        let event = match event {
            OutcomeEvent::Forwarded { .. } => "forwarded",
            OutcomeEvent::GrantRefused { .. } => "grant_refused",
            OutcomeEvent::ClientLeft { .. } => "client_left",
        };
        self.outcomes.get_or_create(&Happened { event }).inc();
    }

    fn read(&self, counts: Counts, polls: usize) -> Result<String, std::fmt::Error> {
        for (state, count) in [("pending", counts.pending), ("approved", counts.approved)] {
            self.open.get_or_create(&In { state }).set(count);
        }
        self.reviews.set(counts.reviews);
        self.waiters.set(i64::try_from(polls).unwrap_or(i64::MAX));
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

/// Counts and times each request by the route that it took.
pub(crate) async fn counted(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    // A client may write anything for a method, too.
    let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE];
    let method =
        known.iter().find(|known| *known == request.method()).map_or("other", Method::as_str).to_owned();
    // Never the path itself: it may hold a secret, and there is no end of them.
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let begun = Instant::now();
    let response = next.run(request).await;
    let served = Served { method, route: route.clone(), status: response.status().as_u16() };
    app.metrics.requests.get_or_create(&served).inc();
    app.metrics.seconds.get_or_create(&Route { route }).observe(begun.elapsed().as_secs_f64());
    response
}

/// All that is counted, as Prometheus reads it.
pub(crate) async fn exposed(State(app): State<Arc<App>>) -> Result<impl IntoResponse, Problem> {
    let counts = app.store.counts().await?;
    app.metrics.channels(&app.store.standings().await?, app.store.count_unreached().await?);
    let read = app.metrics.read(counts, app.store.polls()).map_err(StoreError::from)?;
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], read))
}
