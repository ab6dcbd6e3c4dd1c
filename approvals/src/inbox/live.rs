//! Live updates: tells an open page that something has changed, and the page fetches itself again.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, KeepAliveStream, Sse};
use countersign_protocol::person::Person;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use super::page::LoggedIn;
use crate::api::callers::Reader;
use crate::api::problem::{Failed, Problem};
use crate::app::App;
use crate::auth::Session;
use crate::code::Code;

/// A comment this often keeps proxies from closing the stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How often to see whether whoever listens may still, where nothing changes.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// How long it is quiet after an event: what changes meanwhile is told by the next.
const PAUSE: Duration = Duration::from_millis(250);

/// The most streams of one person here.
const MOST: usize = 32;

type Events = Sse<KeepAliveStream<ReceiverStream<Result<Event, Infallible>>>>;

/// Who listens here, and how often.
#[derive(Clone, Default)]
pub(crate) struct Listeners(Arc<Mutex<BTreeMap<Person, usize>>>);

/// A place among them, free again when it is dropped.
struct Listener {
    all: Listeners,
    person: Person,
}

impl Listeners {
    /// A place for one more, unless the person has too many.
    fn join(&self, person: &Person) -> Result<Listener, Problem> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(person.clone()).or_default();
        if *count >= MOST {
            return Err(Problem::new(
                Code::TooManyStreams,
                format!("you listen {MOST} times already: close some pages"),
            ));
        }
        *count += 1;
        Ok(Listener { all: self.clone(), person: person.clone() })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = all.entry(self.person.clone()) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// Says nothing but that something is new: what it is, each page may show only to those who may see it.
pub(super) async fn changes(
    State(app): State<Arc<App>>,
    LoggedIn(session): LoggedIn,
) -> Result<Events, Problem> {
    live(app, session)
}

/// Hear that something has changed, a few times a second at most; what it is, lists say
#[utoipa::path(get, path = "/v1/live", tag = "people",
    responses((status = 200, description = "Server-sent events `change`", body = String, content_type = "text/event-stream"), Failed))]
pub(crate) async fn for_tools(
    State(app): State<Arc<App>>,
    Reader(session): Reader,
) -> Result<Events, Problem> {
    live(app, session)
}

fn live(app: Arc<App>, session: Session) -> Result<Events, Problem> {
    let listener = app.listeners.join(&session.member.person)?;
    let (events, stream) = mpsc::channel(1);
    let changes = app.store.changes();
    tokio::spawn(async move {
        let _listener = listener;
        follow(app, session, changes, events).await;
    });
    Ok(Sse::new(ReceiverStream::new(stream)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
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
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = app.store.closes() => {}
                () = events.closed() => return,
            }
        }
    }
}
