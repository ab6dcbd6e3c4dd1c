//! One request, with all that is bound, and what the viewer can do about it.

mod before;
mod choice;
mod exact;
mod told;

use std::sync::Arc;

use askama::Template;
use axum::extract::State as AppState;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use countersign_protocol::request::{Question, Severity};
use countersign_protocol::{Hash, Token, UnixMillis};
use countersign_view::words::{Named, lasting, severity};
use countersign_view::{Label, Topic, Value, visible};
use serde::Deserialize;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::because::Because;
use super::html;
use super::page::{LoggedIn, Trouble, Viewer};
use super::text::{Tree, Visible};
use super::typed::Typed;
use super::words::{self, Deadline};
use crate::api::callers::REFRESH;
use crate::api::extract::{Path, Query};
use crate::api::people::seen;
use crate::api::problem::Problem;
use crate::app::App;
use crate::auth::Session;
use crate::store::StoreError;
use crate::store::answers::{Kind, lacking, may_stop, needed};
use crate::store::history::Entry;
use crate::store::tickets::Ticket;
use crate::store::waiters::Waiting;
use before::{Before, Other};
use choice::{Choice, Means, choose, glass_by};
pub(super) use exact::is_folded;
use exact::{SHOWN_AT_ONCE, Shown, shown, view};
use told::{Glass, Happened, Said, Used, glass, happened, said, used};

#[derive(Template)]
#[template(path = "request.html")]
struct RequestPage {
    viewer: Viewer,
    problem: Option<String>,
    typed: Typed,
    ticket: Ticket,
    who: Named,
    action: Named,
    resource: Named,
    /// The path, or the beginning of a long one and a mark: all of it stands below.
    short_path: String,
    because: Because,
    have: usize,
    need: usize,
    deadline: Option<Deadline>,
    waiting: Waiting,
    held: Option<Deadline>,
    answers: Vec<Said>,
    uses: Vec<Used>,
    open_end: Option<String>,
    history: Vec<Happened>,
    choice: Choice,
    may_stop: bool,
    /// What an approval must carry, if this page shows all of the request.
    saw_all: String,
    /// How the viewer may open it alone, if they may.
    glass_by: Option<Means>,
    glass: Option<Glass>,
    /// Whether no channel reached anybody about it.
    unreached: bool,
    /// The hash of the rendering that the viewer has before their eyes: what an answer names.
    shown: Hash,
    fixed: Option<Fixed>,
}

/// What is the same for as long as a page is open: one that fetches itself again has it.
struct Fixed {
    /// The request itself, as everybody is shown it.
    parts: Vec<Shown>,
    /// What is different from the last like it.
    before: Option<Before>,
    /// What else its principal asked for.
    lately: Vec<Other>,
}

/// Why people reject, ready to pick.
pub(crate) const PRESETS: [&str; 4] = [
    "I did not expect this now",
    "It is for the wrong target",
    "Talk to us first",
    "It looks like a mistake",
];

/// The most of a path that stands in the headline, characters.
const LONGEST_PATH: usize = 300;

/// How much of a request to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// What a page can hold without trouble; a request that is longer cannot be approved so.
    Folded,
    /// All of it.
    Full,
}

#[derive(Deserialize)]
pub(super) struct View {
    full: Option<String>,
}

pub(super) async fn show(
    AppState(app): AppState<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Path(id): Path<Token>,
    Query(view): Query<View>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    let extent = if view.full.is_some() { Extent::Full } else { Extent::Folded };
    let ticket = seen(&app, &session, id).await?;
    let (shown, fixed) = match headers.get(REFRESH) {
        // An open page fetches itself again for what has changed since; what is bound never does.
        Some(open) => (open.to_str().ok().and_then(|hash| hash.parse().ok()).unwrap_or(ticket.shown), None),
        None => rendered(&app, &ticket, &session, extent).await?,
    };
    write(StatusCode::OK, read(&app, &session, ticket, extent, (shown, fixed)).await?).await
}

/// The page, with what went wrong when somebody just tried to answer, and what they typed.
pub(super) async fn page(
    app: &App,
    session: &Session,
    id: Token,
    extent: Extent,
    (problem, typed): (Problem, Typed),
) -> Result<Response, Trouble> {
    let ticket = seen(app, session, id).await?;
    let shown = rendered(app, &ticket, session, extent).await?;
    let page = read(app, session, ticket, extent, shown).await?;
    write(problem.status, RequestPage { problem: Some(problem.detail), typed, ..page }).await
}

