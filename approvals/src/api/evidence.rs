//! For administrators and auditors: the evidence that is kept, and where it does not hold together.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::extract::Query;
use super::problem::Problem;
use crate::app::App;
use crate::auth::Session;
use crate::people::Role;
use crate::store::evidence::{Break, Filter};

fn auditor(session: &Session) -> Result<(), Problem> {
    let reads = session.member.has(&[Role::Admin, Role::Auditor]);
    reads.then_some(()).ok_or_else(|| Problem::forbidden("not_an_auditor", "only auditors read the evidence"))
}

/// The lines as they came, one a line.
pub(crate) async fn lines(
    State(app): State<Arc<App>>,
    session: Session,
    Query(filter): Query<Filter>,
) -> Result<impl IntoResponse, Problem> {
    auditor(&session)?;
    let mut text = app.store.evidence(&filter).await?.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], text))
}

pub(crate) async fn breaks(
    State(app): State<Arc<App>>,
    session: Session,
) -> Result<Json<Vec<Break>>, Problem> {
    auditor(&session)?;
    Ok(Json(app.store.breaks(app.silent_after).await?))
}
