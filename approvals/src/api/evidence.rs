//! For administrators and auditors: the evidence that is kept, and where it does not hold together.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::callers::Auditor;
use super::extract::Query;
use super::problem::{Failed, Problem};
use crate::app::App;
use crate::code::Code;
use crate::store::evidence::{Break, Filter, LINES};

/// The header that names the producer which the service itself is.
const PRODUCER: &str = "countersign-producer";

/// Read evidence: the lines as they were made, each lane in order
#[utoipa::path(get, path = "/v1/evidence", tag = "auditors", params(Filter),
    responses((status = 200, description = "Records, one a line", body = String, content_type = "application/x-ndjson",
        headers(("countersign-producer" = String, description = "The producer that the service itself is"))), Failed))]
pub(crate) async fn lines(
    State(app): State<Arc<App>>,
    _: Auditor,
    Query(filter): Query<Filter>,
) -> Result<impl IntoResponse, Problem> {
    let whole = |from: u64| i64::try_from(from).is_ok();
    if filter.limit.is_some_and(|limit| !(1..=LINES.1).contains(&limit)) || !filter.from.is_none_or(whole) {
        let detail = "`limit` is 1 to 1000000, `from` a number that a record can have";
        return Err(Problem::new(Code::MalformedQuery, detail));
    }
    let mut text = app.store.evidence(&filter).await?.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    let own = app.store.own_producer().await?.unwrap_or_default();
    Ok(([(header::CONTENT_TYPE.as_str(), "application/x-ndjson".to_owned()), (PRODUCER, own)], text))
}

/// List where evidence does not hold together
#[utoipa::path(get, path = "/v1/evidence/breaks", tag = "auditors",
    responses((status = 200, description = "In order", body = Vec<Break>), Failed))]
pub(crate) async fn breaks(State(app): State<Arc<App>>, _: Auditor) -> Result<Json<Vec<Break>>, Problem> {
    Ok(Json(app.store.breaks(app.silent_after).await?))
}
