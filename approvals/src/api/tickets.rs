//! For the requester: where a ticket stands, to whoever holds its status link, and nothing else.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as AppState;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use countersign_protocol::approval::State;
use countersign_protocol::{Token, UnixMillis};
use serde::Serialize;
use utoipa::ToSchema;

use super::extract::Path;
use super::problem::{Failed, Problem};
use crate::app::App;

/// How soon to ask again while people think, seconds.
const RETRY_AFTER: &str = "5";

/// Where a request stands.
#[derive(Serialize, ToSchema)]
struct Status {
    status: &'static str,
    /// When that ends, where it does by itself.
    expires_at: Option<UnixMillis>,
}

/// A state in the words of OpenID AuthZEN's Access Request and Approval Profile.
fn authzen(state: State) -> &'static str {
    match state {
        State::Pending => "pending",
        State::Approved | State::Consumed => "approved",
        State::Expired => "expired",
        State::Revoked | State::Cancelled => "cancelled",
        State::Rejected | State::Unknown => "denied",
    }
}

/// See where a request stands
#[utoipa::path(get, path = "/v1/tickets/{capability}", tag = "requesters", params(("capability" = Token, Path)),
    responses((status = 200, description = "Where it stands", body = Status), Failed))]
pub(crate) async fn status(
    AppState(app): AppState<Arc<App>>,
    Path(capability): Path<Token>,
) -> Result<Response, Problem> {
    let ticket = app.store.by_capability(capability).await?.ok_or_else(Problem::not_found)?;
    let body = Json(Status { status: authzen(ticket.state), expires_at: ticket.lapses_at });
    let fresh = [(header::CACHE_CONTROL, "no-store")];
    Ok(match ticket.state {
        State::Pending => (fresh, [(header::RETRY_AFTER, RETRY_AFTER)], body).into_response(),
        _ => (fresh, body).into_response(),
    })
}
