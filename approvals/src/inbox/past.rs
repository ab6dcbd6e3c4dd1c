//! What is over: the history of all requests that somebody may see, and their own answers.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_protocol::UnixMillis;
use serde::Deserialize;

use super::page::{LoggedIn, Trouble, Viewer};
use super::rows::{List, Row};
use super::sought::Sought;
use super::text::Visible;
use super::{html, words};
use crate::api::extract::Query;
use crate::app::App;
use crate::store::answers::Kind;
use crate::store::lists::{Page, Place, Which};
use crate::store::past::Decision;

/// How many to show at once.
const AT_ONCE: u32 = 50;

#[derive(Template)]
#[template(path = "history.html")]
struct HistoryPage {
    viewer: Viewer,
    now: UnixMillis,
    sought: Sought,
    list: List,
}

#[derive(Template)]
#[template(path = "mine.html")]
struct MinePage {
    viewer: Viewer,
    now: UnixMillis,
    decisions: Vec<Mine>,
    next: Option<Place>,
}

/// An answer of the viewer's own.
struct Mine {
    kind: Kind,
    at: String,
    reason: Option<String>,
    dropped: Option<String>,
    row: Row,
}

impl Mine {
    fn of(Decision { kept, listed }: Decision) -> Self {
        let at = words::utc(kept.answer.at);
        Self { kind: kept.kind, at, reason: kept.reason, dropped: kept.dropped, row: Row::of(&listed) }
    }
}

#[derive(Deserialize)]
pub(super) struct Wanted {
    after: Option<Place>,
    #[serde(flatten)]
    sought: Sought,
}

pub(super) async fn history(
    State(app): State<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Query(Wanted { after, sought }): Query<Wanted>,
) -> Result<Response, Trouble> {
    let filter = sought.filter();
    let found = app.store.list(&session.member, Which::Closed, &filter, (after, AT_ONCE));
    let Page { items, next } = found.await?;
    let list = List::of(&items, next);
    let viewer = Viewer::of(&session, "/inbox/history");
    Ok(html(StatusCode::OK, &HistoryPage { viewer, now: app.store.now().await?, sought, list }))
}

pub(super) async fn mine(
    State(app): State<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Query(Wanted { after, .. }): Query<Wanted>,
) -> Result<Response, Trouble> {
    let (decisions, next) = app.store.decisions(&session.member, after, AT_ONCE).await?;
    let decisions = decisions.into_iter().map(Mine::of).collect();
    let viewer = Viewer::of(&session, "/inbox/mine");
    Ok(html(StatusCode::OK, &MinePage { viewer, now: app.store.now().await?, decisions, next }))
}
