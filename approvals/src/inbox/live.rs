//! Live updates: tells an open page that something has changed, and the page fetches itself again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, KeepAliveStream, Sse};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use super::page::LoggedIn;
use crate::api::callers::Reader;
use crate::api::problem::Failed;
use crate::app::App;
use crate::auth::Session;

/// A comment this often keeps proxies from closing the stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How often to see whether whoever listens may still, where nothing changes.
const LOOK_EVERY: Duration = Duration::from_secs(15);

type Events = Sse<KeepAliveStream<ReceiverStream<Result<Event, Infallible>>>>;

/// Says nothing but that something is new: what it is, each page may show only to those who may see it.
pub(super) async fn changes(State(app): State<Arc<App>>, LoggedIn(session): LoggedIn) -> Events {
    live(app, session)
}

/// Hear each time that something changes; what it is, lists say
#[utoipa::path(get, path = "/v1/live", tag = "people",
    responses((status = 200, description = "Server-sent events `change`", body = String, content_type = "text/event-stream"), Failed))]
pub(crate) async fn for_tools(State(app): State<Arc<App>>, Reader(session): Reader) -> Events {
    live(app, session)
}

fn live(app: Arc<App>, session: Session) -> Events {
    let (events, stream) = mpsc::channel(1);
    let changes = app.store.changes();
    tokio::spawn(follow(app, session, changes, events));
    Sse::new(ReceiverStream::new(stream)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

/// Tells of changes until nobody listens, the session or token is over, or this replica is about to end: a page whose
/// stream ends opens another, at a replica that goes on.
async fn follow(
    app: Arc<App>,
    session: Session,
    mut changes: watch::Receiver<u64>,
    events: mpsc::Sender<Result<Event, Infallible>>,
) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    // What changed while the database was away is told when it is back.
    let mut untold = false;
    loop {
        tokio::select! {
            changed = changes.changed() => untold = changed.is_ok(),
            _ = looks.tick() => {}
            () = events.closed() => return,
        }
        match app.auth.goes_on(&session).await {
            Ok(true) if !app.store.is_closing() => {}
            Ok(_) => return,
            Err(_) => continue,
        }
        let count = *changes.borrow_and_update();
        if std::mem::take(&mut untold) {
            let event = Event::default().event("change").data(count.to_string());
            if events.send(Ok(event)).await.is_err() {
                return;
            }
        }
    }
}
