//! Broken glass: what somebody else has to look at.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use countersign_protocol::person::Person;
use countersign_protocol::{Token, UnixMillis};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::callers::{Answerer, Reader};
use super::extract::{Body, Path};
use super::people::{heard, seen_to};
use super::problem::{Failed, Problem};
use crate::app::App;
use crate::reason::Reason;
use crate::store::reviews::Review;

/// A request that somebody let through alone.
#[derive(Serialize, ToSchema)]
pub(crate) struct Reviewed {
    ticket: Token,
    /// Who broke the glass.
    opened_by: Person,
    opened_at: UnixMillis,
    /// Who looked at it; nobody yet where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_by: Option<Person>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_at: Option<UnixMillis>,
    /// What they found.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl From<Review> for Reviewed {
    fn from(review: Review) -> Self {
        let Review { ticket, opener, opened_at, closed, note } = review;
        let (closed_by, closed_at) = closed.unzip();
        Self { ticket, opened_by: opener, opened_at, closed_by, closed_at, note }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Reviews {
    items: Vec<Reviewed>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Finding {
    /// What was found.
    note: Reason,
}

/// List broken glass that nobody else has looked at yet
#[utoipa::path(get, path = "/v1/reviews", tag = "people",
    responses((status = 200, description = "Of the requests that one may see, the oldest first", body = Reviews), Failed))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Reader(session): Reader,
) -> Result<Json<Reviews>, Problem> {
    let open = app.store.reviews_for(&session.member).await?;
    Ok(Json(Reviews { items: open.into_iter().map(|(review, _)| review.into()).collect() }))
}

/// Say that one has looked at a request whose glass somebody else broke
#[utoipa::path(post, path = "/v1/requests/{ticket}/review", tag = "people", params(("ticket" = Token, Path)),
    request_body = Finding, responses((status = 204, description = "It is off the list"), Failed))]
pub(crate) async fn close(
    State(app): State<Arc<App>>,
    Answerer(session): Answerer,
    Path(id): Path<Token>,
    finding: Result<Body<Finding>, Problem>,
) -> Result<StatusCode, Problem> {
    seen_to(&app, &session, id, "review").await?;
    let Body(finding) = heard(&app, &session, id, ("review", finding)).await?;
    app.store.close_review(id, &session.member, &finding.note).await?;
    Ok(StatusCode::NO_CONTENT)
}