/// A page around what is shown of the request.
async fn read(
    app: &App,
    session: &Session,
    ticket: Ticket,
    extent: Extent,
    (shown, fixed): (Hash, Option<Fixed>),
) -> Result<RequestPage, Problem> {
    let id = ticket.id;
    let answers = app.store.answers(&ticket).await?;
    let history = app.store.history(id).await?;
    let people = answers.iter().map(|kept| kept.answer.person.clone());
    let people = people.chain(history.iter().filter_map(Entry::person)).collect();
    let names = app.store.names(people).await?;
    let review = app.store.review(id).await?;
    let waiting = app.store.waiting(id).await?;
    let need = needed(&ticket, &answers);
    let cedar = &ticket.question.cedar;
    Ok(RequestPage {
        viewer: Viewer::of(session, ""),
        problem: None,
        typed: Typed::default(),
        who: Named::of(&cedar.principal),
        action: Named::of(&cedar.action),
        resource: Named::of(&cedar.resource),
        short_path: words::cut(&ticket.question.request.path, LONGEST_PATH),
        because: Because::of(&ticket.question),
        have: need.saturating_sub(lacking(&ticket, &answers)),
        need,
        deadline: ticket.lapses_at.map(|at| Deadline::new(at, ticket.now)),
        held: waiting.held_until.map(|at| Deadline::new(at, ticket.now)),
        waiting,
        choice: choose(&ticket, &answers, session, extent),
        may_stop: may_stop(&ticket, &session.member),
        saw_all: match extent {
            Extent::Full => session.saw_all(id, shown),
            Extent::Folded => String::new(),
        },
        glass_by: glass_by(&ticket, &answers, session).filter(|_| !is_folded(&ticket, extent)),
        glass: review.map(|review| glass(&names, &ticket, review, session)),
        answers: answers.iter().map(|kept| said(&names, kept)).collect(),
        uses: app.store.uses(id).await?.iter().map(used).collect(),
        open_end: words::open_end(&ticket),
        history: history.into_iter().map(|entry| happened(&names, entry)).collect(),
        unreached: app.store.unreached(&[id]).await?.contains(&id),
        shown,
        fixed,
        ticket,
    })
}

/// The request as everybody is shown it, and what came before it.
async fn rendered(
    app: &App,
    ticket: &Ticket,
    session: &Session,
    extent: Extent,
) -> Result<(Hash, Option<Fixed>), StoreError> {
    let last = app.store.last_like(ticket, &session.member).await?;
    let lately = app.store.lately(ticket, &session.member).await?.iter().map(Other::of).collect();
    let _turn = turn(last.iter().chain([ticket])).await;
    let ticket = ticket.clone();
    let render = move || {
        let now = view(&ticket);
        let before = last.map(|last| Before::of(&last, &view(&last), &now));
        (now.hash(), Some(Fixed { parts: shown(&now, &ticket, extent), before, lately }))
    };
    Ok(tokio::task::spawn_blocking(render).await?)
}

/// Writes a page where it holds up nobody, and few long ones at a time: some are of many megabytes.
async fn write(status: StatusCode, page: RequestPage) -> Result<Response, Trouble> {
    let _turn = turn([&page.ticket]).await;
    Ok(tokio::task::spawn_blocking(move || html(status, &page)).await.map_err(StoreError::from)?)
}

/// Waits until what is long may be rendered.
async fn turn(tickets: impl IntoIterator<Item = &Ticket>) -> Option<SemaphorePermit<'static>> {
    static LONG: Semaphore = Semaphore::const_new(1);
    if tickets.into_iter().all(|ticket| ticket.raw.len() <= SHOWN_AT_ONCE) {
        return None;
    }
    // It is never closed.
    LONG.acquire().await.ok()
}

impl RequestPage {
    fn question(&self) -> &Question {
        &self.ticket.question
    }

    fn has_plain_host(&self) -> bool {
        countersign_view::is_plain_host(&self.question().request.authority)
    }

    /// What a tab or a window is called: there is no markup in it.
    fn title(&self) -> String {
        let plain = |named: &Named| visible::Visible(&named.id, visible::Lines::One).to_string();
        format!("{} asks for {} on {}", plain(&self.who), plain(&self.action), plain(&self.resource))
    }

    fn state(&self) -> &'static str {
        words::state(self.ticket.state)
    }

    fn severity(&self) -> &'static str {
        severity(self.question().terms.severity)
    }

    fn needs_otp(&self) -> bool {
        self.question().terms.severity == Severity::High
    }

    fn is(&self, state: &str) -> bool {
        crate::store::tickets::state_name(self.ticket.state) == state
    }

    fn has_answered(&self) -> bool {
        matches!(self.choice, Choice::Answered(_))
    }

    /// How it stands, for those who hear the page: said again when it changes.
    fn news(&self) -> String {
        let (state, have, need) = (self.state(), self.have, self.need);
        let glass = if self.glass.is_some() { ", the glass was broken" } else { "" };
        let flags = self.answers.iter().filter(|said| said.kind == Kind::Flag).count();
        let flagged = if flags > 0 { format!(", flagged by {flags}") } else { String::new() };
        format!("{state}, {have} of {need} approvals{flagged}{glass}")
    }

    /// How many uses stand in the form: all that there are, if nobody has typed fewer.
    fn uses_typed(&self) -> i64 {
        self.typed.uses.unwrap_or(self.question().terms.uses.into())
    }

    /// Whether the forms of the decision hold what a fresh page would not.
    fn keeps_typed(&self) -> bool {
        let Typed { preset, words, .. } = &self.typed;
        let fewer = self.uses_typed() != i64::from(self.question().terms.uses);
        !self.typed.is_in("review") && (fewer || !preset.is_empty() || !words.is_empty())
    }

    /// What was typed into a form that is not on the page any more.
    fn unsent(&self) -> Option<&str> {
        let there = match self.typed.form {
            "revoke" => self.may_stop && self.is("approved"),
            "review" => self.glass.as_ref().is_some_and(|glass| glass.yours),
            "break_glass" => self.glass_by.is_some(),
            _ => self.may_stop && self.is("pending") && !self.has_answered(),
        };
        Some(self.typed.words.as_str()).filter(|words| !there && !words.trim().is_empty())
    }

    fn now(&self) -> UnixMillis {
        self.ticket.now
    }

    fn use_within(&self) -> String {
        lasting(self.question().terms.use_within_ms)
    }
}
