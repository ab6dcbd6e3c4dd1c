//! Live updates: tells an open page that something has changed, and the page fetches itself again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt as _};

use super::page::LoggedIn;
use crate::api::callers::Reader;
use crate::api::problem::Failed;
use crate::app::App;

/// A comment this often keeps proxies from closing the stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Says nothing but that something is new: what it is, each page may show only to those who may see it.
pub(super) async fn changes(
    State(app): State<Arc<App>>,
    _viewer: LoggedIn,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    live(app)
}

/// Hear each time that something changes; what it is, lists say
#[utoipa::path(get, path = "/v1/live", tag = "people",
    responses((status = 200, description = "Server-sent events `change`", body = String, content_type = "text/event-stream"), Failed))]
pub(crate) async fn for_tools(
    State(app): State<Arc<App>>,
    _reader: Reader,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    live(app)
}

fn live(app: Arc<App>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let changes = WatchStream::from_changes(app.store.changes());
    // A page whose stream ends opens another, at a replica that goes on.
    let changes = changes.take_while(move |_| !app.store.is_closing());
    let events = changes.map(|count| Ok(Event::default().event("change").data(count.to_string())));
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}
